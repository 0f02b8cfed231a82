"""Reads blocks of lines through templates, and what fits none one by one, in the order of lines.

Templates are a cache: dropping them costs time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lensd.tail import LINE_LIMIT
from lensd_log.blocks import BlockResult
from lensd_log.fast.grid import DIGITS, Grid, Indices, LineBlock, Lines
from lensd_log.fast.layout import FEWEST, LineLayouts
from lensd_log.fast.learning import Unsettled, learn
from lensd_log.fast.place import ColumnPlacement
from lensd_log.fast.probe import Probe
from lensd_log.fast.template import RecordColumns, Template
from lensd_log.placement import ROWS_PER_LINE, Placement
from lensd_log.recognition import Recognition
from lensd_log.structure import settled
from lensd_log.structure.reader import STRUCTURE, listens

_MOST_SHAPES = 4096
_LEARN_AFTER = 16  # lines of one shape
_LEARN_STRUCTURE_AFTER = 32
_MOST_DOUBLED = 7  # times that this doubles
_FEWEST = 32  # lines that are worth reading as columns
_FEWEST_OF_A_SHAPE = 4
_WORTH_ANOTHER = 256  # lines left that are worth assigning templates anew where none was learnt
_CHECK_EVERY = 256  # lines read one by one between two checks of the budget
_MOST_ASSIGNED = 16  # times that templates are assigned to the lines of one block
_TRIED = 512  # lines read one by one, after which columns must have taken as many
_MOST_SETTLED = 4  # layouts of a template that are learnt from one block
_ALONE = -1
_UNKNOWN = "unknown"
_MIX = np.random.default_rng(1).integers(1, 1 << 31, 160)


class Shapes:
    """What was learnt of the shapes of lines.

    templates: by shape; None for a shape whose lines have to be read one by one. layouts: of the templates.
    met: how often a shape was met by a line that was read alone. learnt: how often one was learnt, as it is
    again when the state of its log format has changed.
    """

    def __init__(self) -> None:
        self.templates: dict[bytes, Template | None] = {}
        self.layouts = LineLayouts()
        self.met: dict[bytes, int] = {}
        self.learnt: dict[bytes, int] = {}

    def forget_some(self) -> None:
        """Keep memory bounded: a log of ever new shapes starts over."""
        if len(self.templates) > _MOST_SHAPES:
            self.templates, self.layouts = {}, LineLayouts()
        if len(self.met) > _MOST_SHAPES:
            self.met, self.learnt = {}, {}


class TemplateReader:
    """The `BlockReader` of the fast path. Keeps the shapes that it has learnt."""

    def __init__(self, recognition: Recognition) -> None:
        self._recognition = recognition
        self._shapes = Shapes()

    def read(
        self, body: bytes, placement: Placement, *, strict: bool, spent: Callable[[], bool]
    ) -> BlockResult | None:
        """See `BlockReader`. None where a line of the block is too long."""
        lines = Lines(body)
        if int((lines.last - lines.first).max()) > LINE_LIMIT:
            return None
        walk = Walk(lines, self._shapes, self._recognition, placement, strict)
        taken = walk.take(spent)
        return BlockResult(lines.first, taken, walk.matched, walk.unparsed)


class Walk:
    """One walk over the lines of a block, which moves the cursor and collects points."""

    def __init__(
        self, lines: Lines, shapes: Shapes, recognition: Recognition, placement: Placement, strict: bool
    ) -> None:
        self._lines = lines
        self._shapes = shapes
        self._recognition = recognition
        self._placement = placement
        self._column_placement = ColumnPlacement(placement)
        self._cursor = placement.cursor
        self._strict = strict
        self._line = self._cursor.lines + 1
        self._row = max(placement.series.row + ROWS_PER_LINE, self._line * ROWS_PER_LINE)
        self._owner = np.empty(0, np.int64)  # of each line: the index of its columns, or _ALONE
        self._columns: list[RecordColumns] = []
        self._timestamps: list[tuple[int, float]] = []  # line, UTC ms: of lines read alone that say no more
        self._usable: set[int] = set()  # templates, when lines were assigned last: their ids
        self._assigned_at = 0  # the line from which on they were
        self._suspended: set[int] = set()  # indices of columns that are not settled now
        self._is_structural = False  # some of the columns are of lines that are read by structure
        self._done = 0  # lines that are placed
        self._latest = -1
        self.matched = 0
        self.unparsed = 0

    def take(self, spent: Callable[[], bool]) -> int:
        """Take all lines, or as many as the budget allows. Returns how many were taken."""
        total, at, alone, begun, since = len(self._lines), 0, 0, 0, 0
        self._shapes.forget_some()
        self._assign(0)
        while at < total:
            # A line that a container has cut goes on in the very next one.
            if self._owner[at] >= 0 and not self._cursor.partial:
                ahead = np.flatnonzero(self._owner[at:] < 0)
                if not len(ahead):
                    break
                at += int(ahead[0])
            alone += 1
            since += 1
            if alone % _CHECK_EVERY == 0 and spent():
                total = at
                break
            helps = self._read_alone(at)
            at += 1
            if self._is_structural:
                self._suspend(at)
            outdated = bool(self._columns) and self._outdated()
            if outdated and begun >= _MOST_ASSIGNED:
                self._flush(at)
                self._columns = []
                self._owner[at:] = _ALONE
            elif since >= _TRIED and 2 * since > at - self._assigned_at and self._columns:
                # Few lines alike: going back and forth between them costs more than columns save.
                self._flush(at)
                self._columns, begun = [], _MOST_ASSIGNED
                self._owner[at:] = _ALONE
            elif (helps or outdated) and begun < _MOST_ASSIGNED:
                begun, since = begun + 1, 0
                self._flush(at)
                self._assign(at)
        self._flush(total)
        self._cursor.lines = self._line - 1 + total
        self._placement.series.row = self._row + len(self._lines) * ROWS_PER_LINE
        return total

    def _assign(self, start: int) -> None:
        """Find the template of every line from `start` on, and read its columns."""
        self._columns, self._assigned_at, self._suspended = [], start, set()
        self._owner = np.full(len(self._lines), _ALONE, np.int64)
        self._is_structural = False
        if len(self._lines) - start >= _FEWEST:
            self._decode(start)
            self._release()

    def _decode(self, start: int) -> None:
        """Read the columns of all templates that are usable now: first by layout, the rest by shape."""
        usable = self._usable = {
            id(template)
            for template in self._shapes.templates.values()
            if template is not None and self._is_usable(template)
        }
        for columns in self._shapes.layouts.read(self._lines, start, usable, self._recognition.zone):
            self._own(columns)
        rest = np.flatnonzero(self._owner[start:] < 0) + start
        if len(rest) < _FEWEST or not usable:
            return
        block = LineBlock(self._lines.some(rest))
        for template, members in self._members(block.shapes):
            if id(template) not in usable or len(members) < _FEWEST_OF_A_SHAPE:
                continue
            grid, members = template.grid(block, members)
            columns = template.decode(members, grid, self._recognition.zone)
            if len(columns.lines) >= FEWEST:
                self._settle(template, block, members, grid)
            columns.lines = rest[columns.lines]
            self._own(columns)

    def _release(self) -> None:
        """Leave lines that are read by structure alone where they stand among those of a known log format,
        and rows of a table that stand too far apart."""
        is_known = any(c.template.outline is None and c.template.record is not None for c in self._columns)
        for owner, columns in enumerate(self._columns):
            outline = columns.template.outline
            if outline is None:
                continue
            lines = columns.lines
            kept = 0 if is_known else settled.near_rows(outline, self._cursor.structure, lines + self._line)
            self._owner[lines[kept:]] = _ALONE
            self._columns[owner] = columns.part(slice(kept))
        self._is_structural = any(len(c.lines) for c in self._columns if c.template.outline is not None)

    def _own(self, columns: RecordColumns) -> None:
        self._owner[columns.lines] = len(self._columns)
        self._columns.append(columns)

    def _members(self, shapes: Sequence[bytes]) -> Iterator[tuple[Template, Indices]]:
        """The templates of these shapes, and the indices of the shapes that each of them has.

        Most lines are often of one shape: looking up only the others is half the work.
        """
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
        """Learn the layouts that most of these lines have."""
        key = grid.width @ _MIX[: grid.width.shape[1]]
        _, sample, counts = np.unique(key, return_index=True, return_counts=True)
        for place in np.argsort(-counts)[:_MOST_SETTLED].tolist():
            if counts[place] >= FEWEST:
                self._shapes.layouts.add(template, block.line(int(members[sample[place]])))

    def _read_alone(self, at: int) -> bool:
        """Read one line as if there were no templates. True when templates have to be assigned anew."""
        cursor, line = self._cursor, self._lines.line(at)
        shape = line.translate(None, DIGITS)
        if not cursor.specific or cursor.partial or self._is_structural:
            self._flush(at)
        if cursor.partial:
            self._owner[at] = _ALONE
        self._catch_up(at)
        cursor.lines = self._line + at
        parsed_line = self._recognition.read(
            line, True, cursor, shape, strict=self._strict, catch_up=lambda: self._flush(at)
        )
        if parsed_line is None:
            return False
        stamp = parsed_line.stamp
        if (
            parsed_line.records
            or parsed_line.earlier
            or parsed_line.waits
            or (stamp is not None and stamp.ms is None)
        ):
            log_format = cursor.log_format
            self._flush(at)
            cursor.log_format = log_format  # not that of the lines above
            self._placement.series.row = self._row + at * ROWS_PER_LINE
            matched = self._placement.add(parsed_line)
            self.matched += matched
            self.unparsed += parsed_line.lost + (parsed_line.unparsed and not matched)
        else:
            self.unparsed += parsed_line.unparsed + parsed_line.lost
            if stamp is not None and stamp.ms is not None:
                self._timestamps.append((at, stamp.ms))
        structural = parsed_line.waits or parsed_line.log_format is STRUCTURE
        return self._learn(at, line, shape, structural)

    def _catch_up(self, at: int) -> None:
        """Note the log format that matched last in a line above that is not placed yet."""
        for columns in self._columns:
            before = int(columns.lines.searchsorted(at)) - 1
            log_format = columns.template.log_format
            if log_format is None or columns.template.record is None or before < 0:
                continue
            line = int(columns.lines[before])
            if line >= max(self._done, self._latest):
                self._latest = line
                self._cursor.log_format = log_format.name

    def _learn(self, at: int, line: bytes, shape: bytes, structural: bool) -> bool:
        """Learn the template of a shape that was met several times. True when that helps with this block.

        structural: the line is read by structure, and takes longer to be settled.
        """
        shapes, cursor = self._shapes, self._cursor
        template = shapes.templates.get(shape, _UNKNOWN)
        if template is None:
            return False
        if isinstance(template, Template) and id(template) not in self._usable and self._is_usable(template):
            return len(self._lines) - at > _WORTH_ANOTHER
        shapes.met[shape] = shapes.met.get(shape, 0) + 1
        learnt = shapes.learnt.get(shape, 0)
        # Where states of log formats change all the time, learning would cost more than it saves.
        after = _LEARN_STRUCTURE_AFTER if structural else _LEARN_AFTER
        if shapes.met[shape] % (after << min(learnt, _MOST_DOUBLED)):
            return False
        if isinstance(template, Template) and template.holds(cursor.states, cursor.specific):
            return False
        shapes.learnt[shape] = learnt + 1
        try:
            template = learn(line, Probe(self._recognition, cursor, self._strict))
        except Unsettled:
            return False
        shapes.templates[shape] = template
        return template is not None and len(self._lines) - at > _FEWEST

    def _outdated(self) -> bool:
        return not all(
            columns.template.outline is not None or self._is_usable(columns.template)
            for columns in self._columns
        )

    def _suspend(self, at: int) -> None:
        """From this line on, leave alone the lines that are read by structure and of shapes that are not
        settled now, and take up those that are again."""
        for owner, columns in enumerate(self._columns):
            if columns.template.outline is None or not len(columns.lines):
                continue
            usable = self._is_usable(columns.template)
            if usable == (owner not in self._suspended):
                continue
            self._flush(at)
            self._owner[columns.lines[columns.lines.searchsorted(at) :]] = owner if usable else _ALONE
            (self._suspended.discard if usable else self._suspended.add)(owner)

    def _is_usable(self, template: Template) -> bool:
        if self._placement.every_rank and template.sample.rank is not None:
            return False  # values of ranks are compared one by one
        if template.outline is not None and not settled.is_settled(template.outline, self._cursor.structure):
            return False
        if template.log_format is None and listens(self._cursor.structure):
            return False
        return template.holds(self._cursor.states, self._cursor.specific)

    def _flush(self, end: int) -> None:
        """Place the lines before `end` that are not placed yet."""
        if not self._columns and not self._timestamps:
            self._done = end
            return
        parts = []
        for owner, columns in enumerate(self._columns):
            first, last = (int(place) for place in columns.lines.searchsorted((self._done, end)))
            if first == last:
                continue
            part = columns if last - first == len(columns.lines) else columns.part(slice(first, last))
            owned = self._owner[part.lines] == owner
            if not owned.all():
                part = part.part(np.flatnonzero(owned))
            parts.append(part)
            if part.template.record is not None:
                self.matched += len(part.lines)
            elif part.template.sample.unparsed:
                self.unparsed += len(part.lines)
        if parts or self._timestamps:
            self._column_placement.add(parts, self._timestamps, self._row, self._line)
        self._timestamps = []
        self._done = end
