"""Which step each line of a log prints, told by the values of the points that were read from it.

A log format is known to its adapter alone. What lines and points share are numbers: a line that prints the
loss of a step and the step itself is the line of that step.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lensd.model import LineMark
from lensd.store import Reader
from lensd.store.plan import BEYOND, LOWEST, Member, Part
from lensd.tail import strip_ansi

_NUMBER = re.compile(
    rb"(?<![\w.])[-+]?\d[\d,]*(?:\.\d*)?(?:[eE][-+]?\d{1,3})?|[-+]?\.\d+(?:[eE][-+]?\d{1,3})?"
)
_MOST_SERIES = 40  # of one input, whose values are looked for
_MOST_NUMBERS = 60  # of a line
_COMMON = 20  # steps that share a value, which then tells none of them
_ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class LinePlace:
    """Where training is at a line: its step and time (UTC ms), None where nothing tells."""

    step: int | None = None
    ts_ms: float | None = None


class LineSteps:
    """The steps of the lines of one input of a workload. marks: of its lines, ascending."""

    def __init__(
        self, reader: Reader, workload_id: int, input_id: str, marks: Sequence[LineMark] = ()
    ) -> None:
        self._reader = reader
        self._marks = [(mark.line, mark.step) for mark in marks if mark.step is not None]
        self._members = _members(reader, workload_id, input_id)

    def stretches(self, step: int, last: int) -> list[tuple[int, int]]:
        """Where a step may be printed, as ranges of lines from 0: the last such place first, for it is the
        one that the current attempt shows. last: how many lines there are."""
        if not self._marks:
            return [(0, last)] if self._members else []
        ranges = []
        begin = [(0, LOWEST), *self._marks] if self._marks[0][0] else self._marks
        for (first, low), (end, high) in zip(begin, [*begin[1:], (last, BEYOND)], strict=True):
            # Steps go back within a stretch where training began again.
            if low <= step <= high or (high < low and (step >= low or step <= high)):
                ranges.append((first, max(end, first + 1)))
        return ranges[::-1]

    def step_at(self, ts_ms: float) -> int | None:
        """The step whose points are nearest to a time."""
        best: tuple[float, int] | None = None
        for member in self._members[:1]:
            for span in member.spans:
                part = Part(member.series, span.attempt)
                windows = self._reader.windows(part)
                if not windows:
                    continue
                near = min(windows, key=lambda w: max(w.min_ts - ts_ms, ts_ms - w.max_ts, 0.0))
                points = self._reader.read_window(near, part)
                index = int(np.abs(points.ts_ms - ts_ms).argmin())
                away = abs(float(points.ts_ms[index]) - ts_ms)
                if best is None or away <= best[0]:
                    best = away, int(points.step[index])
        return None if best is None else best[1]

    def time_of(self, step: int) -> float | None:
        """The time of the last point of a step; UTC milliseconds."""
        for member in self._members:
            for span in reversed(member.spans):
                points = self._reader.written(Part(member.series, span.attempt), step, step + 1)
                if len(points):
                    return float(points.ts_ms[-1])
        return None

    def of(self, lines: Sequence[tuple[int, bytes]]) -> list[LinePlace]:
        """The place of each line, given with its number from 0."""
        if not lines or not self._members:
            return [LinePlace()] * len(lines)
        low, high = self._range(lines[0][0], lines[-1][0])
        times: dict[int, float] = {}
        steps_of: dict[float, set[int]] = defaultdict(set)
        for member in self._members[:_MOST_SERIES]:
            for span in member.spans:
                part = Part(member.series, span.attempt)
                points = self._reader.written(part, low, min(high, BEYOND - 1) + 1)
                for step, ts_ms, value in zip(
                    points.step.tolist(), points.ts_ms.tolist(), points.value.tolist(), strict=True
                ):
                    times[step] = ts_ms
                    steps_of[value].add(step)
        places, before = [], LOWEST
        for _, text in lines:
            step = _best(text, steps_of, times, before)
            places.append(LinePlace() if step is None else LinePlace(step, times[step]))
            before = before if step is None else step
        return places

    def _range(self, first: int, last: int) -> tuple[int, int]:
        """The steps that lines may print: those between the marks around them."""
        above = [index for index, (line, _) in enumerate(self._marks) if line <= first]
        below = [index for index, (line, _) in enumerate(self._marks) if line > last]
        begin, end = above[-1] if above else None, below[0] if below else None
        around = self._marks[begin or 0 : None if end is None else end + 1]
        steps = [step for _, step in around if step is not None]
        low = LOWEST if begin is None or not steps else min(steps)
        return low, BEYOND if end is None or not steps else max(steps)


def _members(reader: Reader, workload_id: int, input_id: str) -> list[Member]:
    """The series that were read from an input, the one with most points first."""
    members = reader.members(workload_id, kind="metric")
    of_input = [member for member in members if member.input.key == input_id and member.spans]
    return sorted(of_input, key=lambda member: -sum(span.points for span in member.spans))


def _best(line: bytes, steps_of: dict[float, set[int]], times: dict[int, float], before: int) -> int | None:
    """The step that a line prints: the one that most of its numbers belong to. A number that many steps share
    says little. before: the step of the line above; of equal ones the next one after it counts, else
    the last."""
    votes: dict[int, float] = defaultdict(float)
    named = set()
    shared: list[set[int]] = []
    for match in list(_NUMBER.finditer(strip_ansi(line)))[:_MOST_NUMBERS]:
        text = match[0].replace(b",", b"")
        try:
            value = float(text)
        except ValueError:
            continue
        steps = steps_of.get(value, set())
        if len(steps) > _COMMON:
            shared.append(steps)
        for step in steps if len(steps) <= _COMMON else ():
            votes[step] += 1.0 / len(steps)
        if value.is_integer() and abs(value) < 1 << 53 and int(value) in times:
            named.add(int(value))
    for step in named:
        # A value of many steps tells one of them where the line names that step, too.
        if step in votes or any(step in steps for steps in shared):
            votes[step] += 1.0
    if not votes:
        return None
    most = max(votes.values())
    if most < _ENOUGH:
        return None
    best = [step for step, vote in votes.items() if vote == most]
    return min((step for step in best if step >= before), default=max(best))
