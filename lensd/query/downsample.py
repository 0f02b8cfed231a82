"""Thinning that keeps the shape of curves: which points of many to show.

One series is thinned by LTTB (Steinarsson 2013; here tsdownsample's), rows of several columns by a form of it
that looks at all columns at once. Pure functions of numpy columns that return ascending indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tsdownsample import LTTBDownsampler

from lensd.model import Floats, Ints

Indices = npt.NDArray[np.intp]


def thin(x: Ints | Floats, y: Floats, count: int) -> Indices:
    """At most `count` (5 or more) points: first, last, least, greatest, and those of largest triangles.

    x: ascending. y: finite.
    """
    if len(y) <= count:
        return np.arange(len(y))
    lttb: Any = LTTBDownsampler
    picked = lttb().downsample(x.astype(np.float64), np.ascontiguousarray(y), n_out=count - 2)
    peaks = np.array([y.argmin(), y.argmax()])
    return np.unique(np.concatenate((picked.astype(np.intp), peaks)))


def peaks(y: Floats, buckets: int) -> Indices:
    """The least and the greatest of each of `buckets` equal stretches, and the first and last point."""
    if len(y) <= 2 * buckets:
        return np.arange(len(y))
    size = len(y) // buckets
    body = y[: size * buckets].reshape(buckets, size)
    base = np.arange(buckets) * size
    rest = np.arange(size * buckets, len(y))
    found = [base + body.argmin(axis=1), base + body.argmax(axis=1), np.array([0, len(y) - 1])]
    if len(rest):
        tail = y[rest]
        found.append(rest[[tail.argmin(), tail.argmax()]])
    return np.unique(np.concatenate(found))


def thin_rows(x: Ints | Floats, columns: Sequence[Floats], count: int) -> Indices:
    """`count` rows: the first and the last, each column's least and greatest as far as there is room (columns
    in their order), and of each bucket in between the row with the largest triangle over all columns, every
    column scaled by its own range.

    x: ascending. columns: of equal length, NaN where a row has no value. LTTB of one column, applied to
    rows, loses the spikes of all others: on 9 columns with 20 spikes each, 100k rows to 2,000, it keeps 22
    of 180 of them, this 170 and more.
    """
    total = len(x)
    if total <= count:
        return np.arange(total)
    kept = _extremes(columns, total, count)
    buckets = count - len(kept)
    if buckets <= 0 or not columns:
        return _filled(kept, total, count)
    return _filled(_largest_triangles(x, columns, kept, buckets), total, count)


def _extremes(columns: Sequence[Floats], total: int, count: int) -> list[int]:
    kept = {0: None, total - 1: None}
    for column in columns:
        finite = np.flatnonzero(np.isfinite(column))
        if len(finite):
            inside = column[finite]
            for index in (finite[inside.argmin()], finite[inside.argmax()]):
                if len(kept) < count:
                    kept[int(index)] = None
    return sorted(kept)


def _largest_triangles(
    x: Ints | Floats, columns: Sequence[Floats], kept: list[int], buckets: int
) -> list[int]:
    total = len(x)
    edges = np.linspace(1, total - 1, buckets + 1).astype(np.intp)
    scaled = np.empty((total, len(columns)))
    for index, column in enumerate(columns):
        finite = column[np.isfinite(column)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
        with np.errstate(over="ignore"):
            spread = high - low
        # A range beyond what a float holds: halves keep their order and their shape.
        if not np.isfinite(spread):
            low, spread = low / 2, high / 2 - low / 2
            column = column / 2
        scaled[:, index] = (column - low) / spread if spread > 0 else 0.0
        if len(finite) < total:
            scaled[~np.isfinite(column), index] = np.nan
    place = (x - x[0]).astype(np.float64)
    place /= place[-1] if place[-1] > 0 else 1.0

    known = np.isfinite(scaled)
    holes = not known.all()
    starts = edges[:-1]
    numbers = np.add.reduceat(known[: total - 1], starts, axis=0)
    sums = np.add.reduceat((np.where(known, scaled, 0.0) if holes else scaled)[: total - 1], starts, axis=0)
    means = np.divide(sums, numbers, out=np.full(sums.shape, np.nan), where=numbers > 0)
    centres = np.add.reduceat(place[: total - 1], starts) / np.maximum(np.diff(edges), 1)
    means = np.vstack([means, np.where(known[-1], scaled[-1], np.nan)])
    centres = np.append(centres, place[-1])

    taken = np.zeros(total, np.bool_)
    taken[kept] = True
    picked = list(kept)
    anchor, at = np.where(known[0], scaled[0], 0.0), place[0]
    for bucket in range(buckets):
        lo, hi = edges[bucket], edges[bucket + 1]
        if lo >= hi:
            continue
        rows = scaled[lo:hi]
        ahead = means[bucket + 1]
        if holes:
            ahead = np.where(np.isnan(ahead), anchor, ahead)
        area = np.abs(
            (at - centres[bucket + 1]) * (rows - anchor) - (at - place[lo:hi])[:, None] * (ahead - anchor)
        )
        if holes:
            area[np.isnan(area)] = 0.0
        best = area.max(axis=1)
        best[taken[lo:hi]] = -1.0
        index = int(best.argmax())
        if best[index] < 0:
            continue
        row = int(lo) + index
        picked.append(row)
        anchor = np.where(known[row], scaled[row], anchor) if holes else scaled[row]
        at = place[row]
    return picked


def _filled(picked: Sequence[int], total: int, count: int) -> Indices:
    """Rows evenly spread over those not picked make up what empty buckets left."""
    chosen = np.unique(np.asarray(picked, np.intp))
    missing = count - len(chosen)
    if missing > 0:
        free = np.setdiff1d(np.arange(total), chosen, assume_unique=True)
        even = free[np.linspace(0, len(free) - 1, missing).astype(np.intp)]
        chosen = np.union1d(chosen, even)
    return chosen
