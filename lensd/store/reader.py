"""Reads one state of the database: its catalogue, its log lines, and columns of points."""

from __future__ import annotations

import itertools
import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from lensd.model import Floats, Ints
from lensd.store import levels
from lensd.store.buckets import COLUMNS, Buckets
from lensd.store.catalogue import Catalogue
from lensd.store.chunks import PARTS, ChunkError, Indices, decode_floats, decode_ints
from lensd.store.columns import Columns, earliest, empty, joined, newest
from lensd.store.errors import StoreError
from lensd.store.levels import Node
from lensd.store.logs import StoredLogs
from lensd.store.plan import BEYOND, LOWEST, Part
from lensd.store.step_clock import StepClock
from lensd.store.windows import CHUNK_INFO, ChunkInfo, StepWindow, disjoint

#: Encoded columns of fewer bytes are decoded faster than found. So many decoded ones are 4 MiB.
_WORTH_KEEPING, _MOST_KEPT = 64, 128
_MOST_NODES, _MOST_HEADS = 4, 64
_Key = tuple[int, int]  # a series and an attempt


@dataclass(slots=True)
class _Kept:
    """What a reader of one moment read last: heads and the steps lo <= step < hi that they hold, nodes,
    columns by blob."""

    heads: dict[_Key, Columns] = field(default_factory=dict)
    unsealed: dict[_Key, tuple[int, int]] = field(default_factory=dict)
    buckets: dict[tuple[int, Sequence[str]], Buckets] = field(default_factory=dict)
    columns: dict[bytes, Ints] = field(default_factory=dict)


def _matches(have: Ints, wanted: Ints) -> tuple[Indices, Indices]:
    """(which of the wanted steps are there, where), both ascending."""
    if not len(have):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    places = np.minimum(np.searchsorted(have, wanted), len(have) - 1)
    at = np.flatnonzero(have[places] == wanted)
    return at, places[at]


class Reader(Catalogue, StoredLogs):
    """Reads through one connection, on one thread at a time; all that one reader sees is of one moment.

    Any method raises StoreError, or ReadTimeout once the time it is allowed is over.
    """

    def __init__(
        self, db: sqlite3.Connection, path: str, now_ms: float = 0.0, *, is_moment: bool = False
    ) -> None:
        """is_moment: within one transaction, so that what was read once need not be read again."""
        super().__init__(db)
        self._path = path
        self.now_ms = now_ms  # the wall clock when the read began, UTC milliseconds
        self.deadline = math.inf  # of the monotonic clock, seconds
        self.clocks: dict[int, StepClock] = {}  # by series: whose times its points are shown at
        self._kept = _Kept() if is_moment else None

    def allow(self, seconds: float) -> None:
        """Let it read for so long from now on. A caller that sends what it reads renews this before each
        piece, so that the time a client takes does not count."""
        self.deadline = time.monotonic() + seconds

    def windows(self, part: Part) -> list[StepWindow]:
        """The part as windows of ascending, disjoint step ranges; chunks are described, not decoded."""
        windows = [StepWindow.of_chunk(chunk) for chunk in self._chunks(part)]
        head = self.head(part)
        if len(head):
            windows.append(StepWindow.of_head(head))
        clock = self.clocks.get(part.series)
        return disjoint(windows) if clock is None else [w.timed(clock) for w in disjoint(windows)]

    def read_window(self, window: StepWindow, part: Part, *, kind: str = "metric") -> Columns:
        """The points of a window that the part shows: one a step, ascending."""
        pieces = [self._decode(chunk) for chunk in window.chunks]
        if window.head is not None:
            pieces.append(window.head)
        points = self._timed(joined(pieces), part).between(part.lo, part.hi)
        return earliest(points) if kind == "iteration" else newest(points)

    def read(self, part: Part, lo: int = LOWEST, hi: int = BEYOND, *, kind: str = "metric") -> Columns:
        """The points of a part with lo <= step < hi: one a step, ascending."""
        inner = part.clipped(lo, hi)
        return joined([self.read_window(window, inner, kind=kind) for window in self.windows(inner)])

    def read_values(self, part: Part) -> tuple[Ints, Floats]:
        """The steps and values that `read` returns, without decoding times and versions where possible."""
        pieces = [self.window_values(window, part) for window in self.windows(part)]
        steps = [np.empty(0, np.int64), *(step for step, _ in pieces)]
        return np.concatenate(steps), np.concatenate([np.empty(0), *(value for _, value in pieces)])

    def window_values(self, window: StepWindow, part: Part) -> tuple[Ints, Floats]:
        """The steps and values of the points of a window that the part shows."""
        if window.only_chunk is not None:
            step, value = self._decode_values(window.only_chunk)
            if window.within(part):
                return step, value
            lo, hi = np.searchsorted(step, (part.lo, part.hi))
            return step[lo:hi], value[lo:hi]
        points = self.read_window(window, part)
        return points.step, points.value

    def values_at(self, window: StepWindow, part: Part, steps: Ints) -> tuple[Indices, Floats]:
        """(which of the ascending steps a window of a part has, its values there)."""
        if window.only_chunk is not None:
            return self._decode_values_at(window.only_chunk, steps)
        points = self.read_window(window, part)
        at, places = _matches(points.step, steps)
        return at, points.value[places]

    def newest_chunk(self) -> tuple[int, int]:
        """(id, version) of the newest chunk of all; zeros where there is none."""
        row = self._db.execute("SELECT id, version FROM chunk ORDER BY id DESC LIMIT 1").fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def changed_from(self, parts: Sequence[Part], newest: tuple[int, int]) -> int:
        """The first step of parts that may have changed since `newest_chunk` returned this."""
        row = self._db.execute("SELECT version FROM chunk WHERE id = ?", newest[:1]).fetchone()
        if row is None or row[0] != newest[1]:
            return LOWEST
        first = BEYOND
        sql = "SELECT min(min_step) FROM chunk WHERE series_id = ? AND attempt = ? AND id > ?"
        for part in parts:
            ((sealed,),) = self._db.execute(sql, (part.series, part.attempt, newest[0]))
            head = self.head(part)
            first = min(first, BEYOND if sealed is None else sealed, head.step.min(initial=BEYOND))
        return int(first)

    def written(self, part: Part, lo: int = LOWEST, hi: int = BEYOND) -> Columns:
        """All points of a part with lo <= step < hi in the order written, repeated steps included."""
        return self._timed(self._written(part.clipped(lo, hi)), part)

    def _timed(self, points: Columns, part: Part) -> Columns:
        clock = self.clocks.get(part.series)
        return points if clock is None else clock.place(points)

    def newer(self, part: Part, version: int) -> Columns:
        """The points of a part that were stored after `version`, in the order written."""
        points = self._written(part, version)
        return points.take(points.version > version)

    def head(self, part: Part, after: int = -1) -> Columns:
        """The points of a part that are not sealed yet and were stored after version `after`, in the order
        written."""
        kept, key = self._kept, (part.series, part.attempt)
        if kept is None:
            head = self._read_head(key)
        else:
            lo, hi = kept.unsealed.get(key, (LOWEST, BEYOND))
            if part.lo >= hi or part.hi <= lo:
                return empty()
            if key not in kept.heads:
                while len(kept.heads) >= _MOST_HEADS:
                    del kept.heads[next(iter(kept.heads))]
                head = kept.heads[key] = self._read_head(key)
                kept.unsealed[key] = (int(head.step.min()), int(head.step.max()) + 1) if len(head) else (0, 0)
            head = kept.heads[key]
        head = head.between(part.lo, part.hi)
        return head if after < 0 else head.take(head.version > after)

    def _read_head(self, key: _Key) -> Columns:
        sql = "SELECT step, ts_ms, value, version FROM head WHERE series_id = ? AND attempt = ? ORDER BY id"
        rows = self._db.execute(sql, key).fetchall()
        if not rows:
            return empty()
        step, ts_ms, value, version = zip(*rows, strict=True)
        return Columns(
            np.array(step, np.int64),
            np.array(ts_ms, np.float64),
            np.array(value, np.float64),  # SQLite has no NaN: it comes back as None, which numpy makes NaN
            np.array(version, np.int64),
        )

    def count_steps(self, parts: Sequence[Part], lo: int = LOWEST, hi: int = BEYOND) -> int:
        """How many distinct steps several iteration parts show together."""
        inner = [part.clipped(lo, hi) for part in parts]
        total = 0
        for begin, end in self.ranges(inner):
            steps = joined([self.read(part, begin, end, kind="iteration") for part in inner]).step
            total += len(np.unique(steps))
        return total

    def sealed(self, chunk: int) -> Columns:
        """The points of a chunk in the order written."""
        row = self._db.execute(f"SELECT {CHUNK_INFO} FROM chunk WHERE id = ?", (chunk,)).fetchone()
        return self._decode(ChunkInfo(*row))

    def sealed_part(self, chunk: int, part: Part) -> Columns:
        """The points of a chunk that are in a part, in the order written."""
        return self._timed(self.sealed(chunk), part).between(part.lo, part.hi)

    def unsealed(self, part: Part) -> Columns:
        """The points of a part that are not sealed yet, in the order written."""
        return self._timed(self.head(part), part)

    def chunks(self, part: Part) -> Iterator[StepWindow]:
        """The chunks of a part in the order written, each as a window."""
        clock = self.clocks.get(part.series)
        for window in map(StepWindow.of_chunk, self._chunks(part)):
            yield window if clock is None else window.timed(clock)

    def top_level(self, part: Part) -> int:
        """The coarsest level of detail that a part has nodes of; -1 for none."""
        sql = "SELECT max(level) FROM node WHERE series_id = ? AND attempt = ?"
        ((level,),) = self._db.execute(sql, (part.series, part.attempt))
        return -1 if level is None else int(level)

    def nodes(self, part: Part, level: int) -> list[Node]:
        """The nodes of a level of detail that hold steps of a part, ascending."""
        return levels.nodes(self._db, part.series, part.attempt, level, part.lo, part.hi)

    def buckets(self, node: Node, names: Sequence[str] = COLUMNS) -> Buckets:
        """The buckets of a node with the columns of these names, the others empty."""
        kept = self._kept.buckets if self._kept is not None else {}
        buckets = kept.get((node.id, names))
        if buckets is None:
            try:
                buckets = levels.read(self._db, node, names)
            except ChunkError as error:
                raise StoreError(f"{self._path}: node {node.id}: {error}") from error
            while len(kept) >= _MOST_NODES:
                del kept[next(iter(kept))]
            kept[node.id, names] = buckets
        return buckets

    def ranges(self, parts: Sequence[Part], limit: int = 1 << 16) -> list[tuple[int, int]]:
        """Step ranges `lo <= step < hi` that together cover the parts, with about `limit` points in each."""
        starts = sorted((w.min_step, w.points) for part in parts for w in self.windows(part))
        edges, points_since_edge = [LOWEST], 0
        for step, points in starts:
            if points_since_edge >= limit and step > edges[-1]:
                edges.append(step)
                points_since_edge = 0
            points_since_edge += points
        return list(itertools.pairwise([*edges, BEYOND]))

    def _written(self, part: Part, after: int = -1) -> Columns:
        pieces = [self._decode(chunk) for chunk in self._chunks(part, after)]
        return joined([*pieces, self.head(part, after)]).between(part.lo, part.hi)

    def _chunks(self, part: Part, after: int = -1) -> Iterator[ChunkInfo]:
        """The chunks with steps of the part and points newer than version `after`, in the order written."""
        sql = (
            f"SELECT {CHUNK_INFO} FROM chunk WHERE series_id = ? AND attempt = ?"
            " AND max_step >= ? AND min_step < ? AND version > ? ORDER BY id"
        )
        bounds = (part.series, part.attempt, part.lo, part.hi, after)
        return (ChunkInfo(*row) for row in self._db.execute(sql, bounds))

    def _decode_values(self, chunk: ChunkInfo) -> tuple[Ints, Floats]:
        sql = 'SELECT steps, "values" FROM chunk WHERE id = ?'
        steps, values = self._db.execute(sql, (chunk.id,)).fetchone()
        try:
            return self._shared(steps, chunk.points), decode_floats(values, chunk.points)
        except ChunkError as error:
            raise self._damaged(chunk, error) from error

    def _decode_values_at(self, chunk: ChunkInfo, wanted: Ints) -> tuple[Indices, Floats]:
        sql = 'SELECT steps, "values" FROM chunk WHERE id = ?'
        steps, values = self._db.execute(sql, (chunk.id,)).fetchone()
        try:
            at, places = _matches(self._shared(steps, chunk.points), wanted)
            return at, decode_floats(values, chunk.points, places)
        except ChunkError as error:
            raise self._damaged(chunk, error) from error

    def _decode(self, chunk: ChunkInfo) -> Columns:
        sql = 'SELECT steps, times, "values", versions FROM chunk WHERE id = ?'
        steps, times, values, versions = self._db.execute(sql, (chunk.id,)).fetchone()
        try:
            return Columns(
                self._shared(steps, chunk.points),
                self._shared(times, chunk.points) / PARTS,
                decode_floats(values, chunk.points),
                decode_ints(versions, chunk.points),
            )
        except ChunkError as error:
            raise self._damaged(chunk, error) from error

    def _shared(self, blob: bytes, count: int) -> Ints:
        """Steps or times, decoded. Most series of a run have the same."""
        if self._kept is None or len(blob) < _WORTH_KEEPING:
            return decode_ints(blob, count)
        columns = self._kept.columns
        column = columns.get(blob)
        if column is None:
            if len(columns) >= _MOST_KEPT:
                columns.clear()
            column = columns[blob] = decode_ints(blob, count)
            column.flags.writeable = False
        return column

    def _damaged(self, chunk: ChunkInfo, error: ChunkError) -> StoreError:
        return StoreError(f"{self._path}: chunk {chunk.id}: {error}")
