"""Buckets: what consecutive points of a series amount to, so that a long range is drawn without reading them.

A bucket keeps the least and the greatest finite value with their steps and times, so that no spike is lost,
and what means and counts need. Buckets merge into coarser ones without loss of any of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints
from lensd.store.chunks import PARTS, decode_floats, decode_ints, encode_floats, encode_ints, encode_times
from lensd.store.columns import Columns
from lensd.store.step_clock import StepClock

#: Points in a bucket of the finest level.
POINTS = 64
#: Buckets of a level that one bucket of the next coarser level replaces.
FANOUT = 4


@dataclass(slots=True)
class Buckets:
    """Columns of equal length, one value a bucket, ascending by step.

    Columns that were not read are empty. first_step, first_ts: of its first point. low, high: its least and
    greatest finite value, NaN where it has none, with their steps and times (UTC ms). mean: of its finite
    values. finite, points: how many of each.
    """

    first_step: Ints
    first_ts: Floats
    low_step: Ints
    low_ts: Floats
    low: Floats
    high_step: Ints
    high_ts: Floats
    high: Floats
    mean: Floats
    finite: Ints
    points: Ints

    def __len__(self) -> int:
        return len(self.first_step)

    def take(self, part: slice) -> Buckets:
        return Buckets(*(getattr(self, name)[part] for name in COLUMNS))

    def timed(self, clock: StepClock) -> Buckets:
        """The same buckets at the times of a clock."""
        return replace(
            self,
            first_ts=self.first_ts if not len(self.first_ts) else clock.times(self.first_step, self.first_ts),
            low_ts=self.low_ts if not len(self.low_ts) else clock.times(self.low_step, self.low_ts),
            high_ts=self.high_ts if not len(self.high_ts) else clock.times(self.high_step, self.high_ts),
        )

    def extremes(self) -> tuple[Ints, Floats, Floats]:
        """(steps, times, values) of the least and the greatest value of each bucket, ascending."""
        is_low_first = self.low_step <= self.high_step
        step: Ints = np.empty(2 * len(self), np.int64)
        ts_ms: Floats = np.empty(2 * len(self))
        value: Floats = np.empty(2 * len(self))
        step[::2], step[1::2] = _swapped(is_low_first, self.low_step, self.high_step)
        ts_ms[::2], ts_ms[1::2] = _swapped(is_low_first, self.low_ts, self.high_ts)
        value[::2], value[1::2] = _swapped(is_low_first, self.low, self.high)
        keep = np.empty(2 * len(self), np.bool_)
        keep[::2] = self.finite > 0
        keep[1::2] = keep[::2] & (self.low_step != self.high_step)
        return (step, ts_ms, value) if keep.all() else (step[keep], ts_ms[keep], value[keep])


#: The columns, in the order of the fields of Buckets and of the table.
COLUMNS = tuple(field.name for field in fields(Buckets))
#: Those that tell where buckets begin, that `Buckets.extremes` needs, and that count points.
EDGES = ("first_step", "first_ts")
EXTREMES = ("first_step", "low_step", "low_ts", "low", "high_step", "high_ts", "high", "finite")
COUNTS = ("first_step", "finite", "points")
_TIMES = frozenset({"first_ts", "low_ts", "high_ts"})
_Number = TypeVar("_Number", np.int64, np.float64)
_FLOATS = frozenset({"low", "high", "mean"})


def of_points(points: Columns) -> Buckets:
    """The buckets of points whose steps strictly ascend; the last may hold fewer than the others."""
    starts = np.arange(0, len(points), POINTS)
    counts = np.diff(np.append(starts, len(points)))
    is_finite = np.isfinite(points.value)
    if is_finite.all():
        inside, finite = points.value, counts
    else:
        inside, finite = (
            np.where(is_finite, points.value, 0.0),
            np.add.reduceat(is_finite.astype(int), starts),
        )
    low, high = _extremes(points.value, points.value, is_finite, starts, POINTS)
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(inside, starts)
    return _assembled(
        points.step[starts], points.ts_ms[starts],
        points.step[low], points.ts_ms[low], points.value[low],
        points.step[high], points.ts_ms[high], points.value[high],
        sums, finite, counts,
    )  # fmt: skip


def merged(buckets: Buckets) -> Buckets:
    """One bucket for each FANOUT; the last may hold fewer."""
    starts = np.arange(0, len(buckets), FANOUT)
    low, high = _extremes(buckets.low, buckets.high, buckets.finite > 0, starts, FANOUT)
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(np.where(buckets.finite > 0, buckets.mean, 0.0) * buckets.finite, starts)
    return _assembled(
        buckets.first_step[starts], buckets.first_ts[starts],
        buckets.low_step[low], buckets.low_ts[low], buckets.low[low],
        buckets.high_step[high], buckets.high_ts[high], buckets.high[high],
        sums, np.add.reduceat(buckets.finite, starts), np.add.reduceat(buckets.points, starts),
    )  # fmt: skip


def joined(pieces: Sequence[Buckets]) -> Buckets:
    """The pieces one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    return Buckets(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in COLUMNS))


def encode(name: str, column: npt.NDArray[np.generic]) -> bytes:
    """A column as its blob."""
    if name in _FLOATS:
        return encode_floats(column.astype(np.float64))
    if name in _TIMES:
        return encode_times(column.astype(np.float64))
    return encode_ints(column.astype(np.int64))


def decode(name: str, blob: bytes, count: int) -> npt.NDArray[np.generic]:
    """The column of that name from its blob. Raises ChunkError."""
    if name in _FLOATS:
        return decode_floats(blob, count)
    column = decode_ints(blob, count)
    return column / PARTS if name in _TIMES else column


def _extremes(
    lows: Floats, highs: Floats, present: npt.NDArray[np.bool_], starts: Ints, size: int
) -> tuple[Ints, Ints]:
    """(index of the least, index of the greatest) of what is present in each stretch of `size`."""
    if not present.all():
        lows, highs = np.where(present, lows, np.inf), np.where(present, highs, -np.inf)
    whole = len(lows) // size
    least = lows[: whole * size].reshape(whole, size).argmin(axis=1)
    greatest = highs[: whole * size].reshape(whole, size).argmax(axis=1)
    if whole < len(starts):
        least = np.append(least, lows[whole * size :].argmin())
        greatest = np.append(greatest, highs[whole * size :].argmax())
    return starts + least, starts + greatest


def _swapped(
    in_order: npt.NDArray[np.bool_], first: npt.NDArray[_Number], second: npt.NDArray[_Number]
) -> tuple[npt.NDArray[_Number], npt.NDArray[_Number]]:
    return np.where(in_order, first, second), np.where(in_order, second, first)


def _assembled(
    first_step: Ints, first_ts: Floats, low_step: Ints, low_ts: Floats, low: Floats,
    high_step: Ints, high_ts: Floats, high: Floats, sums: Floats, finite: Ints, points: Ints,
) -> Buckets:  # fmt: skip
    filled = finite > 0
    low, high = np.where(filled, low, np.nan), np.where(filled, high, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.divide(sums, finite, out=np.full(len(sums), np.nan), where=filled)
        mean = np.where(filled & ~np.isfinite(mean), low / 2 + high / 2, mean)  # the sum overflowed
        single = mean.astype(np.float32).astype(np.float64)  # half the size, and precise to 1e-7
    mean = np.where(np.isfinite(single), single, mean)
    return Buckets(
        first_step, first_ts, low_step, low_ts, low, high_step, high_ts, high, mean, finite, points
    )
