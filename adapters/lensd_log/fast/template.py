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


@dataclass(slots=True)
class RecordColumns:
    """What the lines of one template say.

    lines: their indices in the block, ascending. ts_ms: UTC ms; None where none is printed. step, target:
    None where none is printed. values: a column for each value of the template's record.
    """

    template: Template
    lines: Indices
    ts_ms: Floats | None
    step: Ints | None
    target: Ints | None
    values: list[Floats]

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
        )


@dataclass(slots=True)
class Template:
    """How to read lines of one shape.

    sample: what one line of this shape says. state: of its log format, when it was read. specific: generic
    log formats were not asked then. gaps: [runs] bytes before each run of digits. fixed: runs whose digits
    must be those of the sample. numbers: where values are printed, by their index; the others do not vary.
    timing: where the line's timestamp is. epoch: a number that is the time, and its unit in ms. took: the
    index of the value that says how long a step took, and its unit in ms.
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
    timing: Timing | None = None
    epoch: tuple[Number, float] | None = None
    took: tuple[int, float] | None = None

    @property
    def record(self) -> Record | None:
        return self.sample.records[0] if self.sample.records else None

    @property
    def log_format(self) -> LogFormat | None:
        return self.sample.log_format

    def holds(self, states: Mapping[str, State], specific: bool) -> bool:
        """Is it still right, with log formats in these states? specific: generic ones are not asked now."""
        if self.log_format is None:
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
        if record is None:
            return RecordColumns(self, lines, ts_ms, None, None, [])
        values = [
            self.numbers[index].decode(grid) if index in self.numbers else np.full(len(lines), value)
            for index, (_, value) in enumerate(record.values)
        ]
        return RecordColumns(
            self,
            lines,
            ts_ms,
            _whole(self.step, record.step, grid),
            _whole(self.target, record.target, grid),
            values,
        )

    def _fits(self, grid: Grid, first: Indices) -> Bools:
        if not len(self.gaps):
            return np.ones(len(first), np.bool_)
        good: Bools = grid.begin(0) - first == self.gaps[0]
        placed = grid.gaps() == self.gaps[1:]
        if not placed.all():
            good &= np.logical_and.reduce(placed, axis=1)
        if self.record is None and self.timing is None:
            return good
        width = grid.width
        # No framework prints longer numbers, and a log format's expression may have its bound just above.
        if width.max(initial=0) > 18:
            most = np.full(width.shape[1], 18)
            most[[run for number in self.numbers.values() for run in number.runs]] = 30
            good &= np.logical_and.reduce(width <= most, axis=1)
        for run, digits in self.fixed.items():
            good &= width[:, run] == len(digits)
            good &= grid.integers(run) == int(digits)
        for number in (*self.numbers.values(), *((self.epoch[0],) if self.epoch else ())):
            if number.exponent is not None or len(number.whole) > 1:
                good &= number.fits(grid)
        for whole in (self.step, self.target):
            if whole is not None:
                good &= width[:, whole.whole[0]] <= 12
        if self.timing is not None:
            good &= self.timing.fits(grid)
        return good

    def _times(self, grid: Grid, zone: tzinfo | None) -> Floats | None:
        if self.epoch is not None:
            number, scale = self.epoch
            return np.round(number.decode(grid) * scale, 3)
        return None if self.timing is None else self.timing.decode(grid, zone)


def _whole(number: Number | None, value: int | None, grid: Grid) -> Ints | None:
    if number is not None:
        whole = grid.integers(number.whole[0])
        return -whole if number.negative else whole
    return None if value is None else np.full(len(grid), value, np.int64)
