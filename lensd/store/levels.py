"""Levels of detail: the buckets of sealed points at several resolutions, kept beside the points.

Level 0 has a bucket for 64 points, each further level one for 4 of the level before. A node is a row of at
most 1024 buckets of one level. The newest node of level 0 grows as chunks are sealed; a node that is full is
merged into the newest node of the next level. So a series of any length is a few thousand buckets at one
level or another, and one that has few points has one node.

Nodes cover only chunks whose steps ascend without overlap. Where a later chunk writes steps again, the nodes
there are deleted, and readers fall back to the chunks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
import numpy as np

from lensd.store import buckets as bucket
from lensd.store.buckets import Buckets
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


class LevelWriter:
    """Keeps the nodes of one series in one attempt, within the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, series: int, attempt: int) -> None:
        self._db = db
        self._series = (series, attempt)

    def extend(self, before: int | None, last_chunk: int, points: Columns) -> None:
        """Take in points that were just sealed.

        before: the id of the newest chunk of the series until then. last_chunk: that of the newest now.
        """
        low, high = int(points.step.min()), int(points.step.max())
        open_node = self._newest(0)
        if open_node is not None and open_node.max_step >= low:
            self._db.execute(
                "DELETE FROM node WHERE series_id = ? AND attempt = ? AND max_step >= ? AND min_step <= ?",
                (*self._series, low, high),
            )
        if not is_ascending(points.step):
            return
        if open_node is not None and (open_node.last_chunk != before or open_node.max_step >= low):
            open_node = None
        if open_node is None and before is not None and self._reaches(low, before):
            return
        ts_ms = points.ts_ms
        timely = bool((ts_ms[1:] >= ts_ms[:-1]).all())
        begin = low if open_node is None else open_node.max_step + 1
        added = Node(
            0, 0, begin, low, high, float(ts_ms.min()), float(ts_ms.max()), timely, 0, len(points), 0,
            int(points.version.min()), int(points.version.max()), last_chunk,
        )  # fmt: skip
        self._append(open_node, added, bucket.of_points(points))

    def _append(self, open_node: Node | None, added: Node, buckets: Buckets) -> None:
        """Add buckets behind a node, or as a new one; `added` describes their points."""
        old: Buckets | None = None
        if open_node is not None and open_node.buckets < NODE:
            old = read(self._db, open_node)
            self._db.execute("DELETE FROM node WHERE id = ?", (open_node.id,))
            added = _both(open_node, added)
            buckets = bucket.joined([old, buckets])
        for at in range(0, len(buckets), NODE):
            piece = buckets.take(slice(at, at + NODE))
            node = _described(added, buckets, at, piece)
            self._insert(node, piece)
            if len(piece) == NODE:
                self._promote(node, piece)

    def _promote(self, node: Node, buckets: Buckets) -> None:
        """Merge a full node into the next level."""
        level = node.level + 1
        above = self._newest(level)
        if above is not None and above.max_step + 1 != node.begin:
            above = None
        self._append(above, msgspec.structs.replace(node, level=level), bucket.merged(buckets))

    def _insert(self, node: Node, buckets: Buckets) -> None:
        blobs = [bucket.encode(name, getattr(buckets, name)) for name in bucket.COLUMNS]
        self._db.execute(_INSERT, (*self._series, *msgspec.structs.astuple(node)[1:], *blobs))

    def _newest(self, level: int) -> Node | None:
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


def is_in_backlog(db: sqlite3.Connection, series: int, attempt: int) -> bool:
    """Whether chunks that are older than the levels still wait for their nodes."""
    sql = "SELECT 1 FROM node_backlog WHERE series_id = ? AND attempt = ?"
    return db.execute(sql, (series, attempt)).fetchone() is not None
