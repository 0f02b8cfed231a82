"""The tables of a lensd database, and how one is opened.

docs/database.md describes the tables. They change by migrations only. A file written by a newer lensd is
refused.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from lensd.store.errors import StoreError

# sqlite-utils imports pandas where it is installed, as in many training environments: 60 MB for nothing.
# While sys.modules holds None for it, importing it fails, and sqlite-utils goes on without.
_HIDDEN = "pandas" not in sys.modules and sys.modules.setdefault("pandas", None) is None  # type: ignore[arg-type]  # None hides it
try:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations
finally:
    if _HIDDEN:
        del sys.modules["pandas"]

_MIGRATIONS = Migrations("lensd")

_FIRST = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('version', 0);

CREATE TABLE workload (
  id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, folder TEXT NOT NULL,
  created_ms REAL, updated_ms REAL, version INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE input (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, workload_id INTEGER NOT NULL REFERENCES workload(id),
  data_source TEXT NOT NULL, adapter TEXT NOT NULL, path TEXT NOT NULL, name TEXT NOT NULL, why TEXT NOT NULL,
  structured INTEGER NOT NULL, prefix TEXT NOT NULL, restarts TEXT NOT NULL,
  cursor BLOB, attempt INTEGER NOT NULL DEFAULT 1, min_ts REAL, max_ts REAL,
  dialect TEXT, state TEXT NOT NULL DEFAULT 'new', error TEXT, note TEXT,
  time_inferred INTEGER NOT NULL DEFAULT 0, lag_bytes INTEGER NOT NULL DEFAULT 0, last_ok_ms REAL,
  records INTEGER NOT NULL DEFAULT 0, matched INTEGER NOT NULL DEFAULT 0,
  unparsed INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0, points INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX input_workload ON input(workload_id);
CREATE TABLE fact (
  input_id INTEGER NOT NULL REFERENCES input(id), name TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (input_id, name)
) WITHOUT ROWID;

-- kind: 'metric', 'label' (values are codes of label_text), 'iteration' (steps seen; value: target iteration)
CREATE TABLE series (
  id INTEGER PRIMARY KEY, input_id INTEGER NOT NULL REFERENCES input(id), name TEXT NOT NULL,
  kind TEXT NOT NULL, iterates INTEGER NOT NULL DEFAULT 1, unit TEXT,
  attempt INTEGER NOT NULL DEFAULT 1, head INTEGER NOT NULL DEFAULT 0, UNIQUE (input_id, kind, name)
);
-- what a series holds of one attempt
CREATE TABLE span (
  series_id INTEGER NOT NULL REFERENCES series(id), attempt INTEGER NOT NULL, points INTEGER NOT NULL,
  last_step INTEGER NOT NULL, min_step INTEGER NOT NULL, max_step INTEGER NOT NULL,
  min_ts REAL NOT NULL, max_ts REAL NOT NULL, PRIMARY KEY (series_id, attempt)
) WITHOUT ROWID;
-- where an input as a whole began again
CREATE TABLE attempt (
  input_id INTEGER NOT NULL REFERENCES input(id), attempt INTEGER NOT NULL, first_step INTEGER NOT NULL,
  PRIMARY KEY (input_id, attempt)
) WITHOUT ROWID;

CREATE TABLE head (
  id INTEGER PRIMARY KEY, series_id INTEGER NOT NULL, attempt INTEGER NOT NULL, step INTEGER NOT NULL,
  ts_ms REAL NOT NULL, value REAL, version INTEGER NOT NULL
);
CREATE INDEX head_series ON head(series_id, attempt, id);
-- sealed points in the order written; ascending: steps strictly increase, so nothing replaces anything
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY, series_id INTEGER NOT NULL, attempt INTEGER NOT NULL, points INTEGER NOT NULL,
  finite INTEGER NOT NULL, ascending INTEGER NOT NULL, min_step INTEGER NOT NULL, max_step INTEGER NOT NULL,
  min_ts REAL NOT NULL, max_ts REAL NOT NULL, version INTEGER NOT NULL,
  low_step INTEGER, low_ts REAL, low REAL, high_step INTEGER, high_ts REAL, high REAL,
  steps BLOB NOT NULL, times BLOB NOT NULL, "values" BLOB NOT NULL, versions BLOB NOT NULL
);
CREATE INDEX chunk_series ON chunk(series_id, attempt, id);
CREATE TABLE label_text (code INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

-- what a workload shows under one source and name; name '' counts the iterations of the source
CREATE TABLE view (
  workload_id INTEGER NOT NULL REFERENCES workload(id), data_source TEXT NOT NULL, kind TEXT NOT NULL,
  name TEXT NOT NULL, points INTEGER NOT NULL, max_step INTEGER,
  PRIMARY KEY (workload_id, data_source, kind, name)
) WITHOUT ROWID;
CREATE TABLE line_mark (
  input_id INTEGER NOT NULL REFERENCES input(id), line INTEGER NOT NULL, piece TEXT NOT NULL,
  byte_offset INTEGER NOT NULL, PRIMARY KEY (input_id, line)
) WITHOUT ROWID;
"""


@_MIGRATIONS()
def first_edition(db: Database) -> None:
    for statement in _FIRST.split(";\n"):
        if statement.strip():
            db.execute(statement)


_LOG_LINES = """
CREATE TABLE log_line (
  input_id INTEGER NOT NULL REFERENCES input(id), line INTEGER NOT NULL, ts_ms REAL NOT NULL,
  text TEXT NOT NULL, PRIMARY KEY (input_id, line)
) WITHOUT ROWID;
"""


@_MIGRATIONS()
def log_lines(db: Database) -> None:
    db.execute(_LOG_LINES)


_NODES = """
-- buckets of sealed points at several resolutions (lensd/store/levels.py)
CREATE TABLE node (
  id INTEGER PRIMARY KEY, series_id INTEGER NOT NULL, attempt INTEGER NOT NULL, level INTEGER NOT NULL,
  "begin" INTEGER NOT NULL, min_step INTEGER NOT NULL, max_step INTEGER NOT NULL,
  min_ts REAL NOT NULL, max_ts REAL NOT NULL, timely INTEGER NOT NULL, buckets INTEGER NOT NULL,
  points INTEGER NOT NULL, finite INTEGER NOT NULL, oldest INTEGER NOT NULL, version INTEGER NOT NULL,
  last_chunk INTEGER NOT NULL,
  bucket_first_step BLOB NOT NULL, bucket_first_ts BLOB NOT NULL,
  bucket_low_step BLOB NOT NULL, bucket_low_ts BLOB NOT NULL, bucket_low BLOB NOT NULL,
  bucket_high_step BLOB NOT NULL, bucket_high_ts BLOB NOT NULL, bucket_high BLOB NOT NULL,
  bucket_mean BLOB NOT NULL, bucket_finite BLOB NOT NULL, bucket_points BLOB NOT NULL
);
CREATE INDEX node_series ON node(series_id, attempt, level, min_step);
-- attempts of series whose chunks are older than the levels; those up to `done` have their nodes
CREATE TABLE node_backlog (
  series_id INTEGER NOT NULL, attempt INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (series_id, attempt)
) WITHOUT ROWID;
INSERT INTO node_backlog (series_id, attempt) SELECT DISTINCT series_id, attempt FROM chunk;
CREATE INDEX chunk_steps ON chunk(series_id, attempt, max_step, min_step);
"""


@_MIGRATIONS()
def levels_of_detail(db: Database) -> None:
    for statement in _NODES.split(";\n"):
        if statement.strip():
            db.execute(statement)


@_MIGRATIONS()
def steps_of_marks(db: Database) -> None:
    db.execute("ALTER TABLE line_mark ADD COLUMN step INTEGER")


_VIEWS = """
CREATE VIEW workloads AS
  SELECT uid, folder, created_ms, updated_ms, version FROM workload;
CREATE VIEW facts AS
  SELECT uid AS workload, input.name AS input, fact.name AS name, value
  FROM fact JOIN input ON input.id = input_id JOIN workload ON workload.id = workload_id;
CREATE VIEW inputs AS
  SELECT uid AS workload, data_source, adapter, path, why, dialect AS log_format, state, points, records,
    matched, unparsed, skipped, lag_bytes, last_ok_ms, error, note, min_ts, max_ts
  FROM input JOIN workload ON workload.id = workload_id;
CREATE VIEW metrics AS
  SELECT uid AS workload, data_source, name, points, max_step
  FROM "view" JOIN workload ON workload.id = workload_id WHERE kind = 'metric';
CREATE VIEW recent_points AS
  SELECT uid AS workload, data_source, series.name AS metric, head.attempt AS attempt, step, ts_ms, value
  FROM head JOIN series ON series.id = series_id JOIN input ON input.id = input_id
  JOIN workload ON workload.id = workload_id WHERE kind = 'metric';
CREATE VIEW console_lines AS
  SELECT uid AS workload, line, ts_ms, text
  FROM log_line JOIN input ON input.id = input_id JOIN workload ON workload.id = workload_id;
"""


@_MIGRATIONS()
def views_to_ask(db: Database) -> None:
    for statement in _VIEWS.split(";\n"):
        if statement.strip():
            db.execute(statement)


@_MIGRATIONS()
def levels_of_long_reads(db: Database) -> None:
    # points of the chunk after `done` up to this step have their nodes, too
    db.execute("ALTER TABLE node_backlog ADD COLUMN step INTEGER")


def connect(path: str, *, write: bool, immutable: bool = False) -> sqlite3.Connection:
    """A connection with the settings that lensd uses everywhere. Raises sqlite3.Error."""
    if write:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    else:
        uri = f"{Path(path).absolute().as_uri()}?mode=ro" + ("&immutable=1" if immutable else "")
        db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
        _fill_in(db)
        db.execute("PRAGMA query_only = 1")
    db.execute("PRAGMA busy_timeout = 5000")
    # In KiB, for each connection. Readers find what they need in the system's cache of the file.
    db.execute(f"PRAGMA cache_size = {-4096 if write else -1024}")
    db.execute("PRAGMA mmap_size = 0")
    return db


def _fill_in(db: sqlite3.Connection) -> None:
    """Let a file of an older lensd be read that must not be changed: an empty table stands for `node`, and
    marks of lines have no steps."""
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    if "chunk" in tables and "node" not in tables:
        create = next(statement for statement in _NODES.split(";\n") if "CREATE TABLE node (" in statement)
        db.execute(create.replace("CREATE TABLE node (", "CREATE TEMP TABLE node ("))
    columns = {row[1] for row in db.execute("PRAGMA table_info(line_mark)")}
    if columns and "step" not in columns:
        db.execute("CREATE TEMP VIEW line_mark AS SELECT *, NULL AS step FROM main.line_mark")


def prepare(path: str) -> sqlite3.Connection:
    """Open a database for writing, creating it or migrating it. Raises StoreError."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot create the folder of the database {path}: {error.strerror}") from error
    try:
        db = connect(path, write=True)
        _refuse_newer(path, db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        _MIGRATIONS.apply(Database(db))
    except sqlite3.Error as error:
        raise StoreError.of(path, error) from error
    return db


def check(path: str, db: sqlite3.Connection) -> None:
    """Raise StoreError for a file that is not a lensd database, or is one of a newer lensd."""
    try:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        _refuse_newer(path, db)
    except sqlite3.Error as error:
        raise StoreError.of(path, error) from error
    if "workload" not in tables:
        raise StoreError(f"{path} is a SQLite database but not one of lensd")


def _refuse_newer(path: str, db: sqlite3.Connection) -> None:
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if Migrations.migrations_table not in tables:
        if tables:
            raise StoreError(f"{path} is a SQLite database of another program; name a new file with --db")
        return
    rows = db.execute(
        f"SELECT name FROM {Migrations.migrations_table} WHERE migration_set = 'lensd'"
    ).fetchall()
    ours = {migration.name for migration in _MIGRATIONS._migrations}
    newer = sorted({row[0] for row in rows} - ours)
    if newer:
        raise StoreError(
            f"{path} was written by a newer lensd (it has the migration {newer[0]!r}); "
            "upgrade lensd or name another file with --db"
        )
