"""Rows of runs that are too long to be held as a table: candidates come from the levels of detail, and only
their values are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints
from lensd.query.downsample import extremes
from lensd.query.results import Axis
from lensd.query.row_blocks import Block, Keys, blocks, is_spread, key_of
from lensd.query.row_columns import Column, iteration_parts
from lensd.store.buckets import EXTREMES
from lensd.store.catalogue import Workload
from lensd.store.detail import BucketRun, buckets_of, counts, drawn, estimate
from lensd.store.levels import level_of, resolution
from lensd.store.plan import BEYOND, LOWEST
from lensd.store.reader import Reader

#: Points of a table that is held whole, and its cells.
MOST_HELD = 1 << 20
#: Cells of candidate rows among which rows are chosen by all columns.
_MOST_CELLS = 1 << 19
_RATIO = 4  # candidates a row
_LEAST = 8  # candidates of a column


def count_rows(reader: Reader, workload: Workload, columns: Sequence[Column]) -> int:
    """How many steps the metrics among columns have together. Steps are read only where no metric has all
    that its data source reported."""
    metrics = [column for column in columns if column.kind == "metric"]
    longest = max(metrics, key=lambda column: column.points, default=None)
    if longest is None or not longest.parts:
        return 0
    parts = iteration_parts(reader, workload, metrics)
    if parts is not None:
        shown = [part for column in metrics for part in column.parts]
        lo, hi = min(part.lo for part in shown), max(part.hi for part in shown)
        points, _ = counts(reader, longest.parts)
        if points == counts(reader, [part.clipped(lo, hi) for part in parts])[0]:
            return points
    return scan(reader, metrics, "step")[0]


@dataclass(slots=True)
class Candidates:
    """Rows among which to choose: the first and the last row of each metric, and where it is least and
    greatest in each of many buckets.

    keys: of all, ascending. first: of those that are chosen as far as there is room, the ends of all and each
    metric's least and greatest. own: (keys, values) of single metrics, in the order of the columns.
    """

    keys: Keys
    first: Keys
    own: list[tuple[Keys, Floats]]


def candidates(reader: Reader, columns: Sequence[Column], axis: Axis, count: int) -> Candidates:
    """The candidates for so many rows."""
    metrics = [column for column in columns if column.kind == "metric"]
    if not any(column.parts for column in metrics):
        return Candidates(np.empty(0), np.empty(0), [])
    wanted = max(2 * count, min(_RATIO * count, _MOST_CELLS // len(columns)))
    share = max(_LEAST, wanted // len(metrics))
    own: list[tuple[Keys, Floats]] = []
    ends: list[Keys] = []
    for column in metrics:
        keys, values = _of_column(reader, column, axis, share)
        own.append((keys, values))
        finite = np.flatnonzero(np.isfinite(values))
        if len(finite):
            ends.append(keys[finite[[values[finite].argmin(), values[finite].argmax()]]])
        if sum(len(keys) for keys, _ in own) > 8 * wanted:  # many columns: the first of them
            break
    chosen = np.unique(np.concatenate([keys for keys, _ in own]))
    if len(chosen) < count:
        longest = max(metrics, key=lambda column: column.points)
        chosen = np.union1d(chosen, _of_column(reader, longest, axis, wanted)[0])
    first = list(dict.fromkeys(np.concatenate([chosen[[0, -1]], *ends]).tolist()))[:count]
    return Candidates(chosen, np.sort(np.array(first, chosen.dtype)), own)


def _of_column(reader: Reader, column: Column, axis: Axis, count: int) -> tuple[Keys, Floats]:
    """The candidates of a column, and its values there."""
    level = level_of(estimate(reader, column.parts), -(-count // 2))
    keys: list[Keys] = [np.empty(0, np.int64 if axis == "step" else np.float64)]
    values: list[Floats] = [np.empty(0)]
    for part in column.parts:
        spread = is_spread(reader, column, part)
        for piece in drawn(reader, part, level):
            if isinstance(piece, BucketRun):
                step, ts_ms, value = buckets_of(reader, part, piece, EXTREMES).extremes()
            else:
                window = piece.window
                if axis == "step":
                    points = reader.read_window(window, piece.part)
                else:  # points that were written again have rows of their own
                    points = reader.written(piece.part, window.min_step, window.max_step + 1)
                    points = points.take(np.argsort(points.ts_ms, kind="stable"))
                step, ts_ms, value = points.step, points.ts_ms, points.value
            if not isinstance(piece, BucketRun) or piece.node.level < level:  # finer than what is wanted
                chosen = _extremes(value, max(1, piece.points // resolution(max(level, 0))))
                step, ts_ms, value = step[chosen], ts_ms[chosen], value[chosen]
            keys.append(step if axis == "step" else key_of(ts_ms, step, spread))
            values.append(value)
    return np.concatenate(keys), np.concatenate(values)


def _extremes(values: Floats, stretches: int) -> npt.NDArray[np.intp]:
    """The first and the last value, and the extremes of so many stretches of those that are finite."""
    finite = np.flatnonzero(np.isfinite(values))
    inside = finite[extremes(values[finite], stretches)] if len(finite) else finite
    return np.union1d(inside, np.array([0, len(values) - 1])[: len(values)])


def chosen_evenly(candidates: Candidates, count: int) -> Keys:
    """The keys of so many of the candidates: the first ones, and others evenly."""
    rest = np.setdiff1d(candidates.keys, candidates.first)
    missing = min(count - len(candidates.first), len(rest))
    return np.union1d(candidates.first, rest[np.linspace(0, len(rest) - 1, max(0, missing)).astype(np.intp)])


def may_be_matched(columns: Sequence[Column], count: int) -> bool:
    """Whether so many rows can be chosen by all of the columns."""
    return 2 * count * len(columns) <= _MOST_CELLS


def values_at(reader: Reader, column: Column, steps: Ints) -> Floats:
    """The values of a column at ascending steps, NaN where it has none. Reads no window without one."""
    values = np.full(len(steps), np.nan)
    if not len(steps) or not column.reaches(int(steps[0]), int(steps[-1]) + 1):
        return values
    for part in column.parts:
        for window in reader.windows(part.clipped(int(steps[0]), int(steps[-1]) + 1)):
            ends = (max(window.min_step, part.lo), min(window.max_step + 1, part.hi))
            lo, hi = np.searchsorted(steps, ends)
            if lo < hi:
                at, value = reader.values_at(window, part, steps[lo:hi])
                values[lo:hi][at] = value
    return values


@dataclass(slots=True)
class KnownRows:
    """Rows of a long run that were read before: values[i] is that of the column i at the ascending steps.

    Rows before the first step that was stored since stay true. newest: the newest chunk then.
    """

    columns: list[Column]
    newest: tuple[int, int]
    steps: Ints
    values: Floats

    @property
    def bytes(self) -> int:
        return self.steps.nbytes + self.values.nbytes

    def at(self, steps: Ints) -> list[Floats]:
        """The columns at ascending steps that are all known."""
        return list(self.values[:, np.searchsorted(self.steps, steps)])

    def first_change(self, reader: Reader, columns: Sequence[Column]) -> int | None:
        """The first step at which rows of these columns may differ from what is known; None for all."""
        if not are_same(self.columns, columns):
            return None
        parts = [part for column in columns for part in column.parts]
        changed = reader.changed_from(parts, self.newest)
        return changed if changed > LOWEST else None


def read_rows(
    reader: Reader, columns: list[Column], candidates: Candidates, earlier: KnownRows | None
) -> KnownRows:
    """At least the rows of these candidates, as far as possible from those that are known."""
    steps = candidates.keys.astype(np.int64)
    changed = earlier.first_change(reader, columns) if earlier is not None else None
    if earlier is None or changed is None:
        earlier = KnownRows(columns, (0, 0), steps[:0], np.empty((len(columns), 0)))
        changed = LOWEST
    end = int(np.searchsorted(earlier.steps, changed))
    every = np.union1d(earlier.steps[:end], steps)
    if len(every) * len(columns) > _MOST_CELLS:
        every = steps
    values = np.full((len(columns), len(every)), np.nan)
    at = np.searchsorted(earlier.steps[:end], every)
    is_known = np.append(earlier.steps[:end], BEYOND)[at] == every
    values[:, is_known] = earlier.values[:, at[is_known]]
    for index, column in enumerate(columns):
        if index < len(candidates.own):
            keys, own = candidates.own[index]
            values[index, np.searchsorted(every, keys)] = own
        missing = ~is_known & np.isnan(values[index])
        values[index, missing] = values_at(reader, column, every[missing])
    return KnownRows(columns, reader.newest_chunk(), every, values)


def are_same(before: Sequence[Column], now: Sequence[Column]) -> bool:
    """Whether these are the same columns out of the same parts."""
    return [(c.name, c.kind, c.parts) for c in before] == [(c.name, c.kind, c.parts) for c in now]


def scan(
    reader: Reader, columns: Sequence[Column], axis: Axis, keys: Keys | None = None
) -> tuple[int, list[Floats]]:
    """(how many rows there are, the values of the columns at ascending keys), by reading all points."""
    total = 0
    values = [np.full(len(keys), np.nan) for _ in columns] if keys is not None else []
    for block in blocks(reader, columns, axis):
        total += len(block.keys)
        if keys is None:
            continue
        for index, own, value in block.cells:
            at = np.minimum(np.searchsorted(own, keys), len(own) - 1)
            matches = own[at] == keys
            values[index][matches] = value[at[matches]]
    return total, values


def chosen_blocks(reader: Reader, columns: Sequence[Column], axis: Axis, keys: Keys) -> Iterator[Block]:
    """The rows of these ascending keys, block by block."""
    if axis == "time":
        for block in blocks(reader, columns, axis):
            keep = np.isin(block.keys, keys)
            if keep.any():
                yield block.cut(keep)
        return
    size = max(1, _MOST_CELLS // 2 // max(1, len(columns)))
    for at in range(0, len(keys), size):
        steps = keys[at : at + size]
        cells: list[tuple[int, Keys, Floats]] = []
        for index, column in enumerate(columns):
            values = values_at(reader, column, steps.astype(np.int64))
            present = ~np.isnan(values)
            if present.any():
                cells.append((index, steps[present], values[present]))
        yield Block(steps, cells)
