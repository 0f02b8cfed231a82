"""Points of a view in order of time, piece by piece: memory stays bounded however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lensd.query.downsample import peaks, thin
from lensd.query.results import Selection
from lensd.store.columns import Columns, joined
from lensd.store.plan import Part
from lensd.store.reader import Reader, StepWindow

#: Points that are decoded together when a view is thinned; beyond, its chunks are asked for their peaks.
DECODED = 1 << 20
_RATIO = 4  # candidates per point wanted (MinMaxLTTB's ratio)


@dataclass(slots=True)
class _Group:
    """Windows whose times run into one another, so that only all of them together can be put in order."""

    members: list[tuple[StepWindow, Part]]
    min_ts: float
    max_ts: float


def slices(reader: Reader, parts: Sequence[Part], selection: Selection) -> Iterator[tuple[Columns, int]]:
    """(points, attempt number) in order of time, then iteration; finite values, and what is selected."""
    for group in _groups(reader, parts):
        if not _may_hold(group, selection):
            continue
        pieces = [reader.read_window(window, part) for window, part in group.members]
        numbers = np.repeat([part.number for _, part in group.members], [len(piece) for piece in pieces])
        points = joined(pieces)
        keep = _selected(points, selection)
        points, numbers = points.take(keep), numbers[keep]
        if len(group.members) > 1 or not (points.ts_ms[1:] >= points.ts_ms[:-1]).all():
            order = np.lexsort((points.step, np.rint(points.ts_ms)))
            points, numbers = points.take(order), numbers[order]
        edges = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
        for lo, hi in zip([0, *edges], [*edges, len(points)], strict=True):
            if hi > lo:
                yield points.take(slice(int(lo), int(hi))), int(numbers[lo])


def total(reader: Reader, parts: Sequence[Part], selection: Selection) -> int:
    """How many points `slices` gives."""
    if selection.start_ms is None and selection.since is None:
        return sum(reader.count(part) for part in parts)
    return sum(len(points) for points, _ in slices(reader, parts, selection))


def thinned(reader: Reader, parts: Sequence[Part], selection: Selection) -> Iterator[tuple[Columns, int]]:
    """Like `slices`, thinned to `selection.downsample` points in all, peaks kept.

    Few points are all decoded. Many are first reduced to candidates chunk by chunk, mostly by the peaks that
    the rows of sealed chunks tell, so that the cost does not grow with the points.
    """
    count = selection.downsample or 0
    windows = [(window, part) for part in parts for window in reader.windows(part)]
    if sum(window.points for window, _ in windows) <= DECODED:
        kept = list(slices(reader, parts, selection))
    else:
        kept = list(_candidates(reader, windows, selection, count))
    if not kept:
        return
    points = joined([columns for columns, _ in kept])
    numbers = np.repeat([number for _, number in kept], [len(columns) for columns, _ in kept])
    rising = bool((points.step[1:] >= points.step[:-1]).all())
    index = thin(points.step if rising else np.arange(len(points)), points.value, count)
    points, numbers = points.take(index), numbers[index]
    edges = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    for lo, hi in zip([0, *edges], [*edges, len(points)], strict=True):
        yield points.take(slice(int(lo), int(hi))), int(numbers[lo])


def _candidates(
    reader: Reader, windows: list[tuple[StepWindow, Part]], selection: Selection, count: int
) -> Iterator[tuple[Columns, int]]:
    wanted = -(-_RATIO * count // len(windows))
    last = len(windows) - 1
    for index, (window, part) in enumerate(windows):
        if not _may_hold(_Group([(window, part)], window.min_ts, window.max_ts), selection):
            continue
        told = _told_peaks(window) if wanted <= 2 and 0 < index < last else None
        if told is not None and _selected(told, selection).all() and _inside(window, part):
            yield told, part.number
            continue
        points = reader.read_window(window, part)
        points = points.take(_selected(points, selection))
        if len(points):
            yield points.take(peaks(points.value, max(1, wanted // 2))), part.number


def _told_peaks(window: StepWindow) -> Columns | None:
    """The least and greatest point of a window as its chunk's row tells them; None where it does not."""
    if window.head is not None or len(window.blocks) != 1 or not window.blocks[0].ascending:
        return None
    block = window.blocks[0]
    if block.low is None or block.high is None:
        return None
    found = sorted({(block.low_step, block.low_ts, block.low), (block.high_step, block.high_ts, block.high)})
    step, ts_ms, value = zip(*found, strict=True)
    return Columns(
        np.array(step, np.int64),
        np.array(ts_ms, np.float64),
        np.array(value, np.float64),
        np.full(len(found), block.version, np.int64),
    )


def _inside(window: StepWindow, part: Part) -> bool:
    return part.lo <= window.min_step and window.max_step < part.hi


def _groups(reader: Reader, parts: Sequence[Part]) -> list[_Group]:
    groups: list[_Group] = []
    for part in parts:
        for window in reader.windows(part):
            group = _Group([(window, part)], window.min_ts, window.max_ts)
            while groups and np.rint(group.min_ts) < np.rint(groups[-1].max_ts):
                before = groups.pop()
                group = _Group(
                    before.members + group.members,
                    min(before.min_ts, group.min_ts),
                    max(before.max_ts, group.max_ts),
                )
            groups.append(group)
    return groups


def _may_hold(group: _Group, selection: Selection) -> bool:
    if selection.start_ms is not None and np.rint(group.max_ts) < selection.start_ms:
        return False
    if selection.end_ms is not None and np.rint(group.min_ts) > selection.end_ms:
        return False
    if selection.since is not None:
        return any(
            window.head is not None or any(block.version > selection.since for block in window.blocks)
            for window, _ in group.members
        )
    return True


def _selected(points: Columns, selection: Selection) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    keep = np.isfinite(points.value)
    if selection.start_ms is not None:
        keep &= np.rint(points.ts_ms) >= selection.start_ms
    if selection.end_ms is not None:
        keep &= np.rint(points.ts_ms) <= selection.end_ms
    if selection.since is not None:
        keep &= points.version > selection.since
    return keep
