"""Rows of runs that are too long to be held as a table: steps are chosen first, then values are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lensd.model import Floats, Ints
from lensd.query.points import downsampled
from lensd.query.results import Selection
from lensd.store.detail import estimate
from lensd.store.plan import Part
from lensd.store.reader import Reader

#: Points of a table that is held whole.
MOST_HELD = 1 << 22
_LEAST = 5  # points that a column is downsampled to


def is_long(reader: Reader, columns: Sequence[Sequence[Part]]) -> bool:
    """Whether columns hold more points than a table may."""
    return sum(estimate(reader, parts) for parts in columns) > MOST_HELD


def chosen_steps(reader: Reader, columns: Sequence[Sequence[Part]], count: int) -> Ints:
    """At most `count` steps, ascending: what each column shows best, the first column more closely."""
    share = max(_LEAST, count // max(1, len(columns)))
    chosen = np.empty(0, np.int64)
    for parts in columns:
        chosen = np.union1d(chosen, _steps(reader, parts, share))
        if len(chosen) >= count:
            return chosen[np.linspace(0, len(chosen) - 1, count).astype(np.intp)]
    if columns and len(chosen) < count:
        more = np.setdiff1d(_steps(reader, columns[0], count), chosen)
        missing = count - len(chosen)
        if len(more) > missing:
            more = more[np.linspace(0, len(more) - 1, missing).astype(np.intp)]
        chosen = np.union1d(chosen, more)
    return chosen


def values_at(reader: Reader, parts: Sequence[Part], steps: Ints) -> Floats:
    """The values of a column at ascending steps, NaN where it has none. Reads no window without one."""
    values = np.full(len(steps), np.nan)
    for part in parts:
        for window in reader.windows(part):
            lo, hi = np.searchsorted(
                steps, (max(window.min_step, part.lo), min(window.max_step + 1, part.hi))
            )
            if lo < hi:
                step, value = reader.window_values(window, part)
                at = np.minimum(np.searchsorted(step, steps[lo:hi]), len(step) - 1)
                matches = step[at] == steps[lo:hi] if len(step) else np.zeros(hi - lo, np.bool_)
                values[lo:hi][matches] = value[at[matches]]
    return values


def count_steps(reader: Reader, columns: Sequence[Sequence[Part]]) -> int:
    """How many distinct steps columns have together. Steps are read only where columns differ in them."""
    held = {tuple(_extent(reader, part) for part in parts) for parts in columns}
    if len(held) == 1:
        return sum(points for points, _, _ in held.pop())
    every = [part for parts in columns for part in parts]
    total = 0
    for lo, hi in reader.ranges(every):
        steps = [reader.read_values(part.clipped(lo, hi))[0] for part in every]
        total += len(np.unique(np.concatenate(steps)))
    return total


def _extent(reader: Reader, part: Part) -> tuple[int, int, int]:
    """(points, first step, last step) of what a part shows."""
    windows = reader.windows(part)
    points = sum(
        window.points if window.within(part) and window.only_chunk else len(reader.read_window(window, part))
        for window in windows
    )
    return (points, max(windows[0].min_step, part.lo), windows[-1].max_step) if windows else (0, 0, 0)


def _steps(reader: Reader, parts: Sequence[Part], count: int) -> Ints:
    pieces = [points.step for points, _ in downsampled(reader, parts, Selection(downsample=count))]
    return np.unique(np.concatenate(pieces)) if pieces else np.empty(0, np.int64)
