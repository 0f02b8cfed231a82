"""Reads a range at the level of detail that a question needs, as buckets where they serve, else as points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints
from lensd.store.buckets import COLUMNS, COUNTS, EDGES, EXTREMES, Buckets
from lensd.store.columns import Columns, empty
from lensd.store.levels import Node
from lensd.store.plan import BEYOND, LOWEST, Part
from lensd.store.reader import Reader
from lensd.store.windows import StepWindow


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which points of a range are wanted; None does not restrict.

    start_ms, end_ms: whole UTC milliseconds, both included. since: only what was stored after this version.
    """

    start_ms: int | None = None
    end_ms: int | None = None
    since: int | None = None

    def may_contain(self, min_ts: float, max_ts: float) -> bool:
        """Whether points of this range of times may be within them."""
        is_before = self.start_ms is not None and np.rint(max_ts) < self.start_ms
        is_after = self.end_ms is not None and np.rint(min_ts) > self.end_ms
        return not (is_before or is_after)

    def contain(self, points: Columns) -> npt.NDArray[np.bool_]:
        """Which of the points are within them."""
        times = np.rint(points.ts_ms)
        keep = np.ones(len(points), np.bool_)
        if self.start_ms is not None:
            keep &= times >= self.start_ms
        if self.end_ms is not None:
            keep &= times <= self.end_ms
        if self.since is not None:
            keep &= points.version > self.since
        return keep


ALL = Bounds()
_COARSEST = 99


@dataclass(frozen=True, slots=True)
class BucketRun:
    """Consecutive buckets of a node: those with lo <= index < hi."""

    node: Node
    lo: int
    hi: int

    @property
    def whole(self) -> bool:
        return self.hi - self.lo == self.node.buckets

    @property
    def points(self) -> int:
        """About how many points it holds; exactly, if it is whole."""
        return self.node.points * (self.hi - self.lo) // self.node.buckets


@dataclass(frozen=True, slots=True)
class Window:
    """A window of points and the part of it that is wanted. Bounds other than steps are for the caller to
    apply."""

    window: StepWindow
    part: Part

    @property
    def points(self) -> int:
        """How many points it holds at most."""
        return self.window.points


def pieces(reader: Reader, part: Part, level: int, bounds: Bounds = ALL) -> Iterator[BucketRun | Window]:
    """A part as runs of buckets of this level, or of finer ones or windows where there are none, ascending.

    level: see `levels.level_of`. All points of a run are within the bounds. Where the ends of a range cut a
    bucket its points come as windows.
    """
    is_timed = part.series in reader.clocks and bounds != ALL  # nodes know the points' own times
    level = -1 if is_timed else min(level, reader.top_level(part))
    head = reader.head(part) if level >= 0 else empty()
    # Steps of the head that a chunk also has replace what its buckets know.
    unsealed = (int(head.step.min()), int(head.step.max()) + 1) if len(head) else None
    yield from _at_level(reader, part, level, bounds, unsealed)


def _at_level(
    reader: Reader, part: Part, level: int, bounds: Bounds, unsealed: tuple[int, int] | None
) -> Iterator[BucketRun | Window]:
    if part.lo >= part.hi:
        return
    if level < 0:
        for window in reader.windows(part):
            is_new = bounds.since is None or window.may_be_newer(bounds.since)
            if is_new and bounds.may_contain(window.min_ts, window.max_ts):
                yield Window(window, part)
        return
    at = part.lo
    for node in reader.nodes(part, level):
        if bounds.since is not None and node.version <= bounds.since and _is_apart(node, unsealed):
            yield from _at_level(reader, part.clipped(at, node.begin), level - 1, bounds, unsealed)
            at = max(at, min(node.max_step + 1, part.hi))
            continue
        for lo, hi, begin, end, wanted in _runs(reader, node, part, bounds, unsealed):
            yield from _at_level(reader, part.clipped(at, begin), level - 1, bounds, unsealed)
            at = end
            if wanted:
                yield BucketRun(node, lo, hi)
    yield from _at_level(reader, part.clipped(at, part.hi), level - 1, bounds, unsealed)


def _is_apart(node: Node, unsealed: tuple[int, int] | None) -> bool:
    """Whether no step of the head, of which these are the least and the end, lies among those of a node."""
    return unsealed is None or unsealed[0] > node.max_step or unsealed[1] <= node.begin


def _runs(
    reader: Reader, node: Node, part: Part, bounds: Bounds, unsealed: tuple[int, int] | None
) -> Iterator[tuple[int, int, int, int, bool]]:
    """(lo, hi, begin, end, wanted): buckets lo <= index < hi, with steps begin <= step < end, that are wanted
    or not wanted as a whole. Buckets of which only some points are wanted are in none."""
    is_inside = part.lo <= node.begin and node.max_step < part.hi
    has_times = bounds.start_ms is not None or bounds.end_ms is not None
    if has_times and not node.timely:
        return
    if bounds.since is not None and node.oldest <= bounds.since:
        return
    if is_inside and _is_apart(node, unsealed) and not has_times:
        yield 0, node.buckets, node.begin, node.max_step + 1, True
        return
    buckets = reader.buckets(node, EDGES)
    edges = np.append(buckets.first_step, node.max_step + 1)
    edges[0] = node.begin
    fits = (edges[:-1] >= part.lo) & (edges[1:] <= part.hi)
    if unsealed is not None:
        fits &= (edges[1:] <= unsealed[0]) | (edges[:-1] >= unsealed[1])
    times = np.rint(np.append(buckets.first_ts, node.max_ts))
    wanted = np.ones(len(buckets), np.bool_)
    if bounds.start_ms is not None:
        before = times[1:] < bounds.start_ms
        wanted &= ~before
        fits &= before | (times[:-1] >= bounds.start_ms)
    if bounds.end_ms is not None:
        after = times[:-1] > bounds.end_ms
        wanted &= ~after
        fits &= after | (times[1:] <= bounds.end_ms)
    state: Ints = np.where(fits, np.where(wanted, 2, 1), 0)
    cuts = np.flatnonzero(np.diff(state)) + 1
    for lo, hi in zip([0, *cuts.tolist()], [*cuts.tolist(), len(state)], strict=True):
        if state[lo]:
            yield lo, hi, int(edges[lo]), int(edges[hi]), bool(state[lo] == 2)


def drawn(reader: Reader, part: Part, level: int, bounds: Bounds = ALL) -> list[BucketRun | Window]:
    """Like `pieces`, with windows at both ends, so that the first and the last point of a curve are exact."""
    runs = list(pieces(reader, part, level, bounds))
    if runs and isinstance(runs[-1], BucketRun):
        runs[-1:] = _opened(reader, part, runs[-1], runs[-1].hi - 1)
    if runs and isinstance(runs[0], BucketRun):
        runs[:1] = _opened(reader, part, runs[0], runs[0].lo)
    return runs


def _opened(reader: Reader, part: Part, run: BucketRun, index: int) -> list[BucketRun | Window]:
    """A run whose first or last bucket, that of this index, is read as points."""
    node, steps = run.node, reader.buckets(run.node, EDGES).first_step
    bucket = part.clipped(int(steps[index]), end_step(reader, node, index))
    windows: list[BucketRun | Window] = [Window(window, bucket) for window in reader.windows(bucket)]
    before, after = BucketRun(node, run.lo, index), BucketRun(node, index + 1, run.hi)
    return [*([before] if before.lo < before.hi else []), *windows, *([after] if after.lo < after.hi else [])]


def end_step(reader: Reader, node: Node, index: int) -> int:
    """The first step behind a bucket of a node."""
    is_last = index + 1 == node.buckets
    return node.max_step + 1 if is_last else int(reader.buckets(node, EDGES).first_step[index + 1])


def count(reader: Reader, part: Part, lo: int = LOWEST, hi: int = BEYOND, *, bounds: Bounds = ALL) -> int:
    """How many finite points a part of a metric shows. Chunks are decoded only where steps repeat or the
    range cuts them."""
    return counts(reader, [part.clipped(lo, hi)], bounds)[1]


def counts(reader: Reader, parts: Sequence[Part], bounds: Bounds = ALL) -> tuple[int, int]:
    """(how many points parts of a metric show, how many of them are finite)."""
    total = finite = 0
    shown_pieces = ((part, piece) for part in parts for piece in pieces(reader, part, _COARSEST, bounds))
    for shown, piece in shown_pieces:
        if isinstance(piece, BucketRun):
            cut = None if piece.whole else buckets_of(reader, shown, piece, COUNTS)
            total += piece.node.points if cut is None else int(cut.points.sum())
            finite += piece.node.finite if cut is None else int(cut.finite.sum())
        elif bounds == ALL and piece.window.only_chunk is not None and piece.window.within(piece.part):
            total += piece.window.only_chunk.points
            finite += piece.window.only_chunk.finite
        else:
            points = reader.read_window(piece.window, piece.part)
            points = points.take(bounds.contain(points))
            total += len(points)
            finite += int(np.isfinite(points.value).sum())
    return total, finite


@dataclass(frozen=True, slots=True)
class Extreme:
    """A finite value, and the step that it is of."""

    value: float
    step: int


def extremes(reader: Reader, parts: Sequence[Part]) -> tuple[Extreme | None, Extreme | None]:
    """The least and the greatest finite value of parts; None where there is none. The first of equal ones."""
    least = greatest = None
    for part in parts:
        for piece in pieces(reader, part, _COARSEST):
            if isinstance(piece, BucketRun):
                buckets = buckets_of(reader, part, piece, EXTREMES)
                lows, highs = (buckets.low_step, buckets.low), (buckets.high_step, buckets.high)
            else:
                points = reader.read_window(piece.window, piece.part)
                lows = highs = (points.step, points.value)
            least = _further(least, *lows, sign=-1.0)
            greatest = _further(greatest, *highs, sign=1.0)
    return least, greatest


def _further(held: Extreme | None, step: Ints, value: Floats, sign: float) -> Extreme | None:
    finite = np.flatnonzero(np.isfinite(value))
    if not len(finite):
        return held
    at = finite[(sign * value[finite]).argmax()]
    extreme = Extreme(float(value[at]), int(step[at]))
    return extreme if held is None or sign * extreme.value > sign * held.value else held


def estimate(reader: Reader, parts: Sequence[Part], bounds: Bounds = ALL) -> int:
    """About how many points parts show within the bounds; more rather than fewer. Reads no points."""
    return sum(piece.points for part in parts for piece in pieces(reader, part, _COARSEST, bounds))


def buckets_of(reader: Reader, part: Part, run: BucketRun, names: Sequence[str] = COLUMNS) -> Buckets:
    """The buckets of a run of a part with the columns of these names, the others empty."""
    buckets = reader.buckets(run.node, names)
    if not run.whole:
        buckets = buckets.take(slice(run.lo, run.hi))
    clock = reader.clocks.get(part.series)
    return buckets if clock is None else buckets.timed(clock)
