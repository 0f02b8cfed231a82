"""Columns of lines that no log format reads: their steps, names and scales.

The steps of such lines depend on the lines above. `structure.steps.place` is the only definition of that. It
is asked for the lines at which something else than the fastest counter changes; from one of these to the
next steps go on as that counter does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lensd.model import Ints
from lensd_log.cursor import LogCursor
from lensd_log.fast.grid import Bools, Indices
from lensd_log.fast.template import RecordColumns
from lensd_log.line.record import Record, State
from lensd_log.structure import settled
from lensd_log.structure.settled import Outline
from lensd_log.structure.sketch import Sketch
from lensd_log.structure.steps import Place, deciding, is_printed, place

_NO_STEP = np.iinfo(np.int64).min


class Course:
    """Where the lines of one template are.

    step, target: [lines] _NO_STEP for none. after: [lines] the step of training once the line is read.
    evaluation: [lines].
    """

    def __init__(self, columns: RecordColumns) -> None:
        self.columns = columns
        self.outline = outline_of(columns)
        count = len(columns.lines)
        self.step = np.full(count, _NO_STEP)
        self.after = np.full(count, _NO_STEP)
        self.target = np.full(count, _NO_STEP)
        self.evaluation = np.ones(count, np.bool_)
        sample = self.outline.sketch
        self._sketch = replace(sample, counts=[replace(counter) for counter in sample.counts])
        self._deciding = deciding(sample)

    @property
    def sketch(self) -> Sketch:
        return self.outline.sketch

    def place(self, row: int, at: State) -> Place:
        """Ask for the place of one line. Moves `at` on."""
        for index in self._deciding:
            counter = self._sketch.counts[index]
            counter.value = int(self.columns.counts[index][row])
            if counter.total is not None:
                counter.total = int(self.columns.totals[index][row])
        where = place(self._sketch, self.sketch.phase, at)
        self.step[row] = _NO_STEP if where.step is None else where.step
        self.after[row] = _NO_STEP if at.get("step") is None else at["step"]
        self.target[row] = _NO_STEP if where.target is None else where.target
        self.evaluation[row] = where.evaluation
        return where

    def fill(self, rows: slice, values: Ints, at: State, before: State) -> None:
        """Fill in what lies between two lines that were placed. before: `at` in front of the first."""
        first, last = rows.start, rows.stop - 1
        ends = np.array([self.step[[first, last]], self.after[[first, last]]])
        moved = values[-1] - values[0]
        same = self.evaluation[first] == self.evaluation[last] and self.target[first] == self.target[last]
        if not same or not all(end[1] - end[0] in (0, moved) for end in ends):
            at.clear()
            at.update(before)
            for row in range(rows.start, rows.stop):
                self.place(row, at)
            return
        for column, (begin, end) in zip((self.step, self.after), ends.tolist(), strict=True):
            column[rows] = begin if begin == end else begin + (values - values[0])
        self.target[rows] = self.target[first]
        self.evaluation[rows] = self.evaluation[first]

    def print_steps(self) -> None:
        """Take the printed counter of every line as its step."""
        index = self._deciding[0]
        self.step[:] = self.columns.counts[index]
        if self.sketch.counts[index].total is not None:
            self.target[:] = self.columns.totals[index]
        self.evaluation[:] = self.sketch.phase not in (None, "train")

    def changes(self) -> Bools:
        """[lines] where something else than the fastest counter changes, or that falls."""
        anew = np.ones(len(self.columns.lines), np.bool_)
        anew[1:] = np.diff(self.values) < 0
        for index in self._deciding:
            for column in (self.columns.counts.get(index), self.columns.totals.get(index)):
                if column is not None and column is not self.values:
                    anew[1:] |= column[1:] != column[:-1]
        return anew

    @property
    def values(self) -> Ints:
        """[lines] the fastest counter."""
        return self.columns.counts[self._deciding[0]]


def placed(parts: Sequence[RecordColumns], cursor: LogCursor, first_line: int) -> list[RecordColumns]:
    """The columns of settled shapes with their steps, names and scales. Moves the cursor on.

    first_line: the ordinal of the block's first line in the input.
    """
    state, parts = cursor.structure, sorted(parts, key=lambda part: int(part.lines[-1]))
    first = min(int(part.lines[0]) for part in parts)
    at = settled.begin(state, first_line + first, cursor.last_step)
    courses = [Course(part) for part in parts]
    movers = [course for course in courses if course.sketch.counts]
    before = _NO_STEP if at.get("step") is None else at["step"]
    if movers:
        at.pop("phase", None)
        _place(movers, at, before)
    _follow([course for course in courses if not course.sketch.counts], movers, before)
    at["seen"] = _last_step(courses, cursor.last_step)
    result = []
    for course in courses:
        step = int(course.step[-1])
        last, count = int(course.columns.lines[-1]), len(course.columns.lines)
        settled.pass_lines(
            course.outline, state, count, first_line + last, None if step == _NO_STEP else step
        )
        if course.sketch.values:
            result += _records(course, state)
    return result


def outline_of(columns: RecordColumns) -> Outline:
    assert columns.template.outline is not None
    return columns.template.outline


def _place(movers: Sequence[Course], at: State, before: int) -> None:
    """Place lines that hold counters, in the order of lines."""
    if all(is_printed(course.sketch, course.sketch.phase, at) for course in movers):
        _place_printed(movers, at, before)
        return
    lines = np.concatenate([course.columns.lines for course in movers])
    owner = np.repeat(np.arange(len(movers)), [len(course.columns.lines) for course in movers])
    row = np.concatenate([np.arange(len(course.columns.lines)) for course in movers])
    begins = np.concatenate([course.changes() for course in movers])
    order = np.argsort(lines)
    owner, row, begins = owner[order], row[order], begins[order]
    begins[1:] |= owner[1:] != owner[:-1]
    edges = np.flatnonzero(begins)
    for begin, end in zip(edges.tolist(), [*edges[1:].tolist(), len(lines)], strict=True):
        course, first = movers[owner[begin]], int(row[begin])
        if end - begin < 3:
            for place_of in range(first, first + end - begin):
                course.place(place_of, at)
            continue
        unmoved, rows = dict(at), slice(first, first + end - begin)
        course.place(rows.start, at)
        course.place(rows.stop - 1, at)
        course.fill(rows, course.values[rows], at, unmoved)


def _place_printed(movers: Sequence[Course], at: State, before: int) -> None:
    """Place lines whose steps are what they print. Of `at`, only the last lines decide."""
    firsts = sorted((int(course.columns.lines[0]), index, 0) for index, course in enumerate(movers))
    lasts = sorted((int(course.columns.lines[-1]), index, -1) for index, course in enumerate(movers))
    for _, index, row in firsts + lasts:
        movers[index].place(row, at)
    for course in movers:
        course.print_steps()
    lines = np.concatenate([course.columns.lines for course in movers])
    moves = np.concatenate([~course.evaluation for course in movers])
    step = np.concatenate([course.step for course in movers])
    order = np.argsort(lines)
    # An evaluation leaves the step of training where it is.
    latest = np.maximum.accumulate(np.where(moves[order], np.arange(len(order)), -1))
    after = np.empty_like(step)
    # The first line of all is the step of training where none was before.
    after[order] = np.where(
        latest >= 0, step[order][latest], step[order[0]] if before == _NO_STEP else before
    )
    begin = 0
    for course in movers:
        course.after[:] = after[begin : begin + len(course.after)]
        begin += len(course.after)


def _follow(followers: Sequence[Course], movers: Sequence[Course], before: int) -> None:
    """Place lines without a counter: at the step of the line above. before: that of the lines above all."""
    if movers and followers:
        lines = np.concatenate([course.columns.lines for course in movers])
        order = np.argsort(lines)
        lines, after = lines[order], np.concatenate([course.after for course in movers])[order]
    for course in followers:
        if not movers:
            course.step[:] = before
            continue
        index = lines.searchsorted(course.columns.lines) - 1
        course.step[:] = np.where(index >= 0, after[index], before)


def _last_step(courses: Sequence[Course], last_step: int | None) -> int | None:
    """The step of training as far as it was placed in front of the last line."""
    end = max(int(course.columns.lines[-1]) for course in courses)
    latest = -1
    for course in courses:
        if course.sketch.values:
            rows = np.flatnonzero(~course.evaluation & (course.columns.lines < end))
            if len(rows) and int(course.columns.lines[rows[-1]]) > latest:
                latest, last_step = int(course.columns.lines[rows[-1]]), int(course.step[rows[-1]])
    return last_step


def _records(course: Course, state: State) -> list[RecordColumns]:
    """The records of one template: more than one where lines differ in what they say of the step."""
    columns = course.columns
    series = settled.series_of(course.outline, state)
    values = [
        column if factor == divisor == 1.0 else column * factor / divisor
        for column, (_, _, factor, divisor) in zip(columns.values, series, strict=True)
    ]
    units = {name: unit for name, unit, _, _ in series if unit}
    kind = course.evaluation * 4 + (course.target == _NO_STEP) * 2 + (course.step == _NO_STEP)
    kinds = [int(kind[0])] if (kind == kind[0]).all() else np.unique(kind).tolist()
    result = []
    for of_kind in kinds:
        rows: slice | Indices = slice(None) if len(kinds) == 1 else np.flatnonzero(kind == of_kind)
        pairs = [(name, 0.0) for name, *_ in series]
        part = RecordColumns(
            columns.template,
            columns.lines[rows],
            None if columns.ts_ms is None else columns.ts_ms[rows],
            None if of_kind & 1 else course.step[rows],
            None if of_kind & 2 else course.target[rows],
            [column[rows] for column in values],
            record=Record(pairs, evaluation=bool(of_kind & 4), units=units or None),
        )
        result.append(part)
    return result
