"""The points of a view in order of time, piece by piece, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lensd.model import Ints
from lensd.query.downsample import downsample, extremes
from lensd.query.results import Selection
from lensd.store.columns import Columns, joined
from lensd.store.plan import Part
from lensd.store.reader import Reader
from lensd.store.windows import StepWindow

#: Views of at most so many points are decoded before they are downsampled. Of larger ones only candidates are
#: considered, most of which the rows of chunks supply without decoding.
DECODED = 1 << 20
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
        points, numbers = points.take(keep), numbers[keep]
        if len(group.members) > 1 or not (points.ts_ms[1:] >= points.ts_ms[:-1]).all():
            order = np.lexsort((points.step, np.rint(points.ts_ms)))
            points, numbers = points.take(order), numbers[order]
        yield from _by_attempt(points, numbers)


def total(reader: Reader, parts: Sequence[Part], selection: Selection) -> int:
    """How many points `slices` returns."""
    if selection.start_ms is None and selection.since is None:
        return sum(reader.count(part) for part in parts)
    return sum(len(points) for points, _ in slices(reader, parts, selection))


def downsampled(reader: Reader, parts: Sequence[Part], selection: Selection) -> Iterator[tuple[Columns, int]]:
    """Like `slices`, downsampled to `selection.downsample` points in total, extremes included."""
    count = selection.downsample or 0
    windows = [(window, part) for part in parts for window in reader.windows(part)]
    if sum(window.points for window, _ in windows) <= DECODED:
        candidates = list(slices(reader, parts, selection))
    else:
        candidates = list(_candidates(reader, windows, selection, count))
    if not candidates:
        return
    points = joined([columns for columns, _ in candidates])
    numbers = np.repeat([number for _, number in candidates], [len(columns) for columns, _ in candidates])
    is_sorted = bool((points.step[1:] >= points.step[:-1]).all())
    index = downsample(points.step if is_sorted else np.arange(len(points)), points.value, count)
    yield from _by_attempt(points.take(index), numbers[index])


def _by_attempt(points: Columns, numbers: Ints) -> Iterator[tuple[Columns, int]]:
    """Consecutive points of one attempt each."""
    if not len(points):
        return
    edges = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    for lo, hi in zip([0, *edges], [*edges, len(points)], strict=True):
        yield points.take(slice(int(lo), int(hi))), int(numbers[lo])


def _candidates(
    reader: Reader, windows: list[tuple[StepWindow, Part]], selection: Selection, count: int
) -> Iterator[tuple[Columns, int]]:
    per_window = -(-_RATIO * count // len(windows))
    last = len(windows) - 1
    for index, (window, part) in enumerate(windows):
        if not _may_match(_Overlap([(window, part)], window.min_ts, window.max_ts), selection):
            continue
        if per_window <= 2 and 0 < index < last and window.within(part):
            peaks = window.extremes()
            if peaks is not None and _selected(peaks, selection).all():
                yield peaks, part.number
                continue
        points = reader.read_window(window, part)
        points = points.take(_selected(points, selection))
        if len(points):
            yield points.take(extremes(points.value, max(1, per_window // 2))), part.number


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
    if selection.start_ms is not None and np.rint(group.max_ts) < selection.start_ms:
        return False
    if selection.end_ms is not None and np.rint(group.min_ts) > selection.end_ms:
        return False
    since = selection.since
    return since is None or any(window.may_be_newer(since) for window, _ in group.members)


def _selected(points: Columns, selection: Selection) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    keep = np.isfinite(points.value)
    if selection.start_ms is not None:
        keep &= np.rint(points.ts_ms) >= selection.start_ms
    if selection.end_ms is not None:
        keep &= np.rint(points.ts_ms) <= selection.end_ms
    if selection.since is not None:
        keep &= points.version > selection.since
    return keep
