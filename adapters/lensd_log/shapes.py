"""Blocks of lines through templates, and what no template fits one by one, in the order of lines.

Templates are a cache: dropping them costs time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lensd_log.columns import Block
from lensd_log.cursor import Cursor
from lensd_log.placing import ROWS, Placement
from lensd_log.recognition import Recognition
from lensd_log.template import Columns, Template, learn

_REMEMBERED = 4096
_LEARN_AFTER = 4  # lines of one shape
_FEWEST = 8  # lines of one shape in a block that are worth reading as columns
_CHECK_EVERY = 256  # lines read one by one between looks at the clock
_MOST_ASSIGNED = 16  # times that one block is looked at anew
_UNKNOWN, _ALONE = -1, -2


class Shapes:
    """The templates of the shapes that were met, and how often others were."""

    def __init__(self) -> None:
        self.templates: list[Template] = []
        self.number: dict[bytes, int] = {}  #: of the template of a shape; _ALONE where there can be none
        self.met: dict[bytes, int] = {}

    def forget_some(self) -> None:
        """Keep memory bounded: a log of ever new shapes starts over."""
        if len(self.number) > _REMEMBERED or len(self.templates) > _REMEMBERED:
            self.templates, self.number = [], {}
        if len(self.met) > _REMEMBERED:
            self.met = {}


class Walk:
    """One walk over the lines of a block, which moves the cursor and collects points."""

    def __init__(
        self,
        block: Block,
        shapes: Shapes,
        recognition: Recognition,
        placement: Placement,
        cursor: Cursor,
        strict: bool,
        first_row: int,
    ) -> None:
        self._block = block
        self._shapes = shapes
        self._recognition = recognition
        self._placement = placement
        self._cursor = cursor
        self._strict = strict
        self._row = first_row
        self._line = cursor.lines + 1
        self._number = np.empty(0, np.int64)
        self._columns: dict[int, Columns] = {}
        self._stamps: list[tuple[int, float]] = []  # of lines read alone that say nothing else: line, UTC ms
        self._done = 0  # lines that are placed
        self._latest = -1
        self.matched = 0
        self.unparsed = 0

    def take(self, spent: Callable[[], bool]) -> int:
        """Take lines until all are, or the budget is spent; how many were taken."""
        total, at, alone, begun = len(self._block), 0, 0, 0
        self._shapes.forget_some()
        self._assign(0)
        while at < total:
            if not self._cursor.partial:  # what a container has begun goes on in the very next line
                ahead = np.flatnonzero(self._number[at:] < 0)
                if not len(ahead):
                    break
                at += int(ahead[0])
            alone += 1
            if alone % _CHECK_EVERY == 0 and spent():
                total = at
                break
            if self._read_alone(at) and begun < _MOST_ASSIGNED:
                begun += 1
                self._flush(at + 1)
                self._assign(at + 1)
            at += 1
        self._flush(total)
        self._cursor.lines = self._line - 1 + total
        return total

    def _assign(self, start: int) -> None:
        """Find the template of every line from `start` on, and read its columns."""
        shapes, cursor = self._shapes, self._cursor
        get = shapes.number.get
        number = np.array([get(shape, _UNKNOWN) for shape in self._block.shapes[start:]], np.int64)
        self._columns = {}
        for key in np.unique(number[number >= 0]).tolist():
            template, lines = shapes.templates[key], np.flatnonzero(number == key)
            number[lines] = _ALONE
            if len(lines) < _FEWEST or not template.holds(cursor.states, cursor.specific):
                continue
            columns = template.read(self._block, lines + start, self._recognition.zone)
            number[columns.lines - start] = key
            self._columns[key] = columns
        self._number = np.concatenate((np.full(start, _ALONE), number))

    def _read_alone(self, at: int) -> bool:
        """Read one line as if there were no templates; whether those in use have to be looked at again."""
        block, cursor, shape = self._block, self._cursor, self._block.shapes[at]
        if not cursor.specific or cursor.partial:
            self._flush(at)
        if cursor.partial:
            self._number[at] = _ALONE
        self._catch_up(at)
        line = block.line(at)
        cursor.lines = self._line + at
        said = self._recognition.read(line, True, cursor, shape, strict=self._strict)
        if said is None:
            return False
        full = said.stamp is not None and said.stamp.ms is not None
        if said.records or (said.stamp is not None and not full):
            self._flush(at)
            ts_ms = self._placement.clock.stamp(said.stamp, said.container_ms, cursor.lines)
            self._placement.series.row = self._row + at * ROWS
            if self._placement.add(said, ts_ms):
                self.matched += 1
            else:
                self.unparsed += said.unparsed
        else:
            self.unparsed += said.unparsed
            if full and said.stamp is not None and said.stamp.ms is not None:
                self._stamps.append((at, said.stamp.ms))
        return self._learn(at, line, shape) or self._outdated()

    def _catch_up(self, at: int) -> None:
        """The dialect that matched last, in a line above that is not placed yet."""
        for key, columns in self._columns.items():
            template = self._shapes.templates[key]
            before = int(columns.lines.searchsorted(at)) - 1
            if template.record is None or before < 0 or columns.lines[before] < max(self._done, self._latest):
                continue
            self._latest = int(columns.lines[before])
            assert template.dialect is not None
            self._cursor.dialect = template.dialect.name

    def _learn(self, at: int, line: bytes, shape: bytes) -> bool:
        """Learn the template of a shape that was met several times; whether there is a new one."""
        shapes = self._shapes
        if shapes.number.get(shape) == _ALONE:
            return False
        shapes.met[shape] = shapes.met.get(shape, 0) + 1
        if shapes.met[shape] % _LEARN_AFTER:
            return False
        known = shapes.number.get(shape)
        if known is not None and shapes.templates[known].holds(self._cursor.states, self._cursor.specific):
            return False
        template = learn(line, self._recognition.look(self._cursor, self._strict), self._recognition.zone)
        if template is None:
            shapes.number[shape] = _ALONE
            return False
        shapes.number[shape] = len(shapes.templates)
        shapes.templates.append(template)
        return self._block.shapes[at:].count(shape) > _FEWEST

    def _outdated(self) -> bool:
        cursor = self._cursor
        return any(
            not self._shapes.templates[key].holds(cursor.states, cursor.specific) for key in self._columns
        )

    def _flush(self, end: int) -> None:
        """Place the lines before `end` that are not placed yet."""
        found = []
        for key, columns in self._columns.items():
            first, last = columns.lines.searchsorted((self._done, end))
            if first == last:
                continue
            part = columns.part(slice(int(first), int(last)))
            alone = self._number[part.lines] != key
            if alone.any():
                part = columns.part(np.flatnonzero(~alone) + int(first))
            found.append(part)
            if part.template.record is not None:
                self.matched += len(part.lines)
            elif part.template.said.unparsed:
                self.unparsed += len(part.lines)
        if found or self._stamps:
            self._placement.add_columns(found, self._stamps, self._row, self._line)
        self._stamps = []
        self._done = end
