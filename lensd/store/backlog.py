"""Sealed points whose levels of detail are not stored yet, and how they come by them.

A row of `node_backlog` says how far the nodes of a series reach that has such points. It is written with the
points, so that a kill at any moment leaves it true. Readers take the points themselves there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from lensd.store.chunks import EncodedColumns
from lensd.store.columns import Columns, is_ascending, joined
from lensd.store.levels import LevelWriter, drop
from lensd.store.reader import Reader

#: Chunks that one call takes in, which holds the writer for some milliseconds.
CHUNKS = 32
#: Chunks that are taken in when the next of their series is sealed.
_AT_ONCE = 64

Key = tuple[int, int]  #: (series, attempt)


class _Row(msgspec.Struct, array_like=True, frozen=True):
    """done: the newest chunk that is in stored nodes as a whole, 0 for none. step: points of the next chunk
    up to this step are in stored nodes, too."""

    done: int
    step: int | None


@dataclass(slots=True)
class _Held:
    """A series whose growing nodes are in memory. chunks: (id, last step) of those that are not in stored
    nodes as a whole."""

    writer: LevelWriter
    row: _Row
    is_noted: bool = False
    chunks: list[tuple[int, int]] = field(default_factory=list)


class HeldLevels:
    """The levels of detail of one input. While it has more to read, the nodes that grow are held in memory:
    storing them anew with every batch would take longer than storing the points."""

    def __init__(self, db: sqlite3.Connection, reader: Reader) -> None:
        self._db = db
        self._reader = reader
        self._held: dict[Key, _Held] = {}
        self._encoded = EncodedColumns()

    @property
    def keys(self) -> Collection[Key]:
        """The series and attempts that are held."""
        return self._held.keys()

    @property
    def buckets(self) -> int:
        """How many buckets are held."""
        return sum(held.writer.unstored for held in self._held.values())

    def extend(
        self,
        series: int,
        attempt: int,
        before: int | None,
        newest: int,
        points: Columns,
        ends: Sequence[int],
        *,
        hold: bool,
    ) -> None:
        """Take in points that were just sealed as chunks, within the caller's transaction.

        before: the id of the newest chunk of the series until then. newest: that of the newest now. ends: the
        last step of each of the new ones. hold: more of the input follows at once.
        """
        key = series, attempt
        held = self._held.get(key)
        if held is None:
            if _row(self._db, key) is not None:
                drop(self._db, series, attempt, int(points.step.min()), int(points.step.max()))
                if not _has_more_than(self._db, key, _AT_ONCE):  # a kill left it, no older lensd
                    while _row(self._db, key) is not None:
                        _next_chunks(self._db, self._reader, key)
                return
            held = self._held[key] = _Held(
                LevelWriter(self._db, series, attempt, self._encoded), _Row(before or 0, None)
            )
        is_taken = held.writer.extend(before, newest, points)
        if not (hold and is_taken):
            self._settle(key)
            return
        held.chunks += enumerate(ends, newest - len(ends) + 1)
        self._note(key, held)

    def settle(self) -> None:
        """Store what is held, within the caller's transaction."""
        for key in list(self._held):
            self._settle(key)

    def _settle(self, key: Key) -> None:
        held = self._held.pop(key)
        held.writer.flush()
        if held.is_noted:
            _delete(self._db, key)

    def _note(self, key: Key, held: _Held) -> None:
        """Write down how far the stored nodes reach."""
        reach, done = held.writer.stored_to, held.row.done
        while reach is not None and held.chunks and held.chunks[0][1] <= reach:
            done, _ = held.chunks.pop(0)
        # After a kill, the next chunk may write steps again: the step is said of a chunk that is there.
        row = _Row(done, reach if held.chunks else None)
        if row != held.row or not held.is_noted:
            held.row, held.is_noted = row, True
            self._db.execute(
                "INSERT OR REPLACE INTO node_backlog VALUES (?, ?, ?, ?)", (*key, row.done, row.step)
            )


def catch_up(db: sqlite3.Connection, reader: Reader, held: Collection[Key]) -> bool:
    """Make the nodes of the next chunks that lack them, within the caller's transaction. Returns whether any
    were left to do. held: the series that are left alone, as their nodes are in memory."""
    keys = db.execute("SELECT series_id, attempt FROM node_backlog")
    key = next((key for key in keys if key not in held), None)
    if key is not None:
        _next_chunks(db, reader, key)
    return key is not None


def _next_chunks(db: sqlite3.Connection, reader: Reader, key: Key) -> None:
    row = _row(db, key)
    assert row is not None
    sql = "SELECT id FROM chunk WHERE series_id = ? AND attempt = ? AND id > ? ORDER BY id LIMIT ?"
    ids = [id for (id,) in db.execute(sql, (*key, row.done, CHUNKS))]
    chunks = [reader.sealed(id) for id in ids]
    if ids and row.step is not None:
        chunks[0] = chunks[0].take(chunks[0].step > row.step)
    writer, done = LevelWriter(db, *key, EncodedColumns()), row.done
    whole = joined(chunks)
    if is_ascending(whole.step):
        ids, chunks = ids[-1:], [whole] if ids else []
    for id, points in zip(ids, chunks, strict=True):
        if len(points):
            writer.extend(done or None, id, points)
        done = id
    writer.flush()
    if len(whole):
        later = (
            "SELECT min_step, max_step FROM chunk WHERE series_id = ? AND attempt = ?"
            " AND max_step >= ? AND min_step <= ? AND id > ?"
        )
        reach = int(whole.step.min()), int(whole.step.max())
        for low, high in db.execute(later, (*key, *reach, done)).fetchall():
            drop(db, *key, low, high)
    db.execute(
        "UPDATE node_backlog SET done = ?, step = NULL WHERE series_id = ? AND attempt = ?", (done, *key)
    )
    if not _has_more_than(db, key, 0):
        _delete(db, key)


def _row(db: sqlite3.Connection, key: Key) -> _Row | None:
    sql = "SELECT done, step FROM node_backlog WHERE series_id = ? AND attempt = ?"
    row = db.execute(sql, key).fetchone()
    return None if row is None else _Row(*row)


def _delete(db: sqlite3.Connection, key: Key) -> None:
    db.execute("DELETE FROM node_backlog WHERE series_id = ? AND attempt = ?", key)


def _has_more_than(db: sqlite3.Connection, key: Key, chunks: int) -> bool:
    """Whether so many chunks and more wait for their nodes."""
    sql = (
        "SELECT 1 FROM node_backlog JOIN chunk USING (series_id, attempt)"
        " WHERE series_id = ? AND attempt = ? AND id > done LIMIT 1 OFFSET ?"
    )
    return db.execute(sql, (*key, chunks)).fetchone() is not None
