"""Blocks of lines through templates, and what no template fits one by one, in the order of lines.

Templates are a cache: dropping them costs time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lensd_log.cursor import LogCursor
from lensd_log.fast.grid import DIGITS, Grid, Indices, LineBlock, Lines
from lensd_log.fast.layout import FEWEST, LineLayouts
from lensd_log.fast.learning import learn
from lensd_log.fast.place import ColumnPlacement
from lensd_log.fast.template import RecordColumns, Template
from lensd_log.placement import ROWS_PER_LINE, Placement
from lensd_log.recognition import Recognition

_REMEMBERED = 4096
_LEARN_AFTER = 4  # lines of one shape
_MOST_DOUBLED = 7  # times that this doubles
_FEWEST = 32  # lines that are worth reading as columns
_CHECK_EVERY = 256  # lines read one by one between looks at the clock
_MOST_ASSIGNED = 16  # times that one block is looked at anew
_TRIED = 128  # lines read one by one, after which columns must have taken as many
_MOST_SETTLED = 4  # layouts of a template that are learnt from one block
_ALONE = -1
_UNKNOWN = "unknown"
_MIX = np.random.default_rng(1).integers(1, 1 << 31, 160)


class Shapes:
    """What was learnt of the shapes that were met, and how often others were. templates: None for a shape
    whose lines have to be read one by one. learnt: how often one was, for log formats' states move on."""

    def __init__(self) -> None:
        self.templates: dict[bytes, Template | None] = {}
        self.layouts = LineLayouts()
        self.met: dict[bytes, int] = {}
        self.learnt: dict[bytes, int] = {}

    def forget_some(self) -> None:
        """Keep memory bounded: a log of ever new shapes starts over."""
        if len(self.templates) > _REMEMBERED:
            self.templates, self.layouts = {}, LineLayouts()
        if len(self.met) > _REMEMBERED:
            self.met, self.learnt = {}, {}


class Walk:
    """One walk over the lines of a block, which moves the cursor and collects points."""

    def __init__(
        self,
        lines: Lines,
        shapes: Shapes,
        recognition: Recognition,
        placement: Placement,
        cursor: LogCursor,
        strict: bool,
        first_row: int,
    ) -> None:
        self._lines = lines
        self._shapes = shapes
        self._recognition = recognition
        self._placement = placement
        self._columns_placement = ColumnPlacement(placement)
        self._cursor = cursor
        self._strict = strict
        self._row = first_row
        self._line = cursor.lines + 1
        self._owner = np.empty(0, np.int64)  # of each line: which of the columns, or _ALONE
        self._columns: list[RecordColumns] = []
        self._stamps: list[tuple[int, float]] = []  # of lines read alone that say nothing else: line, UTC ms
        self._done = 0  # lines that are placed
        self._latest = -1
        self.matched = 0
        self.unparsed = 0

    def take(self, spent: Callable[[], bool]) -> int:
        """Take lines until all are, or the budget is spent; how many were taken."""
        total, at, alone, begun = len(self._lines), 0, 0, 0
        self._shapes.forget_some()
        self._assign(0)
        while at < total:
            if not self._cursor.partial:  # what a container has begun goes on in the very next line
                ahead = np.flatnonzero(self._owner[at:] < 0)
                if not len(ahead):
                    break
                at += int(ahead[0])
            alone += 1
            if alone % _CHECK_EVERY == 0 and spent():
                total = at
                break
            helps = self._read_alone(at)
            at += 1
            if alone >= _TRIED and 2 * alone > at and self._columns:
                # Few lines alike: going back and forth between them costs more than columns save.
                self._flush(at)
                self._columns, begun = [], _MOST_ASSIGNED
                self._owner[at:] = _ALONE
            elif helps and begun < _MOST_ASSIGNED:
                begun += 1
                self._flush(at)
                self._assign(at)
        self._flush(total)
        self._cursor.lines = self._line - 1 + total
        return total

    def _assign(self, start: int) -> None:
        """Find the template of every line from `start` on, and read its columns: first by layout, the rest by
        shape."""
        self._columns = []
        self._owner = np.full(len(self._lines), _ALONE, np.int64)
        if len(self._lines) - start < _FEWEST:
            return
        usable = {
            id(template)
            for template in self._shapes.templates.values()
            if template is not None and template.holds(self._cursor.states, self._cursor.specific)
        }
        for columns in self._shapes.layouts.read(self._lines, start, usable, self._recognition.zone):
            self._own(columns)
        rest = np.flatnonzero(self._owner[start:] < 0) + start
        if len(rest) < _FEWEST or not usable:
            return
        block = LineBlock(self._lines.some(rest))
        for template, members in self._members(block.shapes):
            if id(template) not in usable:
                continue
            grid, members = template.grid(block, members)
            columns = template.decode(members, grid, self._recognition.zone)
            if len(columns.lines) >= FEWEST:
                self._settle(template, block, members, grid)
            columns.lines = rest[columns.lines]
            self._own(columns)

    def _own(self, columns: RecordColumns) -> None:
        self._owner[columns.lines] = len(self._columns)
        self._columns.append(columns)

    def _members(self, shapes: Sequence[bytes]) -> Iterator[tuple[Template, Indices]]:
        """The templates of these shapes, and which of them each has. Most lines are mostly of one shape:
        looking up only the others is half the work."""
        get, first = self._shapes.templates.get, shapes[0]
        if shapes.count(first) == len(shapes):
            members: dict[bytes, list[int]] = {first: list(range(len(shapes)))}
        else:
            members = {}
            for index, shape in enumerate(shapes):
                if shape in members:
                    members[shape].append(index)
                else:
                    members[shape] = [index]
        for shape, indices in members.items():
            template = get(shape)
            if template is not None:
                yield template, np.array(indices)

    def _settle(self, template: Template, block: LineBlock, members: Indices, grid: Grid) -> None:
        """Remember the layouts that most of these lines have."""
        key = grid.width @ _MIX[: grid.width.shape[1]]
        _, sample, counts = np.unique(key, return_index=True, return_counts=True)
        for place in np.argsort(-counts)[:_MOST_SETTLED].tolist():
            if counts[place] >= FEWEST:
                self._shapes.layouts.add(template, block.line(int(members[sample[place]])))

    def _read_alone(self, at: int) -> bool:
        """Read one line as if there were no templates; whether those in use have to be looked at again."""
        cursor, line = self._cursor, self._lines.line(at)
        shape = line.translate(None, DIGITS)
        if not cursor.specific or cursor.partial:
            self._flush(at)
        if cursor.partial:
            self._owner[at] = _ALONE
        self._catch_up(at)
        cursor.lines = self._line + at
        parsed_line = self._recognition.read(line, True, cursor, shape, strict=self._strict)
        if parsed_line is None:
            return False
        full = parsed_line.stamp is not None and parsed_line.stamp.ms is not None
        if parsed_line.records or (parsed_line.stamp is not None and not full):
            self._flush(at)
            ts_ms = self._placement.clock.stamp(parsed_line.stamp, parsed_line.container_ms, cursor.lines)
            self._placement.series.row = self._row + at * ROWS_PER_LINE
            if self._placement.add(parsed_line, ts_ms):
                self.matched += 1
            else:
                self.unparsed += parsed_line.unparsed
        else:
            self.unparsed += parsed_line.unparsed
            if full and parsed_line.stamp is not None and parsed_line.stamp.ms is not None:
                self._stamps.append((at, parsed_line.stamp.ms))
        return self._learn(at, line, shape) or self._outdated()

    def _catch_up(self, at: int) -> None:
        """The log format that matched last, in a line above that is not placed yet."""
        for columns in self._columns:
            before = int(columns.lines.searchsorted(at)) - 1
            log_format = columns.template.log_format
            if log_format is None or columns.template.record is None or before < 0:
                continue
            line = int(columns.lines[before])
            if line >= max(self._done, self._latest):
                self._latest = line
                self._cursor.log_format = log_format.name

    def _learn(self, at: int, line: bytes, shape: bytes) -> bool:
        """Learn the template of a shape that was met several times; whether that helps with this block."""
        shapes, cursor = self._shapes, self._cursor
        known = shapes.templates.get(shape, _UNKNOWN)
        if known is None:
            return False
        shapes.met[shape] = shapes.met.get(shape, 0) + 1
        learnt = shapes.learnt.get(shape, 0)
        # Where log formats change their minds all the time, learning would cost more than it saves.
        if shapes.met[shape] % (_LEARN_AFTER << min(learnt, _MOST_DOUBLED)):
            return False
        if isinstance(known, Template) and known.holds(cursor.states, cursor.specific):
            return False
        shapes.learnt[shape] = learnt + 1
        template = learn(line, self._recognition.look(cursor, self._strict), self._recognition.zone)
        shapes.templates[shape] = template
        return template is not None and len(self._lines) - at > _FEWEST

    def _outdated(self) -> bool:
        states, specific = self._cursor.states, self._cursor.specific
        return any(not columns.template.holds(states, specific) for columns in self._columns)

    def _flush(self, end: int) -> None:
        """Place the lines before `end` that are not placed yet."""
        found = []
        for owner, columns in enumerate(self._columns):
            first, last = (int(place) for place in columns.lines.searchsorted((self._done, end)))
            if first == last:
                continue
            part = columns if last - first == len(columns.lines) else columns.part(slice(first, last))
            mine = self._owner[part.lines] == owner
            if not mine.all():
                part = part.part(np.flatnonzero(mine))
            found.append(part)
            if part.template.record is not None:
                self.matched += len(part.lines)
            elif part.template.sample.unparsed:
                self.unparsed += len(part.lines)
        if found or self._stamps:
            self._columns_placement.add(found, self._stamps, self._row, self._line)
        self._stamps = []
        self._done = end
