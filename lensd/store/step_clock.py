"""When steps were, by a source that wrote it down: for points whose own times are only inferred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lensd.model import Floats, Ints
from lensd.store.columns import Columns


@dataclass(slots=True)
class StepClock:
    """Times of ascending steps: `ts_ms` never falls, `version` is that of the store when each was stored."""

    step: Ints
    ts_ms: Floats
    version: Ints

    @classmethod
    def of(cls, points: Columns) -> StepClock | None:
        """A clock of points with distinct ascending steps; None without points."""
        if not len(points):
            return None
        return cls(points.step, np.maximum.accumulate(points.ts_ms), points.version)

    def place(self, points: Columns) -> Columns:
        """The points at the times of their steps, between two steps in proportion. Points before the first
        step or after the last keep their times, within the order.

        A point whose time comes from here is as new as the time is, so that who has it asks for it again.
        """
        step = points.step
        is_known = (step >= self.step[0]) & (step <= self.step[-1])
        ts_ms = self.times(step, points.ts_ms)
        right = np.minimum(np.searchsorted(self.step, step), len(self.step) - 1)
        version = np.where(is_known, np.maximum(points.version, self.version[right]), points.version)
        return Columns(step, ts_ms, points.value, version)

    def times(self, step: Ints, own_ts: Floats) -> Floats:
        """The times of steps that have times of their own, as `place` gives them."""
        ts_ms = np.interp(step, self.step, self.ts_ms)
        ts_ms = np.where(step < self.step[0], np.minimum(own_ts, self.ts_ms[0]), ts_ms)
        return np.where(step > self.step[-1], np.maximum(own_ts, self.ts_ms[-1]), ts_ms)

    def span(self, min_step: int, max_step: int, min_ts: float, max_ts: float) -> tuple[float, float]:
        """The range of the times of points that lie in these ranges of steps and times of their own."""
        first, last = self.ts_ms[0], self.ts_ms[-1]
        low = np.interp(min_step, self.step, self.ts_ms) if min_step >= self.step[0] else min(min_ts, first)
        high = np.interp(max_step, self.step, self.ts_ms) if max_step <= self.step[-1] else max(max_ts, last)
        return float(low), float(high)

    def is_newer(self, version: int, min_step: int, max_step: int) -> bool:
        """Whether the time of one of these steps may have been stored after `version`."""
        lo = int(np.searchsorted(self.step, min_step))
        hi = int(np.searchsorted(self.step, max_step, "right")) + 1
        return bool((self.version[lo:hi] > version).any())
