"""What a database holds as plain rows of SQLite: for `lensd export --format sqlite`, and to ask in SQL.

The points of a lensd database are mostly in compressed chunks, which SQL cannot read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

from lensd.query import lens
from lensd.query.details import config_of
from lensd.query.results import Selection, WorkloadInfo
from lensd.query.workloads import workloads
from lensd.store import Reader

_TABLES = """
CREATE TABLE run (
  uid TEXT PRIMARY KEY, name TEXT, status TEXT, framework TEXT, iteration INTEGER, target_iteration INTEGER,
  steps_per_second REAL, created_ms INTEGER, updated_ms INTEGER
);
CREATE TABLE config (
  run TEXT NOT NULL REFERENCES run(uid), name TEXT NOT NULL, value, PRIMARY KEY (run, name)
);
CREATE TABLE point (
  run TEXT NOT NULL REFERENCES run(uid), metric TEXT NOT NULL, data_source TEXT NOT NULL,
  attempt INTEGER, step INTEGER NOT NULL, ts_ms INTEGER NOT NULL, value REAL NOT NULL
);
"""
_INDEX = "CREATE INDEX point_metric ON point(run, metric, step)"
_POINT = "INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?)"


def write_plain(
    reader: Reader, uids: Sequence[str], path: str, attempt: str, *, with_points: bool = True
) -> None:
    """Write runs, their configuration and all their finite points into a new SQLite file.

    attempt: `current`, `all`, or the number of one; `current` leaves the column NULL. Raises sqlite3.Error.
    """
    selection = Selection(
        attempt=int(attempt) if attempt.isdigit() else "all" if attempt == "all" else "current"
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;" + _TABLES)
        infos = {info.uid: info for info in workloads(reader, None, None)}
        for uid in uids:
            db.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _run(infos[uid]))
            workload = reader.workload(uid)
            facts = reader.facts(workload.id) if workload else {}
            config = [(uid, name, value) for name, value in config_of(facts).items()]
            db.executemany("INSERT INTO config VALUES (?, ?, ?)", config)
            if with_points:
                db.executemany(_POINT, _points(reader, uid, selection))
        db.execute(_INDEX)
        db.execute("COMMIT")


def _run(info: WorkloadInfo) -> tuple[object, ...]:
    return (
        info.uid, info.name, info.status, info.framework, info.iteration, info.target_iteration,
        info.steps_per_second, info.created_at, info.updated_at,
    )  # fmt: skip


def _points(reader: Reader, uid: str, selection: Selection) -> Iterator[tuple[object, ...]]:
    for piece in lens.points(reader, uid, selection)[1]:
        columns = piece.iteration.tolist(), piece.ts_ms.tolist(), piece.value.tolist()
        for row in zip(*columns, strict=True):
            yield uid, piece.metric_name, piece.data_source, piece.attempt, *row
