"""Which time a line gets: its own, its container's, or an inferred one.

Owns `clock` of the cursor, which is JSON. Never asks the system clock.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

import numpy as np

from lensd.model import Floats, Ints
from lensd_log.line.record import Record, State
from lensd_log.line.timestamps import Timestamp, utc_ms

_DAY_MS = 86_400_000.0
_NOW_MS = 60_000.0
_NEAR = 32  # lines below a printed time that belong to it


@dataclass(slots=True)
class LastRecord:
    """The last step, duration of a step and time since the start of training that an input prints."""

    step: int | None = None
    step_ms: float | None = None
    elapsed_s: float | None = None


@dataclass(slots=True)
class Midnights:
    """How often the clock of an input passes midnight, and the time of day of its last line."""

    count: int = 0
    last_day_ms: float = 0.0


class Clock:
    """Turns what lines print into UTC milliseconds.

    state: what is remembered from line to line, kept in the cursor. mtime_ms: when the file was last written.
    live: the last read had come to the end, so that whatever is new was written just now. last_record,
    midnights: look ahead in the input; called at most when a time has to be inferred from them. The former is
    given the names of the fields that are asked for.
    inferred: whether any time was.
    """

    def __init__(
        self,
        state: State,
        zone: tzinfo | None,
        mtime_ms: float,
        now_ms: float,
        live: bool,
        last_record: Callable[..., LastRecord],
        midnights: Callable[[], Midnights],
    ) -> None:
        self._state = state
        self._zone = zone
        self._live = live
        self._last_record = last_record
        self._midnights = midnights
        self._end = min(mtime_ms, now_ms) if now_ms > 0 else mtime_ms
        self.inferred = False

    def with_state(self, state: State) -> Clock:
        """The same clock, going on from another state."""
        clock = copy.copy(self)
        clock._state = state
        return clock

    def stamp(self, stamp: Timestamp | None, container_ms: float | None, line: int) -> float | None:
        """The time of a line (UTC ms) that prints one, else its container's, else None."""
        if stamp is None:
            return container_ms
        if stamp.ms is not None:
            ms: float | None = stamp.ms
        elif stamp.month:
            ms = self._with_year(stamp, container_ms)
        else:
            ms = self._with_date(stamp, container_ms)
        if ms is None:
            return container_ms
        self.saw(ms, line)
        return ms

    def saw(self, ms: float, line: int) -> None:
        """Remember that a line has printed its time, `ms` in UTC."""
        self._state["own"], self._state["line"] = ms, line

    def is_near(self, line: int) -> bool:
        """Has a line just above printed its time?"""
        return bool(line - self._state.get("line", -_NEAR) < _NEAR)

    @property
    def last_ms(self) -> float | None:
        """The time (UTC ms) that a line has printed last."""
        own: float | None = self._state.get("own")
        return own

    def infer_many(self, steps: Ints, step_ms: Floats) -> Floats:
        """What `infer` gives for records one after another, none of them near a printed time.

        step_ms: [records] what each step took, NaN where that is not printed.
        """
        if self._live or np.isnan(step_ms).any():
            alone = steps[:1] if self._live or np.isnan(step_ms).all() else steps
            far = 2 * _NEAR + int(self._state.get("line", 0))
            inferred = [
                self.infer(Record((), step, step_ms=None if took != took else took), far)
                for step, took in zip(alone.tolist(), step_ms.tolist(), strict=False)
            ]
            return np.full(len(steps), inferred[0]) if len(inferred) == 1 else np.array(inferred)
        self.inferred = True
        times = np.empty(len(steps))
        edges = [0, *(np.flatnonzero(np.diff(steps) < 0) + 1).tolist(), len(steps)]
        for begin, end in pairwise(edges):  # steps do not go back within a stretch
            times[begin] = self._from_steps(int(steps[begin]), float(step_ms[begin]))
            times[begin + 1 : end] = np.diff(steps[begin:end]) * np.fmax(step_ms[begin + 1 : end], 0.0)
            times[begin:end] = np.cumsum(times[begin:end])
            if not self._state.get("anchored"):
                times[begin + 1 : end] = np.minimum(times[begin + 1 : end], self._end)
            self._state["at"], self._state["step"] = float(times[end - 1]), int(steps[end - 1])
        return times

    def infer(self, record: Record, line: int) -> float:
        """The time of a record whose line has none."""
        near = self.is_near(line)
        if record.elapsed_s is not None and (not self._live or self._is_just_now(record.elapsed_s)):
            self.inferred = True
            return self._from_start(record.elapsed_s, near)
        if near:
            return float(self._state["own"])
        if self._live:
            self._state.pop("at", None)
            return self._end
        self.inferred = True
        if record.step is not None and record.step_ms is not None:
            return self._from_steps(record.step, record.step_ms)
        at = self._state.get("at")
        return float(at) if at is not None else self._end

    def _is_just_now(self, elapsed_s: float) -> bool:
        """Does a time since the start, which is known, lead to about the end of the file?"""
        began = self._state.get("began")
        return began is not None and abs(began + elapsed_s * 1000 - self._end) < _NOW_MS

    def _from_start(self, elapsed_s: float, near: bool) -> float:
        """From the start of training: the time of a line just above, else the end of the file less what its
        last record has elapsed."""
        state = self._state
        if "began" not in state and near:
            state["began"], state["anchored"] = state["own"], True
        elif "began" not in state:
            last = self._look_ahead("elapsed_s").elapsed_s
            state["began"] = self._end - 1000 * (elapsed_s if last is None else max(last, elapsed_s))
        return self._within(float(state["began"]) + elapsed_s * 1000)

    def _look_ahead(self, *wanted: str) -> LastRecord:
        """What the last records print. A look that did not find what it wanted is not taken again, until the
        end of the input is reached."""
        ahead = self._state.get("ahead")
        if ahead is not None:
            return LastRecord(*ahead)
        last = self._last_record(*wanted)
        if any(getattr(last, name) is None for name in wanted):
            self._state["ahead"] = [last.step, last.step_ms, last.elapsed_s]
        return last

    def reached_end(self) -> None:
        """Forget what was said of lines that were ahead."""
        self._state.pop("ahead", None)

    def _within(self, ms: float) -> float:
        """No later than the end of the file, unless `ms` follows from a printed time, which may be local."""
        return ms if self._state.get("anchored") else min(ms, self._end)

    def _from_steps(self, step: int, step_ms: float) -> float:
        """Forward from a printed time where there is one, else back from the last record, by the durations of
        steps."""
        state = self._state
        if "at" not in state or step < state["step"]:
            if state.get("own") is not None and "at" not in state:
                state["at"], state["anchored"] = state["own"], True
            elif "at" not in state:
                last = self._look_ahead("step", "step_ms")
                ahead = max(0, (last.step or step) - step)
                state["at"] = self._end - ahead * (last.step_ms or step_ms)
        else:
            state["at"] = self._within(state["at"] + (step - state["step"]) * max(0.0, step_ms))
        state["step"] = step
        return float(state["at"])

    def _with_year(self, stamp: Timestamp, container_ms: float | None) -> float | None:
        """With the year that puts it closest to the time before it, else to the end of the file."""
        before = container_ms or self._state.get("own")
        near = self._end if before is None else float(before)
        year = datetime.fromtimestamp(near / 1000, UTC).year
        best: float | None = None
        for candidate in (year - 1, year, year + 1):
            ms = utc_ms(candidate, stamp.month, stamp.day, stamp.day_ms, self._zone)
            if ms is None or (before is None and ms > near + 1.5 * _DAY_MS):
                continue
            if best is None or abs(ms - near) < abs(best - near):
                best = ms
        return best

    def _with_date(self, stamp: Timestamp, container_ms: float | None) -> float | None:
        """On the day of the time before it, or the next one when the clock has passed midnight."""
        before = container_ms or self._state.get("own")
        if before is None:
            return self._first_day(stamp)
        ms = self._on_day_of(float(before), stamp.day_ms)
        if ms < before - _DAY_MS / 2:
            ms += _DAY_MS
        elif container_ms and ms > before + _DAY_MS / 2:
            ms -= _DAY_MS
        return ms

    def _first_day(self, stamp: Timestamp) -> float:
        """On the day of the file's end, less one for each time that its clock passes midnight."""
        passed = self._midnights()
        ms = self._on_day_of(self._end, passed.last_day_ms)
        if ms > self._end + 600_000:
            ms -= _DAY_MS
        return ms - passed.last_day_ms + stamp.day_ms - passed.count * _DAY_MS

    def _on_day_of(self, ms: float, day_ms: float) -> float:
        at = datetime.fromtimestamp(ms / 1000, self._zone or UTC)
        on_day = utc_ms(at.year, at.month, at.day, day_ms, self._zone)
        return ms if on_day is None else on_day
