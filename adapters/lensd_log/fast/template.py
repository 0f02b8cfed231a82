"""How to read the lines of one shape together: which run of digits belongs to which number of the record.

Templates are learnt (see `learning`); this module applies them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

import numpy as np

from lensd.model import Floats, Ints
from lensd_log.fast.decimals import Number
from lensd_log.fast.grid import Bools, Grid, Indices, LineBlock
from lensd_log.fast.timing import Timing
from lensd_log.line.record import LogFormat, ParsedLine, Record, State
from lensd_log.structure.settled import Outline

_WIDEST_OF_STRUCTURE = 15  # digits; what is longer is another kind of number
_WIDEST_EPOCH = 6  # digits; batches of later epochs would be beyond the largest step


@dataclass(slots=True)
class RecordColumns:
    """What the lines of one template say.

    lines: their indices in the block, ascending. ts_ms: UTC ms; None where none is printed. step, target,
    epoch: None where none is printed. values: a column for each value of the record. counts, totals: of lines
    that are read by structure, by the index of the counter; their steps follow from these. record: of one
    line; None where lines hold none.
    """

    template: Template
    lines: Indices
    ts_ms: Floats | None
    step: Ints | None
    target: Ints | None
    values: list[Floats]
    counts: dict[int, Ints] = field(default_factory=dict)
    totals: dict[int, Ints] = field(default_factory=dict)
    record: Record | None = None
    epoch: Ints | None = None

    @property
    def step_ms(self) -> Floats | None:
        """[lines] how long one step took, where that is printed."""
        took = self.template.took
        return None if took is None else self.values[took[0]] * took[1]

    def part(self, rows: slice | Indices) -> RecordColumns:
        """The columns of some of the lines."""
        return RecordColumns(
            self.template,
            self.lines[rows],
            None if self.ts_ms is None else self.ts_ms[rows],
            None if self.step is None else self.step[rows],
            None if self.target is None else self.target[rows],
            [column[rows] for column in self.values],
            {index: column[rows] for index, column in self.counts.items()},
            {index: column[rows] for index, column in self.totals.items()},
            self.record,
            None if self.epoch is None else self.epoch[rows],
        )


@dataclass(slots=True)
class Template:
    """How to read lines of one shape.

    sample: what one line of this shape says. state: of its log format, when it was read. specific: generic
    log formats were not asked then. gaps: [runs] bytes before each run of digits. fixed: runs whose digits
    must be those of the sample. numbers: where values are printed, by their index; the others do not vary.
    step, target, epoch: where these are. timing: where the line's timestamp is. ticks: a number that is the
    time, and its unit in ms. took: the index of the value that says how long a step took, and its unit in ms.
    outline: of lines that are read by structure; counts, totals: where their counters are printed, by index.
    widths: of runs whose count of digits may not vary. minutes: runs below 60. unpadded: runs that do not
    begin with a zero. rivals: the states of the log formats that refuse these lines.
    """

    shape: bytes
    sample: ParsedLine
    state: State
    specific: bool
    gaps: Ints
    fixed: dict[int, bytes] = field(default_factory=dict)
    numbers: dict[int, Number] = field(default_factory=dict)
    step: Number | None = None
    target: Number | None = None
    epoch: Number | None = None
    timing: Timing | None = None
    ticks: tuple[Number, float] | None = None
    took: tuple[int, float] | None = None
    outline: Outline | None = None
    counts: dict[int, Number] = field(default_factory=dict)
    totals: dict[int, Number] = field(default_factory=dict)
    widths: dict[int, int] = field(default_factory=dict)
    minutes: set[int] = field(default_factory=set)
    unpadded: set[int] = field(default_factory=set)
    rivals: dict[str, State] = field(default_factory=dict)

    @property
    def record(self) -> Record | None:
        return self.sample.records[0] if self.sample.records else None

    @property
    def log_format(self) -> LogFormat | None:
        return self.sample.log_format

    @property
    def _decimals(self) -> list[Number]:
        """The numbers that may have a fraction or an exponent."""
        return [*self.numbers.values(), *(() if self.epoch is None else (self.epoch,))]

    def holds(self, states: Mapping[str, State], specific: bool) -> bool:
        """Is it still right, with log formats in these states? specific: generic ones are not asked now."""
        if any(states.get(name, {}) != state for name, state in self.rivals.items()):
            return False
        if self.log_format is None or self.outline is not None:
            return specific or not self.specific
        if self.log_format.generic and specific:
            return False
        return states.get(self.log_format.name, {}) == self.state

    def grid(self, block: LineBlock, lines: Indices) -> tuple[Grid, Indices]:
        """Which of these lines, all of the template's shape, fit, with the places of their runs."""
        runs = len(self.gaps)
        lines = lines[block.run[lines + 1] - block.run[lines] == runs]
        grid = block.grid(lines, runs)
        good = self._fits(grid, block.first[lines])
        return (grid, lines) if good.all() else (grid.keep(good), lines[good])

    def decode(self, lines: Indices, grid: Grid, zone: tzinfo | None) -> RecordColumns:
        """The columns of lines that fit. Leaves out those with a date that does not exist."""
        ts_ms = self._times(grid, zone)
        if ts_ms is not None and np.isnan(ts_ms).any():
            real = ~np.isnan(ts_ms)
            lines, grid, ts_ms = lines[real], grid.keep(real), ts_ms[real]
        record = self.record
        if record is None and self.outline is None:
            return RecordColumns(self, lines, ts_ms, None, None, [])
        values = [
            self.numbers[index].decode(grid) if index in self.numbers else np.full(len(lines), value)
            for index, (_, value) in enumerate(record.values if record is not None else ())
        ]
        counters = [] if self.outline is None else self.outline.sketch.counts
        counts = [_whole(self.counts.get(index), c.value, grid) for index, c in enumerate(counters)]
        totals = [_whole(self.totals.get(index), c.total, grid) for index, c in enumerate(counters)]
        return RecordColumns(
            self,
            lines,
            ts_ms,
            _whole(self.step, None if record is None else record.step, grid),
            _whole(self.target, None if record is None else record.target, grid),
            values,
            {index: column for index, column in enumerate(counts) if column is not None},
            {index: column for index, column in enumerate(totals) if column is not None},
            record,
            self._epochs(grid),
        )

    def _epochs(self, grid: Grid) -> Ints | None:
        """[lines] whole epochs, where the step is a batch of one."""
        epoch = None if self.record is None else self.record.epoch
        if epoch is None:
            return None
        if self.epoch is None:
            return np.full(len(grid), int(epoch), np.int64)
        return self.epoch.decode(grid).astype(np.int64)

    def _fits(self, grid: Grid, first: Indices) -> Bools:
        if not len(self.gaps):
            return np.ones(len(first), np.bool_)
        good: Bools = grid.begin(0) - first == self.gaps[0]
        placed = grid.gaps() == self.gaps[1:]
        if not placed.all():
            good &= np.logical_and.reduce(placed, axis=1)
        if self.record is None and self.timing is None and not self.unpadded:
            return good
        width = grid.width
        # No framework prints longer numbers, and a log format's expression may have its bound just above.
        if width.max(initial=0) > 18:
            most = np.full(width.shape[1], 18)
            most[[run for number in self._decimals for run in number.runs]] = 30
            good &= np.logical_and.reduce(width <= most, axis=1)
        for run, digits in self.fixed.items():
            good &= width[:, run] == len(digits)
            good &= grid.integers(run) == int(digits)
        if self.epoch is not None:
            good &= width[:, self.epoch.whole[0]] <= _WIDEST_EPOCH
        for number in (*self._decimals, *((self.ticks[0],) if self.ticks else ())):
            if number.exponent is not None or len(number.whole) > 1:
                good &= number.fits(grid)
        for whole in (self.step, self.target, *self.counts.values(), *self.totals.values()):
            if whole is not None:
                good &= width[:, whole.whole[0]] <= 12
        if self.outline is not None and width.max(initial=0) > _WIDEST_OF_STRUCTURE:
            good &= np.logical_and.reduce(width <= _WIDEST_OF_STRUCTURE, axis=1)
        for run, digits_wide in self.widths.items():
            good &= width[:, run] == digits_wide
        for run in self.minutes:
            good &= grid.integers(run) < 60
        for run in self.unpadded:
            good &= (width[:, run] == 1) | (grid.first_digits(run) != 48)
        if self.timing is not None:
            good &= self.timing.fits(grid)
        return good

    def _times(self, grid: Grid, zone: tzinfo | None) -> Floats | None:
        if self.ticks is not None:
            number, scale = self.ticks
            ticks = number.decode(grid)
            # The size of ticks tells their unit; a power of ten is on the border.
            ticks[ticks == 10.0 ** (grid.width[:, number.whole[0]] - 1)] = np.nan
            return np.round(ticks * scale, 3)
        return None if self.timing is None else self.timing.decode(grid, zone)


def _whole(number: Number | None, value: int | None, grid: Grid) -> Ints | None:
    if number is not None:
        whole = grid.integers(number.whole[0])
        return -whole if number.negative else whole
    return None if value is None else np.full(len(grid), value, np.int64)
