"""Inputs whose metrics have other names now, or that belong to another workload: they are read anew.

What was stored of such an input is deleted, which is the only case: it is read again at once, from its file.
"""

from __future__ import annotations

import sqlite3

from lensd.model import Input
from lensd.store.counters import Tally
from lensd.store.reader import Reader
from lensd.store.text import storable

_OF_SERIES = ("head", "chunk", "span", "node", "node_backlog")
_OF_INPUT = ("series", "attempt", "fact", "line_mark", "log_line")
_UNREAD = (
    "cursor = NULL, attempt = 1, min_ts = NULL, max_ts = NULL, dialect = NULL, state = 'new', error = NULL,"
    " note = NULL, time_inferred = 0, records = 0, matched = 0, unparsed = 0, skipped = 0, bytes = 0,"
    " points = 0"
)


def may_be_elsewhere(input: Input, stored_uid: str, stored_prefix: str) -> bool:
    """Whether it is worth asking which workload an input belongs to now."""
    return input.is_assigned or must_be_renewed(input, stored_uid, stored_uid, stored_prefix)


def must_be_renewed(input: Input, uid: str, stored_uid: str, stored_prefix: str) -> bool:
    """Whether what is stored of an input is no longer where it belongs. uid: of the workload that it belongs
    to now."""
    return storable(input.prefix) != stored_prefix or (input.is_assigned and uid != stored_uid)


def renew(db: sqlite3.Connection, path: str, input: Input, workload_id: int) -> None:
    """Forget what is stored of an input, and put it into a workload. path: of the database. Runs within the
    caller's transaction."""
    sql = "SELECT id, workload_id, data_source FROM input WHERE key = ?"
    row_id, old_workload_id, data_source = db.execute(sql, (input.id,)).fetchone()
    for table in _OF_SERIES:
        db.execute(
            f"DELETE FROM {table} WHERE series_id IN (SELECT id FROM series WHERE input_id = ?)", (row_id,)
        )
    for table in _OF_INPUT:
        db.execute(f"DELETE FROM {table} WHERE input_id = ?", (row_id,))
    db.execute(
        f"UPDATE input SET {_UNREAD}, workload_id = ?, prefix = ? WHERE id = ?",
        (workload_id, storable(input.prefix), row_id),
    )
    reader = Reader(db, path)
    version = reader.version() + 1
    db.execute("UPDATE meta SET value = ? WHERE name = 'version'", (version,))
    db.execute("UPDATE workload SET version = ? WHERE id IN (?, ?)", (version, old_workload_id, workload_id))
    Tally(reader, db, old_workload_id, data_source, 0).anew()
    db.execute(
        "DELETE FROM workload WHERE id = ? AND NOT EXISTS"
        " (SELECT 1 FROM input WHERE workload_id = workload.id)",
        (old_workload_id,),
    )
