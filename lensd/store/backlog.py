"""Makes the levels of detail of databases that were written before there were any, a few chunks at a time."""

from __future__ import annotations

import sqlite3

from lensd.store.columns import is_ascending, joined
from lensd.store.levels import LevelWriter
from lensd.store.reader import Reader

#: Chunks that one call takes in, which holds the writer for some milliseconds.
CHUNKS = 32


def catch_up(db: sqlite3.Connection, reader: Reader) -> bool:
    """Make the nodes of the next chunks that lack them, within the caller's transaction. Returns whether any
    are left to do."""
    row = db.execute("SELECT series_id, attempt, done FROM node_backlog LIMIT 1").fetchone()
    if row is None:
        return False
    series, attempt, done = row
    sql = "SELECT id FROM chunk WHERE series_id = ? AND attempt = ? AND id > ? ORDER BY id LIMIT ?"
    ids = [id for (id,) in db.execute(sql, (series, attempt, done, CHUNKS))]
    chunks = [reader.sealed(id) for id in ids]
    writer = LevelWriter(db, series, attempt)
    whole = joined(chunks)
    if is_ascending(whole.step):
        ids, chunks = ids[-1:], [whole] if ids else []
    for id, points in zip(ids, chunks, strict=True):
        writer.extend(done or None, id, points)
        done = id
    if len(ids) < CHUNKS and not _has_more(db, series, attempt, done):
        db.execute("DELETE FROM node_backlog WHERE series_id = ? AND attempt = ?", (series, attempt))
    else:
        db.execute(
            "UPDATE node_backlog SET done = ? WHERE series_id = ? AND attempt = ?", (done, series, attempt)
        )
    return True


def _has_more(db: sqlite3.Connection, series: int, attempt: int, done: int) -> bool:
    sql = "SELECT 1 FROM chunk WHERE series_id = ? AND attempt = ? AND id > ? LIMIT 1"
    return db.execute(sql, (series, attempt, done)).fetchone() is not None
