"""Text as columns: where the lines of a block and the runs of digits in them stand, and the numbers that runs
make up, decoded for all lines at once.

A line without its digits is its *shape*; two lines of one shape differ in numbers only, as long as their runs
stand at the same places of it. Knows bytes, not formats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints

_DIGITS = b"0123456789"
_POWERS = np.array([10.0**power for power in range(23)])  # each of them exact
#: x87's long double holds 64 bits of mantissa: 19 digits and powers of ten up to 27 without a rounding. Where
#: the platform has another kind, long numbers are read one by one.
_EXTENDED = np.finfo(np.longdouble).nmant == 63
_LONG_POWERS = np.array([10**power for power in range(28)], dtype=object).astype(np.longdouble)
_PARTS = re.compile(rb"([-+]?)(?:(\d{1,3}(?:,\d{3})+)|(\d*))(?:(\.)(\d*))?(?:[eE]([-+]?)(\d+))?\Z")

Indices = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


class Block:
    """Whole lines, each with its newline.

    shapes: of each line, bytes. first, last: [lines] byte range of each line, its newline left out. run:
    [lines + 1] ordinal of each line's first run of digits. begin, end: [runs] byte range of each run.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.bytes = np.frombuffer(data, np.uint8)
        self.shapes = data.translate(None, _DIGITS).split(b"\n")
        self.shapes.pop()
        self.last = np.flatnonzero(self.bytes == 10)
        self.first = np.empty_like(self.last)
        self.first[:1] = 0
        self.first[1:] = self.last[:-1] + 1
        digit = (self.bytes - np.uint8(48)) < 10
        edges = np.flatnonzero(digit[1:] != digit[:-1]) + 1
        if len(digit) and digit[0]:
            edges = np.concatenate((np.zeros(1, edges.dtype), edges))
        # The last byte is a newline, so every run that begins also ends.
        self.begin, self.end = edges[0::2], edges[1::2]
        self.run = np.append(np.searchsorted(self.begin, self.first), len(self.begin))

    def __len__(self) -> int:
        return len(self.last)

    def line(self, index: int) -> bytes:
        return self.data[self.first[index] : self.last[index]]

    def grid(self, lines: Indices, runs: int) -> Grid:
        """The runs of lines that have `runs` of them each."""
        place = self.run[lines][:, None] + np.arange(runs)
        return Grid(self, self.begin[place], self.end[place])


@dataclass(slots=True)
class Grid:
    """Byte ranges of runs, [lines, runs] each."""

    block: Block
    begin: Indices
    end: Indices

    def keep(self, rows: Bools) -> Grid:
        return Grid(self.block, self.begin[rows], self.end[rows])

    def integers(self, run: int) -> Ints:
        """The digits of a run as a number, [lines]; wrong for more than 18 of them."""
        begin, end = self.begin[:, run], self.end[:, run]
        width = end - begin
        longest = min(int(width.max(initial=0)), 18)
        text, even = self.block.bytes, bool((width == longest).all())
        total = np.zeros(len(begin), np.int64)
        for place in range(longest, 0, -1):
            at = end - place
            digit = text[at] - np.uint8(48)
            total *= 10
            # A byte before the run belongs to something else: a number above 9, or a digit of another run.
            total += digit if even else np.where(width >= place, digit, np.uint8(0))
        return total


@dataclass(frozen=True, slots=True)
class Number:
    """Which runs of a line make up a number, and what its text says besides digits.

    whole, fraction, exponent: runs, `()` and None where the number has none. whole has several where
    thousands are set apart. negative, shrinks: the sign of the number and of its exponent.
    """

    whole: tuple[int, ...]
    fraction: int | None
    exponent: int | None
    negative: bool
    shrinks: bool

    @classmethod
    def of(cls, text: bytes, first_run: int) -> Number | None:
        """What `text`, whose first digits are run `first_run` of its line, is made up of."""
        found = _PARTS.match(text)
        if found is None:
            return None
        run = first_run
        whole: tuple[int, ...] = ()
        if found[2] or found[3]:
            whole = tuple(range(run, run + 1 + (found[2] or b"").count(b",")))
            run += len(whole)
        fraction = exponent = None
        if found[5]:
            fraction, run = run, run + 1
        if found[7]:
            exponent, run = run, run + 1
        return cls(whole, fraction, exponent, found[1] == b"-", found[6] == b"-") if run > first_run else None

    @property
    def runs(self) -> tuple[int, ...]:
        return self.whole + tuple(run for run in (self.fraction, self.exponent) if run is not None)

    @property
    def plain(self) -> bool:
        """Is it an integer as a step is printed?"""
        return len(self.whole) == 1 and self.fraction is None and self.exponent is None

    def fits(self, grid: Grid) -> Bools:
        """[lines] whether thousands stand in groups of three, and no part is longer than can be read."""
        width = grid.end - grid.begin
        good = np.ones(len(width), np.bool_)
        if len(self.whole) > 1:
            good &= width[:, self.whole[0]] <= 3
            for run in self.whole[1:]:
                good &= width[:, run] == 3
        if self.exponent is not None:
            good &= width[:, self.exponent] <= 3
        return good

    def decode(self, grid: Grid) -> Floats:
        """[lines] the numbers, each the very float64 that `float()` makes of its text."""
        width = grid.end - grid.begin
        count = len(width)
        digits = np.zeros(count, np.int64)
        mantissa = np.zeros(count, np.int64)
        for run in self.whole if self.fraction is None else (*self.whole, self.fraction):
            part = grid.integers(run)
            if digits.any() or run == self.fraction:
                scale = np.minimum(width[:, run], 18)
                mantissa = mantissa * _INT_POWERS[scale] + part
            else:
                mantissa = part
            digits = digits + width[:, run]
        power = np.zeros(count, np.int64) if self.fraction is None else -width[:, self.fraction]
        if self.exponent is not None:
            given = grid.integers(self.exponent)
            power = power - given if self.shrinks else power + given
        size = np.abs(power)
        exact = (digits <= 15) & (size <= 22)
        if self.fraction is None and self.exponent is None:
            value = mantissa.astype(np.float64)
        else:
            scale_by = _POWERS[np.minimum(size, 22)]
            value = mantissa.astype(np.float64)
            shrink = power < 0
            if shrink.all():
                value /= scale_by
            else:
                value = np.where(shrink, value / scale_by, value * scale_by)
        if not exact.all():
            rest = np.flatnonzero(~exact)
            self._decode_long(grid, rest, mantissa[rest], digits[rest], power[rest], value)
        return -value if self.negative else value

    def _decode_long(
        self, grid: Grid, rows: Indices, mantissa: Ints, digits: Ints, power: Ints, value: Floats
    ) -> None:
        """Numbers of more than 15 digits: in extended precision, and by `float()` where that could round
        twice."""
        alone = np.ones(len(rows), np.bool_)
        if _EXTENDED:
            size = np.minimum(np.abs(power), 27)
            wide, scale = mantissa.astype(np.longdouble), _LONG_POWERS[size]
            wide = np.where(power < 0, wide / scale, wide * scale)
            value[rows] = wide.astype(np.float64)
            low = wide.view(np.uint64)[::2] & np.uint64(0x7FF)
            # Just halfway between two float64: which way to go was decided by the first rounding.
            alone = (digits > 18) | (np.abs(power) > 27) | (low == 0x400) | (value[rows] < 1e-290)
        text = grid.block.data
        runs = self.runs
        for row in rows[alone].tolist():
            printed = text[grid.begin[row, runs[0]] : grid.end[row, runs[-1]]].replace(b",", b"")
            value[row] = float(b"." + printed if not self.whole else printed)


_INT_POWERS = np.array([10**power for power in range(19)], np.int64)


def starts_of_runs(line: bytes) -> list[tuple[int, int]]:
    """Byte ranges of the runs of digits in one line."""
    return [found.span() for found in re.finditer(rb"\d+", line)]


def replaced(line: bytes, runs: Sequence[tuple[int, int]], texts: dict[int, bytes]) -> bytes:
    """The line with the digits of some runs exchanged."""
    pieces, at = [], 0
    for index, (begin, end) in enumerate(runs):
        if index in texts:
            pieces += [line[at:begin], texts[index]]
            at = end
    return b"".join((*pieces, line[at:]))
