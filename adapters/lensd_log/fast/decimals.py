"""Decimal numbers of many lines at once, each the same float64 that `float()` makes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lensd.model import Floats, Ints
from lensd_log.fast.grid import Bools, Grid, Indices

_POWERS = np.array([10.0**power for power in range(23)])  # each of them exact
#: The long double of x87 has 64 bits of mantissa: 19 digits and powers of ten up to 27 are exact. Where the
#: platform has another one, long numbers are read one by one.
_EXTENDED = np.finfo(np.longdouble).nmant == 63
_LONG_POWERS = np.array([10**power for power in range(28)], dtype=object).astype(np.longdouble)
_PARTS = re.compile(rb"([-+]?)(?:(\d{1,3}(?:,\d{3})+)|(\d*))(?:(\.)(\d*))?(?:[eE]([-+]?)(\d+))?\Z")


@dataclass(frozen=True, slots=True)
class Number:
    """Which runs of digits make up a number in a line.

    whole, fraction, exponent: runs; `()` and None where the number has none. whole has several where
    thousands are separated. negative, shrinks: whether the number, and its exponent, have a minus.
    """

    whole: tuple[int, ...]
    fraction: int | None
    exponent: int | None
    negative: bool
    shrinks: bool

    @classmethod
    def of(cls, text: bytes, first_run: int) -> Number | None:
        """The parts of `text`, whose first digits are run `first_run` of its line. None for no number."""
        match = _PARTS.match(text)
        if match is None:
            return None
        run = first_run
        whole: tuple[int, ...] = ()
        if match[2] or match[3]:
            whole = tuple(range(run, run + 1 + (match[2] or b"").count(b",")))
            run += len(whole)
        fraction = exponent = None
        if match[5]:
            fraction, run = run, run + 1
        if match[7]:
            exponent, run = run, run + 1
        return cls(whole, fraction, exponent, match[1] == b"-", match[6] == b"-") if run > first_run else None

    @property
    def runs(self) -> tuple[int, ...]:
        return self.whole + tuple(run for run in (self.fraction, self.exponent) if run is not None)

    @property
    def plain(self) -> bool:
        """Is it an integer without separators, as a step is?"""
        return len(self.whole) == 1 and self.fraction is None and self.exponent is None

    def fits(self, grid: Grid) -> Bools:
        """[lines] whether thousands are in groups of three, and the exponent is not too long."""
        width = grid.width
        good = np.ones(len(width), np.bool_)
        if len(self.whole) > 1:
            good &= width[:, self.whole[0]] <= 3
            for run in self.whole[1:]:
                good &= width[:, run] == 3
        if self.exponent is not None:
            good &= width[:, self.exponent] <= 3
        return good

    def decode(self, grid: Grid) -> Floats:
        """[lines] the numbers, each the same float64 that `float()` makes of it."""
        if len(grid) == 0:
            return np.empty(0)
        value = self._decode_even(grid) if grid.even(self.runs) else None
        if value is None:
            value = self._decode_any(grid)
        return -value if self.negative else value

    def _decode_even(self, grid: Grid) -> Floats | None:
        """Numbers whose parts have the same lengths, so that each byte has one weight. None if too long."""
        digits = self.whole if self.fraction is None else (*self.whole, self.fraction)
        width = grid.width[0]
        if int(width[list(digits)].sum()) > 15:
            return None
        places = [10.0 ** int(width[list(digits[at + 1 :])].sum()) for at in range(len(digits))]
        mantissa = grid.summed(digits, places)
        shift = 0 if self.fraction is None else -int(width[self.fraction])
        if self.exponent is None:
            return mantissa / _POWERS[-shift] if shift else mantissa
        printed = grid.integers(self.exponent)
        power = shift - printed if self.shrinks else shift + printed
        if np.abs(power).max() > 22:
            return None
        return _scaled(mantissa, power)

    def _decode_any(self, grid: Grid) -> Floats:
        width, count = grid.width, len(grid.width)
        digits = np.zeros(count, np.int64)
        mantissa = np.zeros(count, np.int64)
        for run in self.whole if self.fraction is None else (*self.whole, self.fraction):
            part = grid.integers(run)
            mantissa = mantissa * _INT_POWERS[np.minimum(width[:, run], 18)] + part
            digits = digits + width[:, run]
        power = np.zeros(count, np.int64) if self.fraction is None else -width[:, self.fraction]
        if self.exponent is not None:
            printed = grid.integers(self.exponent)
            power = power - printed if self.shrinks else power + printed
        exact = (digits <= 15) & (np.abs(power) <= 22)
        value = _scaled(mantissa.astype(np.float64), power)
        if not exact.all():
            rest = np.flatnonzero(~exact)
            self._decode_long(grid, rest, mantissa[rest], digits[rest], power[rest], value)
        return value

    def _decode_long(
        self, grid: Grid, rows: Indices, mantissa: Ints, digits: Ints, power: Ints, value: Floats
    ) -> None:
        """Numbers of more than 15 digits: in extended precision; by `float()` where that may round twice."""
        alone = np.ones(len(rows), np.bool_)
        if _EXTENDED:
            size = np.minimum(np.abs(power), 27)
            wide, scale = mantissa.astype(np.longdouble), _LONG_POWERS[size]
            wide = np.where(power < 0, wide / scale, wide * scale)
            value[rows] = wide.astype(np.float64)
            low = wide.view(np.uint64)[::2] & np.uint64(0x7FF)
            # Halfway between two float64, where the first rounding may have decided for the wrong one.
            alone = (digits > 18) | (np.abs(power) > 27) | (low == 0x400) | (value[rows] < 1e-290)
        for row in rows[alone].tolist():
            printed = grid.printed(row, self.runs).replace(b",", b"")
            value[row] = float(b"." + printed if not self.whole else printed)


def _scaled(mantissa: Floats, power: Ints) -> Floats:
    """The mantissa times a power of ten (at most 22). Rounded once."""
    first = int(power[0])
    if bool((power == first).all()) and abs(first) <= 22:
        by = float(_POWERS[abs(first)])
        return mantissa / by if first < 0 else mantissa * by
    scale: Floats = _POWERS[np.minimum(np.abs(power), 22)]
    shrink = power < 0
    return np.where(shrink, mantissa / scale, mantissa * scale)


_INT_POWERS = np.array([10**power for power in range(19)], np.int64)
