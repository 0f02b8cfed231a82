"""Columns of points as the store reads and writes them, and which of several points of a step counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints
from lensd.store.chunks import PARTS


@dataclass(slots=True)
class Columns:
    """Points of one series: `step` int64, `ts_ms` float64 UTC milliseconds, `value` float64, and the store
    `version` at which each was stored."""

    step: Ints
    ts_ms: Floats
    value: Floats
    version: Ints

    def __len__(self) -> int:
        return len(self.step)

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> Columns:
        return Columns(self.step[index], self.ts_ms[index], self.value[index], self.version[index])

    def between(self, lo: int, hi: int) -> Columns:
        """The points with lo <= step < hi."""
        keep = (self.step >= lo) & (self.step < hi)
        return self if keep.all() else self.take(keep)


def empty() -> Columns:
    return Columns(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64))


def joined(pieces: Sequence[Columns]) -> Columns:
    """The pieces one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return empty()
    return Columns(
        np.concatenate([p.step for p in pieces]),
        np.concatenate([p.ts_ms for p in pieces]),
        np.concatenate([p.value for p in pieces]),
        np.concatenate([p.version for p in pieces]),
    )


def is_ascending(step: Ints) -> bool:
    """Whether the steps strictly increase."""
    return bool((step[1:] > step[:-1]).all())


def newest(points: Columns) -> Columns:
    """One point per step, ascending: the one written last."""
    if is_ascending(points.step):
        return points
    order = np.argsort(points.step, kind="stable")
    sorted_step = points.step[order]
    last = np.append(sorted_step[1:] != sorted_step[:-1], True)
    return points.take(order[last])


def earliest(points: Columns) -> Columns:
    """One point per step, ascending: the one with the earliest time."""
    if is_ascending(points.step):
        return points
    order = np.lexsort((points.ts_ms, points.step))
    sorted_step = points.step[order]
    first = np.append(True, sorted_step[1:] != sorted_step[:-1])
    return points.take(order[first])


def unrepeated(points: Columns, stored: Columns | None) -> Columns:
    """The points that do not repeat a stored one, or an earlier one of their own, in step, time and value."""
    old = 0 if stored is None else len(stored)
    step, ts, value = points.step, points.ts_ms, points.value
    if stored is not None:
        step = np.concatenate([stored.step, step])
        ts = np.concatenate([stored.ts_ms, ts])
        value = np.concatenate([stored.value, value])
    records = np.empty(len(step), [("step", "i8"), ("ts", "i8"), ("value", "i8")])
    records["step"], records["ts"] = step, np.rint(ts * PARTS).astype(np.int64)
    records["value"] = np.where(np.isnan(value), np.nan, value).view(np.int64)
    _, first = np.unique(records, return_index=True)
    keep = np.zeros(len(step), np.bool_)
    keep[first] = True
    return points.take(keep[old:])


def earlier(points: Columns, stored: Columns) -> Columns:
    """The iterations that are not stored yet, or only with a later time."""
    if len(stored) == 0:
        return points
    at = np.minimum(np.searchsorted(stored.step, points.step), len(stored) - 1)
    is_stored = (stored.step[at] == points.step) & (stored.ts_ms[at] <= points.ts_ms)
    return points.take(~is_stored)
