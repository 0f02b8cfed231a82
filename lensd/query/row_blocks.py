"""Rows of a run of any size, read block by block along the axis: a few megabytes at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints
from lensd.query.results import Axis
from lensd.query.row_columns import Column
from lensd.store.columns import Columns, joined
from lensd.store.plan import BEYOND, LOWEST, Part
from lensd.store.reader import Reader

Keys = npt.NDArray[Any]  # of rows: steps (int64), or times in UTC ms (float64)
Cells = list[tuple[int, Keys, Floats]]
#: Points of a block; one may hold a little more.
BLOCK = 1 << 17
#: Cells of a piece.
PIECE = 1 << 16
_CHUNK = 1 << 12  # points
Edge = int | float


@dataclass(slots=True)
class Block:
    """Consecutive rows. keys: their steps, or times in UTC ms, ascending. cells: (index of the column, keys,
    values) of the columns that have points here."""

    keys: Keys
    cells: Cells

    def cut(self, keep: npt.NDArray[np.bool_]) -> Block:
        """Only these rows."""
        rows = self.keys[keep]
        cells = []
        for index, keys, values in self.cells:
            inside = np.isin(keys, rows, assume_unique=True)
            if inside.any():
                cells.append((index, keys[inside], values[inside]))
        return Block(rows, cells)

    def filled(self) -> Block:
        """Without the rows in which no column has a finite value."""
        keep = np.zeros(len(self.keys), np.bool_)
        for _, keys, values in self.cells:
            keep[np.searchsorted(self.keys, keys[np.isfinite(values)])] = True
        return self if keep.all() else self.cut(keep)

    def pieces(self) -> Iterator[Block]:
        """The rows in pieces of at most PIECE values and gaps, each with the columns that have a value there:
        of a hundred thousand metrics that report at different times, a few."""
        rows, held = len(self.keys), sum(len(keys) for _, keys, _ in self.cells)
        if not rows:
            return
        if 2 * held >= rows * len(self.cells):
            size = max(1, PIECE // len(self.cells))
            for at in range(0, rows, size):
                yield self._between(self.keys[at : at + size])
            return
        row = np.concatenate([np.searchsorted(self.keys, keys) for _, keys, _ in self.cells])
        column = np.repeat([index for index, _, _ in self.cells], [len(keys) for _, keys, _ in self.cells])
        value = np.concatenate([values for _, _, values in self.cells])
        order = np.argsort(row, kind="stable")
        row, column, value = row[order], column[order], value[order]
        at = 0
        while at < rows:
            size = math.isqrt(PIECE)
            while True:
                lo, hi = np.searchsorted(row, (at, at + size))
                present = np.unique(column[lo:hi])
                if size == 1 or size * len(present) <= PIECE:
                    break
                size //= 2
            cells: Cells = []
            for index in present.tolist():
                own = column[lo:hi] == index
                cells.append((index, self.keys[row[lo:hi][own]], value[lo:hi][own]))
            yield Block(self.keys[at : at + size], cells)
            at += size

    def _between(self, keys: Keys) -> Block:
        """The rows of these keys, which follow one another."""
        cells: Cells = []
        for index, own, values in self.cells:
            lo, hi = np.searchsorted(own, (keys[0], keys[-1]))
            hi += int(hi < len(own) and own[hi] == keys[-1])
            if lo < hi:
                cells.append((index, own[lo:hi], values[lo:hi]))
        return Block(keys, cells)


def aligned(rows: Keys, key: Keys, value: Floats) -> Floats:
    """A column as long as `rows`, with the values where their keys are and NaN elsewhere."""
    if np.array_equal(rows, key):
        return value
    column = np.full(len(rows), np.nan)
    if len(rows) and len(key):
        at = np.minimum(np.searchsorted(rows, key), len(rows) - 1)
        matches = rows[at] == key
        column[at[matches]] = value[matches]
    return column


def blocks(reader: Reader, columns: Sequence[Column], axis: Axis) -> Iterator[Block]:
    """All rows of these columns, ascending, in blocks of about BLOCK points.

    Ranges begin where chunks do. One that turns out to hold many points is divided before the rest of it is
    read.
    """
    source = _Steps(reader, columns) if axis == "step" else _Times(reader, columns)
    ranges = source.ranges()[::-1]
    while ranges:
        lo, hi = ranges.pop()
        cells: Cells = []
        parts: list[tuple[Edge, Edge]] = []
        points = 0
        for index in range(len(columns)):
            keys, values = source.read(index, lo, hi)
            if len(keys):
                cells.append((index, keys, values))
                points += len(keys)
            if points > 2 * BLOCK and not parts:
                parts = _divided(cells, lo, hi, points * len(columns) // (index + 1) // BLOCK)
                if parts:
                    break
        if parts:
            ranges += parts[::-1]
            continue
        rows = rows_of(columns, cells)
        if len(rows):
            yield Block(rows, cells)


def _divided(cells: Cells, lo: Edge, hi: Edge, count: int) -> list[tuple[Edge, Edge]]:
    """A range as so many that hold about the same number of points; none where that cannot be."""
    longest = max((keys for _, keys, _ in cells), key=len)
    places = longest[np.linspace(0, len(longest), count, endpoint=False).astype(np.intp)]
    return _ranges_between(lo, np.unique(places[places > longest[0]]).tolist(), hi)


def _ranges_between(lo: Edge, cuts: Sequence[Edge], hi: Edge) -> list[tuple[Edge, Edge]]:
    return list(zip([lo, *cuts], [*cuts, hi], strict=True)) if cuts else []


def rows_of(columns: Sequence[Column], cells: Cells) -> Keys:
    """The ascending keys at which a metric has a point."""
    distinct: list[Keys] = []
    for index, keys, _ in cells:
        is_new = not any(keys is other or np.array_equal(keys, other) for other in distinct[-2:])
        if columns[index].kind == "metric" and is_new:
            distinct.append(keys)
    if not distinct:
        return np.empty(0, np.int64)
    return distinct[0] if len(distinct) == 1 else np.unique(np.concatenate(distinct))


class _Steps:
    """Reads columns by step: of each step the point written last."""

    def __init__(self, reader: Reader, columns: Sequence[Column]) -> None:
        self._reader = reader
        self._columns = columns

    def ranges(self) -> list[tuple[Edge, Edge]]:
        starts: list[Ints] = []
        for column in self._columns:
            if column.points > _CHUNK:
                chunks = (chunk for part in column.parts for chunk in self._reader.chunks(part))
                starts.append(np.fromiter((chunk.min_step for chunk in chunks), np.int64))
        return _begin_at(starts, LOWEST, BEYOND)

    def read(self, index: int, lo: Edge, hi: Edge) -> tuple[Keys, Floats]:
        column = self._columns[index]
        if not column.reaches(int(lo), int(hi)):
            return np.empty(0, np.int64), np.empty(0)
        pieces = [self._reader.read_values(part.clipped(int(lo), int(hi))) for part in column.parts]
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate([steps for steps, _ in pieces]), np.concatenate([value for _, value in pieces])


@dataclass(slots=True)
class _Sealed:
    """The chunks of a part in the order written: their ids and the ranges of keys that they may have."""

    part: Part
    spread: bool
    ids: Ints
    low: Floats
    high: Floats


class _Times:
    """Reads columns by time: of each time the point written last, repeated steps included."""

    def __init__(self, reader: Reader, columns: Sequence[Column]) -> None:
        self._reader = reader
        self._sealed = [[_sealed(reader, column, part) for part in column.parts] for column in columns]

    def ranges(self) -> list[tuple[Edge, Edge]]:
        return _begin_at([one.low for parts in self._sealed for one in parts], -math.inf, math.inf)

    def read(self, index: int, lo: Edge, hi: Edge) -> tuple[Keys, Floats]:
        pieces = [piece for one in self._sealed[index] for piece in self._between(one, lo, hi)]
        points = joined([Columns(p.step, keys, p.value, p.version) for keys, p in pieces])
        points = points.take(np.argsort(points.ts_ms, kind="stable"))
        if len(points) > 1:
            points = points.take(np.append(points.ts_ms[1:] != points.ts_ms[:-1], True))
        return points.ts_ms, points.value

    def _between(self, sealed: _Sealed, lo: Edge, hi: Edge) -> Iterator[tuple[Floats, Columns]]:
        part = sealed.part
        near = (sealed.high >= lo - 1.0) & (sealed.low < hi + 1.0)  # sums may be rounded apart
        chunks = (self._reader.sealed_part(chunk, part) for chunk in sealed.ids[near].tolist())
        for points in itertools.chain(chunks, [self._reader.unsealed(part)]):
            keys = key_of(points.ts_ms, points.step, sealed.spread)
            keep = (keys >= lo) & (keys < hi)
            if keep.any():
                yield keys[keep], points.take(keep)


def _begin_at(starts: Sequence[Keys], lo: Edge, hi: Edge) -> list[tuple[Edge, Edge]]:
    """Ranges of about BLOCK points that begin where chunks do."""
    every = np.sort(np.concatenate(starts)) if starts else np.empty(0)
    cuts = np.unique(every[:: max(1, BLOCK // _CHUNK)][1:])
    return _ranges_between(lo, cuts.tolist(), hi) or [(lo, hi)]


def is_spread(reader: Reader, column: Column, part: Part) -> bool:
    """Whether the times of a part may be the same for many records (for all records of a log without
    timestamps), which must not become one row: each step is moved a microsecond behind the one before."""
    return part.series in column.inferred and part.series not in reader.clocks


def key_of(ts_ms: Floats, step: Ints, spread: bool) -> Floats:
    return ts_ms + step / 1000.0 if spread else ts_ms


def _sealed(reader: Reader, column: Column, part: Part) -> _Sealed:
    spread = is_spread(reader, column, part)
    shift = 0.001 if spread else 0.0
    rows = [
        (
            window.chunks[0].id,
            window.min_ts + shift * window.min_step,
            window.max_ts + shift * window.max_step,
        )
        for window in reader.chunks(part)
    ]
    ids, low, high = zip(*rows, strict=True) if rows else ((), (), ())
    return _Sealed(part, spread, np.array(ids, np.int64), np.array(low), np.array(high))
