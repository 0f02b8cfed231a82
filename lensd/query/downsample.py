"""Downsampling that keeps the shape of curves: which of many points to show.

A series is downsampled by LTTB (Steinarsson 2013, as implemented by tsdownsample), rows of several columns by
a variant that considers all columns at once. Pure functions of numpy columns that return ascending indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tsdownsample import LTTBDownsampler

from lensd.model import Floats, Ints

Indices = npt.NDArray[np.intp]


def downsample(x: Ints | Floats, y: Floats, count: int) -> Indices:
    """At most `count` (5 or more) points: the first, last, least and greatest, and those of the largest
    triangles.

    x: ascending. y: finite.
    """
    if len(y) <= count:
        return np.arange(len(y))
    lttb: Any = LTTBDownsampler
    index = lttb().downsample(x.astype(np.float64), np.ascontiguousarray(y), n_out=count - 2)
    chosen: Indices = np.sort(np.append(index.astype(np.intp), (y.argmin(), y.argmax())))
    distinct: Indices = chosen[np.append(True, chosen[1:] != chosen[:-1])]
    return distinct


def extremes(y: Floats, buckets: int) -> Indices:
    """The first and the last point, and the least and the greatest of each of `buckets` equal stretches."""
    if len(y) <= 2 * buckets:
        return np.arange(len(y))
    size = len(y) // buckets
    body = y[: size * buckets].reshape(buckets, size)
    base = np.arange(buckets) * size
    rest = np.arange(size * buckets, len(y))
    index = [base + body.argmin(axis=1), base + body.argmax(axis=1), np.array([0, len(y) - 1])]
    if len(rest):
        tail = y[rest]
        index.append(rest[[tail.argmin(), tail.argmax()]])
    return np.unique(np.concatenate(index))


def downsample_rows(x: Ints | Floats, columns: Sequence[Floats], count: int) -> Indices:
    """`count` rows: the first, the last, each column's least and greatest as far as there is room (columns in
    their order), and of each bucket in between the row with the largest triangle over all columns, every
    column scaled by its own range.

    x: ascending. columns: of equal length, not finite where a row has no value. LTTB of one column
    loses the spikes of all others: downsampling 100,000 rows of 9 columns with 20 spikes each to 2,000, it
    keeps 22 of 180 spikes, this function 170 or more.
    """
    total = len(x)
    if total <= count:
        return np.arange(total)
    chosen = _extremes(columns, total, count)
    buckets = count - len(chosen)
    if buckets <= 0 or not columns:
        return _padded(chosen, total, count)
    return _padded(_largest_triangles(x, columns, chosen, buckets), total, count)


def _extremes(columns: Sequence[Floats], total: int, count: int) -> list[int]:
    chosen = {0: None, total - 1: None}
    for column in columns:
        finite = np.flatnonzero(np.isfinite(column))
        if len(finite):
            inside = column[finite]
            for index in (finite[inside.argmin()], finite[inside.argmax()]):
                if len(chosen) < count:
                    chosen[int(index)] = None
    return sorted(chosen)


def _largest_triangles(
    x: Ints | Floats, columns: Sequence[Floats], chosen: list[int], buckets: int
) -> list[int]:
    """The chosen rows, and of each bucket the row that spans the largest triangle with the row picked before
    and the mean of the bucket after."""
    total = len(x)
    edges = np.linspace(1, total - 1, buckets + 1).astype(np.intp)
    scaled = np.column_stack([_scaled(column) for column in columns])
    position = (x - x[0]).astype(np.float64)
    position /= position[-1] if position[-1] > 0 else 1.0
    present = np.isfinite(scaled)
    has_gaps = not present.all()
    means, centres = _bucket_means(scaled, present, position, edges)

    taken = np.zeros(total, np.bool_)
    taken[chosen] = True
    result = list(chosen)
    before, before_x = np.where(present[0], scaled[0], 0.0), position[0]
    for bucket in range(buckets):
        lo, hi = edges[bucket], edges[bucket + 1]
        if lo >= hi:
            continue
        after, after_x = means[bucket + 1], centres[bucket + 1]
        if has_gaps:
            after = np.where(np.isnan(after), before, after)
        area = np.abs(
            (before_x - after_x) * (scaled[lo:hi] - before)
            - (before_x - position[lo:hi])[:, None] * (after - before)
        )
        if has_gaps:
            area[np.isnan(area)] = 0.0
        largest = area.max(axis=1)
        largest[taken[lo:hi]] = -1.0
        index = int(largest.argmax())
        if largest[index] < 0:
            continue
        row = int(lo) + index
        result.append(row)
        before = np.where(present[row], scaled[row], before) if has_gaps else scaled[row]
        before_x = position[row]
    return result


def _scaled(column: Floats) -> Floats:
    """A column scaled to 0..1 by its own range; NaN where it has no value."""
    present = np.isfinite(column)
    finite = column[present]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    with np.errstate(over="ignore"):
        spread = high - low
    if not np.isfinite(spread):  # the range overflows: scale halves, which have the same order and shape
        low, spread = low / 2, high / 2 - low / 2
        column = column / 2
    if not spread > 0:
        return np.where(present, 0.0, np.nan)
    scaled = (column - low) / spread
    if len(finite) < len(column):
        scaled[~present] = np.nan
    return np.asarray(scaled)


def _bucket_means(
    scaled: Floats, present: npt.NDArray[np.bool_], position: Floats, edges: Indices
) -> tuple[Floats, Floats]:
    """Mean values (one row per bucket, one column per column) and mean positions of the buckets, followed by
    those of the last row."""
    starts, end = edges[:-1], len(position) - 1
    counts = np.add.reduceat(present[:end], starts, axis=0)
    sums = np.add.reduceat(np.where(present, scaled, 0.0)[:end], starts, axis=0)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    centres = np.add.reduceat(position[:end], starts) / np.maximum(np.diff(edges), 1)
    last = np.where(present[-1], scaled[-1], np.nan)
    return np.vstack([means, last]), np.append(centres, position[-1])


def _padded(indices: Sequence[int], total: int, count: int) -> Indices:
    """The chosen rows, and evenly spread others in place of what empty buckets did not supply."""
    chosen = np.unique(np.asarray(indices, np.intp))
    missing = count - len(chosen)
    if missing > 0:
        free = np.setdiff1d(np.arange(total), chosen, assume_unique=True)
        spread = free[np.linspace(0, len(free) - 1, missing).astype(np.intp)]
        chosen = np.union1d(chosen, spread)
    return chosen
