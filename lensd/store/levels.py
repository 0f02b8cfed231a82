"""Levels of detail: the buckets of sealed points at several resolutions, kept beside the points.

Level 0 has a bucket for 64 points, each further level one for 4 of the level before. A node is a row of at
most 1024 buckets of one level. The newest node of level 0 grows as chunks are sealed; one that is full is
merged into the newest node of the next level. So a series of any length is a few thousand buckets at one
level or another, and one that has few points has one node.

Nodes cover only chunks whose steps ascend without overlap. Where a later chunk writes steps again, the nodes
there are deleted, and readers fall back to the chunks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np

from lensd.store import buckets as bucket
from lensd.store.buckets import Buckets
from lensd.store.chunks import EncodedColumns
from lensd.store.columns import Columns, is_ascending

#: Buckets of a full node.
NODE = 1024


class Node(msgspec.Struct, array_like=True, frozen=True):
    """A node as its row describes it; the fields are the columns of NODE_INFO.

    begin: no step lies between it and `min_step`. timely: times do not fall with steps. oldest, version: of
    its points. last_chunk: the id of the newest chunk in it.
    """

    id: int
    level: int
    begin: int
    min_step: int
    max_step: int
    min_ts: float
    max_ts: float
    timely: int
    buckets: int
    points: int
    finite: int
    oldest: int
    version: int
    last_chunk: int


_NONE = np.empty(0)
_FIELDS = Node.__struct_fields__
#: The columns of a node's row that describe it, and those that hold its buckets.
NODE_INFO = ", ".join(f'"{name}"' for name in _FIELDS)
_BLOBS = ", ".join(f"bucket_{name}" for name in bucket.COLUMNS)
_INSERT = (
    f"INSERT INTO node (series_id, attempt, {', '.join(_FIELDS[1:])}, {_BLOBS})"
    f" VALUES ({', '.join('?' * (len(_FIELDS) + 1 + len(bucket.COLUMNS)))})"
)


def resolution(level: int) -> int:
    """Points in a full bucket of a level."""
    return int(bucket.POINTS * bucket.FANOUT**level)


def level_of(points: int, wanted: int) -> int:
    """The coarsest level at which so many points make at least `wanted` buckets; -1 for points themselves."""
    level = -1
    while points >= wanted * resolution(level + 1):
        level += 1
    return level


def nodes(db: sqlite3.Connection, series: int, attempt: int, level: int, lo: int, hi: int) -> list[Node]:
    """The nodes of a level that hold steps with lo <= step < hi, ascending."""
    sql = (
        f"SELECT {NODE_INFO} FROM node WHERE series_id = ? AND attempt = ? AND level = ?"
        " AND max_step >= ? AND min_step < ? ORDER BY min_step"
    )
    return [Node(*row) for row in db.execute(sql, (series, attempt, level, lo, hi))]


def read(db: sqlite3.Connection, node: Node, names: Sequence[str] = bucket.COLUMNS) -> Buckets:
    """The buckets of a node with the columns of these names, the others empty. Raises ChunkError."""
    blobs = ", ".join(f"bucket_{name}" for name in names)
    row = db.execute(f"SELECT {blobs} FROM node WHERE id = ?", (node.id,)).fetchone()
    columns = {name: bucket.decode(name, blob, node.buckets) for name, blob in zip(names, row, strict=True)}
    return Buckets(*(columns.get(name, _NONE) for name in bucket.COLUMNS))  # type: ignore[arg-type]  # each of its type


@dataclass(slots=True)
class _Growing:
    """A node with room for more buckets. row: the id of its row, 0 for none. is_stored: the row has all of
    it."""

    node: Node
    buckets: list[Buckets]
    row: int = 0
    is_stored: bool = False

    @property
    def length(self) -> int:
        return sum(len(buckets) for buckets in self.buckets)


class LevelWriter:
    """Keeps the nodes of one series in one attempt, within the caller's transactions.

    A node that is full is stored at once, one that grows when `flush` is called.
    """

    def __init__(self, db: sqlite3.Connection, series: int, attempt: int, encoded: EncodedColumns) -> None:
        """encoded: shared with series that have the same steps and times."""
        self._db = db
        self._encoded = encoded
        self._series = (series, attempt)
        self._growing: dict[int, _Growing | None] = {}  # by level, once looked up
        self._newest = self._newest_row(0)
        #: The greatest step in a stored node of level 0, None without any.
        self.stored_to = None if self._newest is None else self._newest.max_step

    @property
    def unstored(self) -> int:
        """How many buckets wait for `flush`."""
        return sum(node.length for node in self._growing.values() if node is not None and not node.is_stored)

    def extend(self, before: int | None, last_chunk: int, points: Columns) -> bool:
        """Take in points that were just sealed. Returns whether nodes hold them: not where steps repeat.

        before: the id of the newest chunk of the series until then. last_chunk: that of the newest now.
        """
        low, high = int(points.step.min()), int(points.step.max())
        if self._newest is not None and self._newest.max_step >= low:
            self.flush()
            drop(self._db, *self._series, low, high)
            self._growing.clear()
            self._newest = self._newest_row(0)
        if not is_ascending(points.step):
            return False
        is_next = self._newest is not None and self._newest.last_chunk == before
        if not is_next and before is not None and self._reaches(low, before):
            return False
        begin = self._newest.max_step + 1 if is_next and self._newest is not None else low
        ts_ms = points.ts_ms
        timely = bool((ts_ms[1:] >= ts_ms[:-1]).all())
        self._newest = Node(
            0, 0, begin, low, high, float(ts_ms.min()), float(ts_ms.max()), timely, 0, len(points), 0,
            int(points.version.min()), int(points.version.max()), last_chunk,
        )  # fmt: skip
        self._append(self._newest, bucket.of_points(points))
        return True

    def flush(self) -> None:
        """Store the nodes that grow."""
        for growing in self._growing.values():
            if growing is not None and not growing.is_stored:
                self._store(growing)

    def _append(self, added: Node, buckets: Buckets) -> None:
        """Add buckets behind the newest node of a level, or as a new one; `added` describes their points."""
        level = added.level
        growing = self._grown(level)
        if growing is not None and growing.node.max_step + 1 == added.begin:
            growing.node = _both(growing.node, added)
        else:
            if growing is not None and not growing.is_stored:
                self._store(growing)
            growing = _Growing(added, [])
        growing.buckets.append(buckets)
        growing.is_stored = False
        self._growing[level] = growing
        if growing.length < NODE:
            return
        whole = bucket.joined(growing.buckets)
        self._delete(growing)
        full = len(whole) // NODE * NODE
        for at in range(0, full, NODE):
            piece = whole.take(slice(at, at + NODE))
            node = _described(growing.node, whole, at, piece)
            self._insert(node, piece)
            self._append(msgspec.structs.replace(node, level=level + 1), bucket.merged(piece))
        rest = whole.take(slice(full, None))
        is_left = len(rest) > 0
        self._growing[level] = (
            _Growing(_described(growing.node, whole, full, rest), [rest]) if is_left else None
        )

    def _grown(self, level: int) -> _Growing | None:
        """The newest node of a level, if it has room."""
        if level not in self._growing:
            row = self._newest_row(level)
            if row is not None and row.buckets < NODE:
                self._growing[level] = _Growing(row, [read(self._db, row)], row.id, True)
            else:
                self._growing[level] = None
        return self._growing[level]

    def _store(self, growing: _Growing) -> None:
        self._delete(growing)
        buckets = bucket.joined(growing.buckets)
        growing.buckets = [buckets]
        growing.row = self._insert(_described(growing.node, buckets, 0, buckets), buckets)
        growing.is_stored = True

    def _delete(self, growing: _Growing) -> None:
        if growing.row:
            self._db.execute("DELETE FROM node WHERE id = ?", (growing.row,))

    def _insert(self, node: Node, buckets: Buckets) -> int:
        blobs = [
            self._encoded.get((name, node.level), getattr(buckets, name), partial(bucket.encode, name))
            for name in bucket.COLUMNS
        ]
        if node.level == 0:
            self.stored_to = node.max_step
        values = (*self._series, *msgspec.structs.astuple(node)[1:], *blobs)
        return int(self._db.execute(_INSERT, values).lastrowid or 0)

    def _newest_row(self, level: int) -> Node | None:
        sql = (
            f"SELECT {NODE_INFO} FROM node WHERE series_id = ? AND attempt = ? AND level = ?"
            " ORDER BY min_step DESC LIMIT 1"
        )
        row = self._db.execute(sql, (*self._series, level)).fetchone()
        return None if row is None else Node(*row)

    def _reaches(self, step: int, before: int) -> bool:
        """Whether an earlier chunk holds this step or a later one."""
        sql = "SELECT 1 FROM chunk WHERE series_id = ? AND attempt = ? AND id <= ? AND max_step >= ? LIMIT 1"
        return self._db.execute(sql, (*self._series, before, step)).fetchone() is not None


def drop(db: sqlite3.Connection, series: int, attempt: int, low: int, high: int) -> None:
    """Delete the nodes with steps from `low` to `high`, which a chunk holds that was sealed later. If that
    goes back, no node continues the newest any more: it would claim that there is nothing between them."""
    where = "series_id = ?1 AND attempt = ?2"
    sql = f"SELECT id FROM node WHERE {where} AND level = 0 ORDER BY min_step DESC LIMIT 1"
    goes_back = f"SELECT 1 FROM node WHERE {where} AND level = 0 AND max_step >= ?3 LIMIT 1"
    if db.execute(goes_back, (series, attempt, low)).fetchone() is not None:
        db.execute(
            f"DELETE FROM node WHERE {where} AND max_step >= ?3 AND min_step <= ?4",
            (series, attempt, low, high),
        )
        db.execute(f"UPDATE node SET last_chunk = 0 WHERE id = ({sql})", (series, attempt))


def _both(first: Node, second: Node) -> Node:
    """What describes two nodes, one behind the other."""
    return Node(
        0, first.level, first.begin, first.min_step, second.max_step,
        min(first.min_ts, second.min_ts), max(first.max_ts, second.max_ts),
        int(bool(first.timely and second.timely and first.max_ts <= second.min_ts)),
        0, first.points + second.points, 0,
        min(first.oldest, second.oldest), max(first.version, second.version), second.last_chunk,
    )  # fmt: skip


def _described(whole: Node, buckets: Buckets, at: int, piece: Buckets) -> Node:
    """The node of a piece of the buckets that `whole` describes. Times and versions of the whole are bounds
    for each piece."""
    end = at + len(piece)
    last = end == len(buckets)
    return msgspec.structs.replace(
        whole,
        begin=whole.begin if at == 0 else int(piece.first_step[0]),
        min_step=int(piece.first_step[0]),
        max_step=whole.max_step if last else int(buckets.first_step[end]) - 1,
        min_ts=whole.min_ts if not whole.timely or at == 0 else float(piece.first_ts[0]),
        max_ts=whole.max_ts if not whole.timely or last else float(buckets.first_ts[end]),
        buckets=len(piece),
        points=int(piece.points.sum()),
        finite=int(piece.finite.sum()),
    )
