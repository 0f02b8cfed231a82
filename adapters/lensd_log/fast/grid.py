"""Text as columns: the places of lines and of the runs of digits in them, and the integers that these are.

A line without its digits is its *shape*. Two lines of one shape differ in numbers only, as long as their runs
are at the same places of it. Knows bytes, not log formats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints

DIGITS = b"0123456789"
Indices = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Runs = list[tuple[int, int]]  #: byte ranges of the runs of digits in a line


class Lines:
    """Whole lines, each with its newline. first, last: [lines] byte range of each without its newline."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.bytes = np.frombuffer(data, np.uint8)
        self.last = np.flatnonzero(self.bytes == 10)
        self.first = np.empty_like(self.last)
        self.first[:1] = 0
        self.first[1:] = self.last[:-1] + 1

    def __len__(self) -> int:
        return len(self.last)

    def line(self, index: int) -> bytes:
        return self.data[self.first[index] : self.last[index]]

    def some(self, lines: Indices) -> bytes:
        """Some of the lines, each with its newline."""
        if len(lines) == len(self):
            return self.data
        ranges = zip(self.first[lines].tolist(), self.last[lines].tolist(), strict=True)
        return b"".join([self.data[first : last + 1] for first, last in ranges])

    def windows(self, size: int) -> Bytes:
        """[places, size] every stretch of `size` bytes, as a view."""
        return np.ndarray((len(self.data) - size + 1, size), np.uint8, self.data, strides=(1, 1))

    @cached_property
    def words(self) -> npt.NDArray[np.uint64]:
        """The eight bytes before each place as one integer, the first byte the lowest."""
        padded = b"\n" * 8 + self.data
        return np.ndarray((len(self.data) + 1,), "<u8", padded, strides=(1,))


class LineBlock(Lines):
    """Lines and the runs of digits in them.

    shapes: of each line, bytes. run: [lines + 1] ordinal of each line's first run of digits. begin, end:
    [runs] byte range of each run.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.shapes = data.translate(None, DIGITS).split(b"\n")
        self.shapes.pop()
        digit = (self.bytes - np.uint8(48)) < 10
        edges = np.flatnonzero(digit[1:] ^ digit[:-1]) + 1
        if len(digit) and digit[0]:
            edges = np.concatenate((np.zeros(1, edges.dtype), edges))
        # The last byte is a newline, so every run that begins also ends.
        self.begin, self.end = edges[0::2], edges[1::2]
        self.run = np.append(np.searchsorted(self.begin, self.first), len(self.begin))

    def grid(self, lines: Indices, runs: int) -> Grid:
        """The runs of digits of `lines`, each of which has `runs` of them."""
        if len(lines) and lines[-1] - lines[0] == len(lines) - 1:  # consecutive
            whole = slice(self.run[lines[0]], self.run[lines[-1] + 1])
            begin, end = (
                self.begin[whole].reshape(len(lines), runs),
                self.end[whole].reshape(len(lines), runs),
            )
        else:
            place = self.run[lines][:, None] + np.arange(runs)
            begin, end = self.begin[place], self.end[place]
        return Grid(self, begin, end)


class Grid:
    """The places of runs of digits in lines that have equally many. width: [lines, runs] bytes."""

    def __init__(self, lines: Lines, begin: Indices, end: Indices) -> None:
        self.lines = lines
        self.width = end - begin
        self._begin = begin
        self._end = end
        self._even: Bools = (self.width == self.width[:1]).all(axis=0)

    def __len__(self) -> int:
        return len(self.width)

    def keep(self, rows: Bools) -> Grid:
        return Grid(self.lines, self._begin[rows], self._end[rows])

    def begin(self, run: int) -> Indices:
        """[lines] the place in the block where a run begins."""
        return self._begin[:, run]

    def end(self, run: int) -> Indices:
        return self._end[:, run]

    def gaps(self) -> Indices:
        """[lines, runs - 1] bytes between a run and the next."""
        return self._begin[:, 1:] - self._end[:, :-1]

    def even(self, runs: Sequence[int]) -> bool:
        """Has each of these runs the same length in all lines?"""
        return all(self._even[run] for run in runs)

    def text(self, begin: int, end: int) -> Bytes:
        """[lines, bytes] from the beginning of run `begin` to the end of run `end`, which are even."""
        size = int(self._end[0, end] - self._begin[0, begin])
        return self.lines.windows(size)[self._begin[:, begin]]

    def first_digits(self, run: int) -> Bytes:
        """[lines] the first byte of a run."""
        return self.lines.bytes[self.begin(run)]

    def printed(self, row: int, runs: Sequence[int]) -> bytes:
        """The bytes of one line from the first of these runs to the last."""
        return self.lines.data[self.begin(runs[0])[row] : self.end(runs[-1])[row]]

    def integers(self, run: int) -> Ints:
        """[lines] the digits of a run as an integer. Wrong for more than 18 digits."""
        if len(self) == 0:
            return np.zeros(0, np.int64)
        width = self.width[:, run]
        size = int(width[0])
        if size <= 18 and self._even[run]:
            text = self.text(run, run)
            low = _weighed(text[:, -9:], _WEIGHTS[-min(size, 9) :]).astype(np.int64)
            if size <= 9:
                return low
            return low + _weighed(text[:, :-9], _WEIGHTS[9 - size :]).astype(np.int64) * 10**9
        end = self.end(run)
        total = self._eight(end, np.clip(width, 0, 8))
        for place in range(8, min(int(width.max()), 18), 8):
            total += self._eight(end - place, np.clip(width - place, 0, 8)) * 10**place
        return total

    def summed(self, runs: Sequence[int], scales: Sequence[float]) -> Floats:
        """[lines] the sum of runs, each times its scale. Exact below 2**53. `runs` ascend."""
        if len(self) == 0 or not self.even(runs):
            total = np.zeros(len(self))
            for run, scale in zip(runs, scales, strict=True):
                total += self.integers(run) * scale
            return total
        text = self.text(runs[0], runs[-1])
        weights = np.zeros(text.shape[1])  # zero for the bytes between the runs
        start = int(self.begin(runs[0])[0])
        for run, scale in zip(runs, scales, strict=True):
            at, size = int(self.begin(run)[0]) - start, int(self.width[0, run])
            weights[at : at + size] = _WEIGHTS[-size:] * scale
        return _weighed(text, weights)

    def _eight(self, end: Indices, digits: Indices) -> Ints:
        """[lines] the integer that the last `digits` (at most 8) bytes before `end` are.

        All bytes at once: pairs become numbers below 100, pairs of these numbers below 10,000, and so on.
        """
        word = self.lines.words[end]
        word &= _LOW_NIBBLES[digits]
        word *= np.uint64(10 << 8 | 1)
        word >>= np.uint64(8)
        word &= np.uint64(0x00FF00FF00FF00FF)
        word *= np.uint64(100 << 16 | 1)
        word >>= np.uint64(16)
        word &= np.uint64(0x0000FFFF0000FFFF)
        word *= np.uint64(10_000 << 32 | 1)
        word >>= np.uint64(32)
        return word.view(np.int64)


class Matrix(Grid):
    """A grid whose runs are at the same places of each line.

    first: [lines] where each line begins. rows: [lines, bytes] the lines. runs: byte ranges in a line.
    """

    def __init__(self, lines: Lines, first: Indices, rows: Bytes, runs: Sequence[tuple[int, int]]) -> None:
        self.lines = lines
        self._first = first
        self._rows = rows
        self._runs = runs
        sizes = np.array([end - begin for begin, end in runs], np.int64)
        self.width = np.broadcast_to(sizes, (len(first), len(runs)))
        self._even = np.ones(len(runs), np.bool_)

    def keep(self, rows: Bools) -> Matrix:
        return Matrix(self.lines, self._first[rows], self._rows[rows], self._runs)

    def begin(self, run: int) -> Indices:
        return self._first + self._runs[run][0]

    def end(self, run: int) -> Indices:
        return self._first + self._runs[run][1]

    def text(self, begin: int, end: int) -> Bytes:
        return self._rows[:, self._runs[begin][0] : self._runs[end][1]]


def _weighed(text: Bytes, weights: Floats) -> Floats:
    """[lines] the sum of the digits in [lines, bytes], each times its weight.

    Column by column: a product of matrices would take the threads of BLAS, and twice the processor time.
    """
    total = np.zeros(len(text))
    for column, weight in enumerate(weights.tolist()):
        if weight:
            total += (text[:, column] - np.uint8(48)) * weight
    return total


#: What to keep of eight bytes of which the last `index` are digits. The first byte is the lowest.
_LOW_NIBBLES = np.array(
    [0x0F0F0F0F0F0F0F0F >> 8 * (8 - n) << 8 * (8 - n) if n else 0 for n in range(9)], np.uint64
)
_WEIGHTS = np.array([10.0**power for power in range(14, -1, -1)])


def starts_of_runs(line: bytes) -> list[tuple[int, int]]:
    """Byte ranges of the runs of digits in one line."""
    return [match.span() for match in re.finditer(rb"\d+", line)]


def replaced(line: bytes, runs: Sequence[tuple[int, int]], texts: dict[int, bytes]) -> bytes:
    """The line with other digits for some of its runs. texts: by index of the run."""
    parts, at = [], 0
    for index, (begin, end) in enumerate(runs):
        if index in texts:
            parts += [line[at:begin], texts[index]]
            at = end
    return b"".join((*parts, line[at:]))
