"""Inputs whose file has turned out to be a part of another input: what they hold is not shown any more.

A rotated segment that is found alone, before the log is begun anew, is an input of its own until then.
"""

from __future__ import annotations

import sqlite3

from lensd.model import Input
from lensd.store.counters import Tally
from lensd.store.reader import Reader
from lensd.store.text import storable

MERGED = "merged"  #: the state of such an input
_SLACK_MS = 1000.0  # times that are inferred twice differ a little


def merge(db: sqlite3.Connection, path: str, input: Input) -> list[str]:
    """Merge the inputs that `input` contains into it, and count anew what their workloads show. Returns the
    keys of those that were merged.

    One that begins before all points of `input` is left alone: they have been read separately so far. path:
    of the database. Runs within the caller's transaction.
    """
    merged: list[str] = []
    views: set[tuple[int, str]] = set()
    for key in input.contains:
        sql = (
            "SELECT part.id, part.workload_id, part.data_source FROM input part JOIN input whole"
            " ON whole.key = ?1 AND part.key = ?2 WHERE part.state != ?3"
            " AND (whole.min_ts IS NULL OR part.min_ts IS NULL OR whole.min_ts <= part.min_ts + ?4)"
        )
        row = db.execute(sql, (input.id, key, MERGED, _SLACK_MS)).fetchone()
        if row is None:
            continue
        merged.append(key)
        views.add((row[1], row[2]))
        db.execute(
            "UPDATE input SET state = ?, error = NULL, note = ?, lag_bytes = 0, min_ts = NULL, max_ts = NULL"
            " WHERE id = ?",
            (MERGED, storable(f"read as a part of {input.name}"), row[0]),
        )
    if not merged:
        return []
    reader = Reader(db, path)
    version = reader.version() + 1
    db.execute("UPDATE meta SET value = ? WHERE name = 'version'", (version,))
    for workload_id, data_source in views:
        db.execute("UPDATE workload SET version = ? WHERE id = ?", (version, workload_id))
        Tally(reader, db, workload_id, data_source, 0).anew()
    return merged
