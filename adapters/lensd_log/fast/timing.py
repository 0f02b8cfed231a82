"""The times of many lines at once, for timestamps that are printed in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from lensd.model import Floats
from lensd_log.fast.grid import Bools, Grid
from lensd_log.line.timestamps import full_timestamp, utc_ms


@dataclass(frozen=True, slots=True)
class Timing:
    """Which runs of digits make up a timestamp.

    date: year, month and day, or one run of eight digits. clock: hour, minute, second. offset_ms: of the
    printed zone, east of UTC; None where none is printed, which means the configured zone.
    """

    date: tuple[int, ...]
    clock: tuple[int, int, int]
    fraction: int | None
    offset_ms: float | None

    @classmethod
    def find(
        cls, text: str, ms: float, zone: tzinfo | None, runs: Sequence[tuple[int, int]]
    ) -> Timing | None:
        """Where a line prints its time `ms` in full. runs: byte ranges of its runs of digits."""
        run_at = {begin: index for index, (begin, _) in enumerate(runs)}
        for begin, _ in runs:
            timestamp = full_timestamp(text, begin)
            if timestamp is None and (quote := text.find('"', begin)) > 0:  # in a field of JSON
                timestamp = full_timestamp(text[:quote], begin)
            if timestamp is None or timestamp.stamp(zone).ms != ms:
                continue
            first = run_at[timestamp.spans[0][0]]
            date = (first,) if timestamp.solid else (first, first + 1, first + 2)
            clock = first + len(date)
            fraction = clock + 3 if len(timestamp.spans) == 7 else None
            return cls(date, (clock, clock + 1, clock + 2), fraction, timestamp.offset_ms)
        return None

    @property
    def runs(self) -> tuple[int, ...]:
        """All runs of the timestamp."""
        return (*self.date, *self.clock, *(() if self.fraction is None else (self.fraction,)))

    def fits(self, grid: Grid) -> Bools:
        """[lines] whether every part has its number of digits."""
        width = grid.width
        good = np.ones(len(width), np.bool_)
        for run, digits in zip(self.date, (4, 2, 2) if len(self.date) > 1 else (8,), strict=True):
            good &= width[:, run] == digits
        for run in self.clock:
            good &= width[:, run] == 2
        if self.fraction is not None:
            good &= width[:, self.fraction] <= 9
        return good

    def decode(self, grid: Grid, zone: tzinfo | None) -> Floats:
        """[lines] UTC milliseconds; NaN for a date that does not exist."""
        day = grid.summed(self.date, (10_000.0, 100.0, 1.0)[-len(self.date) :]).astype(np.int64)
        ms = grid.summed(self.clock, (3_600_000.0, 60_000.0, 1000.0))
        hour = (ms // 3_600_000).astype(np.int64)
        if self.fraction is not None:
            width = grid.width[:, self.fraction]
            ms += np.round(grid.integers(self.fraction) / 10.0**width * 1000, 3)
        # The zone's offset may change within a day, but not within an hour.
        key = day * 100 + (hour if zone is not None and self.offset_ms is None else 0)
        if len(key) and key[0] == key[-1] and (key == key[0]).all():
            starts: Floats | np.float64 = np.float64(self._start(int(key[0]), zone))
        else:
            distinct, place = np.unique(key, return_inverse=True)
            starts = np.array([self._start(hour, zone) for hour in distinct.tolist()])[place]
        return ms + starts

    def _start(self, key: int, zone: tzinfo | None) -> float:
        """What is to be added to the time of day (ms). key: the digits YYYYMMDDHH."""
        day, hour = divmod(key, 100)
        parts = day // 10_000, day // 100 % 100, day % 100
        if self.offset_ms is not None or zone is None:
            start = utc_ms(*parts, 0.0, None)
            return float("nan") if start is None else start - (self.offset_ms or 0.0)
        start = utc_ms(*parts, hour * 3_600_000.0, zone)
        return float("nan") if start is None else start - hour * 3_600_000.0
