"""The points of a view in order of time, piece by piece, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lensd.model import Ints
from lensd.query.downsample import downsample, extremes
from lensd.query.results import Selection
from lensd.store.buckets import EXTREMES
from lensd.store.columns import Columns, joined
from lensd.store.detail import Bounds, BucketRun, buckets_of, counts, drawn, estimate
from lensd.store.levels import level_of, resolution
from lensd.store.plan import Part
from lensd.store.reader import Reader
from lensd.store.windows import StepWindow

_RATIO = 4  # candidates per returned point, as in MinMaxLTTB


@dataclass(slots=True)
class _Overlap:
    """Windows whose times overlap, so that they must be read together to be put in order of time."""

    members: list[tuple[StepWindow, Part]]
    min_ts: float
    max_ts: float


def slices(reader: Reader, parts: Sequence[Part], selection: Selection) -> Iterator[tuple[Columns, int]]:
    """(points, attempt number): the finite points selected, in order of time, then iteration."""
    for group in _groups(reader, parts):
        if not _may_match(group, selection):
            continue
        pieces = [reader.read_window(window, part) for window, part in group.members]
        numbers = np.repeat([part.number for _, part in group.members], [len(piece) for piece in pieces])
        points = joined(pieces)
        keep = _selected(points, selection)
        yield from _by_attempt(*_in_order_of_time(points.take(keep), numbers[keep]))


def _in_order_of_time(points: Columns, numbers: Ints) -> tuple[Columns, Ints]:
    """Points and their attempt numbers by whole milliseconds, then step."""
    if (points.ts_ms[1:] > points.ts_ms[:-1]).all() and (points.step[1:] >= points.step[:-1]).all():
        return points, numbers
    times = np.rint(points.ts_ms)
    later, same = times[1:] > times[:-1], times[1:] == times[:-1]
    if (later | (same & (points.step[1:] >= points.step[:-1]))).all():
        return points, numbers
    order = np.lexsort((points.step, times))
    return points.take(order), numbers[order]


def total(reader: Reader, parts: Sequence[Part], selection: Selection) -> tuple[int, int]:
    """(how many points are selected, how many of them are finite: `slices` returns these)."""
    return counts(reader, parts, _bounds(selection))


def downsampled(
    reader: Reader, parts: Sequence[Part], selection: Selection, points: int | None = None
) -> Iterator[tuple[Columns, int]]:
    """Like `slices`, downsampled to `selection.downsample` points in total, extremes included.

    Where the range holds many points, the coarsest buckets that give _RATIO candidates for each point stand
    for them: what it costs does not depend on the length of the run. points: about how many are selected, if
    that is known.
    """
    wanted = selection.downsample or 0
    held = estimate(reader, parts, _bounds(selection)) if points is None else points
    level = level_of(held, wanted * _RATIO // 2)
    if level < 0:
        candidates = list(slices(reader, parts, selection))
    else:
        candidates = [c for part in parts for c in _candidates(reader, part, level, selection)]
    if not candidates:
        return
    chosen = joined([columns for columns, _ in candidates])
    numbers = np.repeat([number for _, number in candidates], [len(columns) for columns, _ in candidates])
    chosen, numbers = _in_order_of_time(chosen, numbers)
    is_sorted = bool((chosen.step[1:] >= chosen.step[:-1]).all())
    index = downsample(chosen.step if is_sorted else np.arange(len(chosen)), chosen.value, wanted)
    yield from _by_attempt(chosen.take(index), numbers[index])


def _bounds(selection: Selection) -> Bounds:
    return Bounds(selection.start_ms, selection.end_ms, selection.since)


def _by_attempt(points: Columns, numbers: Ints) -> Iterator[tuple[Columns, int]]:
    """Consecutive points of one attempt each."""
    if not len(points):
        return
    edges = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    for lo, hi in zip([0, *edges], [*edges, len(points)], strict=True):
        yield points.take(slice(int(lo), int(hi))), int(numbers[lo])


def _candidates(
    reader: Reader, part: Part, level: int, selection: Selection
) -> Iterator[tuple[Columns, int]]:
    """The extremes of buckets, and of stretches of points where there are no buckets."""
    for piece in drawn(reader, part, level, _bounds(selection)):
        if isinstance(piece, BucketRun):
            step, ts_ms, value = buckets_of(reader, part, piece, EXTREMES).extremes()
            points = Columns(step, ts_ms, value, np.full(len(step), piece.node.version, np.int64))
        else:
            points = reader.read_window(piece.window, piece.part)
            points = points.take(_selected(points, selection))
            points = points.take(extremes(points.value, max(1, len(points) // resolution(level))))
        if len(points):
            yield points, part.number


def _groups(reader: Reader, parts: Sequence[Part]) -> list[_Overlap]:
    groups: list[_Overlap] = []
    for part in parts:
        for window in reader.windows(part):
            group = _Overlap([(window, part)], window.min_ts, window.max_ts)
            while groups and np.rint(group.min_ts) < np.rint(groups[-1].max_ts):
                before = groups.pop()
                group = _Overlap(
                    before.members + group.members,
                    min(before.min_ts, group.min_ts),
                    max(before.max_ts, group.max_ts),
                )
            groups.append(group)
    return groups


def _may_match(group: _Overlap, selection: Selection) -> bool:
    """Whether points of a group may be selected; decides without decoding them."""
    since = selection.since
    is_new = since is None or any(window.may_be_newer(since) for window, _ in group.members)
    return is_new and _bounds(selection).may_contain(group.min_ts, group.max_ts)


def _selected(points: Columns, selection: Selection) -> npt.NDArray[np.bool_]:
    keep: npt.NDArray[np.bool_] = np.isfinite(points.value) & _bounds(selection).contain(points)
    return keep
