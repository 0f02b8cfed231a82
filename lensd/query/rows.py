"""Runs as tables of rows, and a cache of what was asked last.

A run of up to MOST_HELD points is held as a table. The rows of a longer one are chosen from its levels of
detail, or read block by block while they are sent; it is never held.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lensd.model import Floats, Restarts
from lensd.query import long_rows
from lensd.query.downsample import downsample_rows
from lensd.query.long_rows import KnownRows
from lensd.query.results import Axis, CacheStats, RowTable, UnreadableRun
from lensd.query.row_blocks import Block, Cells, Keys, aligned, blocks, is_spread, key_of, rows_of
from lensd.query.row_columns import Bounds, Column, columns_of, restricted
from lensd.query.timing import take_times
from lensd.store.catalogue import Workload
from lensd.store.columns import Columns, is_ascending, joined
from lensd.store.reader import Reader

#: Tables and rows that are made at a time: each may take a few megabytes.
_BUILDERS = 2
_MOST_ANSWERS = 4  # of one question, by number of rows


class _Question(NamedTuple):
    uid: str
    axis: Axis
    source: str | None
    names: frozenset[str] | None
    step_range: Bounds | None


@dataclass(slots=True)
class _Table:
    """All rows along one axis. axis: global steps, or UTC milliseconds. values[i]: the values of column i, as
    long as the axis, NaN where a row has none; codes for labels."""

    axis: Keys
    values: list[Floats]
    last_step: int | None


@dataclass(slots=True)
class _Entry:
    """What is kept of a question. version: of the workload. table: None for a run that is too long to be
    held; then `total` rows, once counted, and the rows read last."""

    version: int
    columns: list[Column]
    table: _Table | None
    total: int | None = None
    rows: KnownRows | None = None
    answers: OrderedDict[int, RowTable] = field(default_factory=OrderedDict)

    @property
    def bytes(self) -> int:
        own = sum(column.nbytes for column in (self.table.axis, *self.table.values)) if self.table else 0
        return own + (self.rows.bytes if self.rows else 0) + sum(map(_bytes, self.answers.values()))


def _bytes(table: RowTable) -> int:
    return table.axis.nbytes * (1 + len(table.values)) + len(table.encoded or b"") + len(table.packed or b"")


@dataclass(slots=True)
class LongRows:
    """Rows that are read while they are sent. rows: how many, before those that have no value are left out.
    keys: the steps or times of the rows; None for all."""

    question: _Question
    workload: int
    columns: list[Column]
    total: int
    rows: int
    last_step: int | None
    keys: Keys | None

    @property
    def axis_name(self) -> str:
        return _AXIS_NAMES[self.question.axis]

    @property
    def names(self) -> list[str]:
        """The axis and the columns in their order, labels last."""
        return list(dict.fromkeys([self.axis_name, *(column.name for column in self.columns)]))

    def tables(self, reader: Reader) -> Iterator[RowTable]:
        """The rows piece by piece, each with the columns that have values in it."""
        axis, begin = self.question.axis, None
        if axis == "time":
            take_times(reader, self.workload, self.question.source)
        row_blocks = (
            blocks(reader, self.columns, axis)
            if self.keys is None
            else long_rows.chosen_blocks(reader, self.columns, axis, self.keys)
        )
        for block in row_blocks:
            begin = block.keys[0] if begin is None else begin
            rows = block if self.question.names is None else block.filled()
            for piece in rows.pieces():
                yield self._table(reader, piece, begin)

    def _table(self, reader: Reader, piece: Block, begin: float) -> RowTable:
        metrics = [cell for cell in piece.cells if self.columns[cell[0]].kind == "metric"]
        labels = [cell for cell in piece.cells if self.columns[cell[0]].kind == "label"]
        keys = piece.keys
        texts = {self.columns[c[0]].name: _strings(reader, aligned(keys, c[1], c[2])) for c in labels}
        return RowTable(
            self.axis_name,
            keys if self.question.axis == "step" else (keys - begin) / 1000.0,
            [self.columns[cell[0]].name for cell in metrics],
            [aligned(keys, cell[1], cell[2]) for cell in metrics],
            texts,
        )


_AXIS_NAMES = {"step": "global_step", "time": "time"}


class RowCache:
    """Caches what was asked of runs last.

    A question about an unchanged run is a hit, whatever number of rows it asks for. If the run only grew,
    what is kept is extended. Otherwise it is read anew.
    """

    def __init__(self, max_size: int = 100, max_bytes: int = 16 << 20) -> None:
        self.max_size = max_size
        self.max_bytes = max_bytes
        self._entries: OrderedDict[_Question, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._building = threading.Semaphore(_BUILDERS)
        self._hits = self._misses = self._updates = 0

    def rows(
        self,
        reader: Reader,
        run_id: str,
        axis: Axis,
        *,
        downsample: int | None,
        data_source: str | None = None,
        metric_names: frozenset[str] | None = None,
        step_range: Bounds | None = None,
    ) -> RowTable | LongRows | None:
        """The rows of a run by step or by time; None for an unknown run. Raises UnreadableRun."""
        workload = reader.workload(run_id)
        if workload is None:
            return None
        question = _Question(run_id, axis, data_source, metric_names, step_range)
        with self._lock:
            entry = self._entries.get(question)
            if entry is not None and entry.version == workload.version:
                self._entries.move_to_end(question)
                self._hits += 1
                if downsample is not None and downsample in entry.answers:
                    return entry.answers[downsample]
        with self._building:
            if entry is None or entry.version != workload.version:
                entry = self._renewed(reader, workload, question, entry)
            answer = _answer(reader, workload, question, entry, downsample)
        with self._lock:
            if downsample is not None and isinstance(answer, RowTable):
                entry.answers[downsample] = answer
                while len(entry.answers) > _MOST_ANSWERS:
                    entry.answers.popitem(last=False)
            self._evict()
        return answer

    def stats(self) -> CacheStats:
        with self._lock:
            calls = self._hits + self._misses + self._updates
            return CacheStats(
                size=len(self._entries),
                max_size=self.max_size,
                hits=self._hits,
                misses=self._misses,
                incremental_updates=self._updates,
                hit_rate=round(self._hits / calls, 2) if calls else 0.0,
                incremental_rate=round(self._updates / calls, 2) if calls else 0.0,
            )

    def _renewed(
        self, reader: Reader, workload: Workload, question: _Question, before: _Entry | None
    ) -> _Entry:
        _refuse_unreadable(reader, workload)
        if question.axis == "time":
            take_times(reader, workload.id, question.source)
        columns = columns_of(reader, workload, question.axis, question.source)
        columns = restricted(columns, question.names, question.step_range)
        entry, is_update = _Entry(workload.version, columns, None), False
        if sum(column.points for column in columns) <= long_rows.MOST_HELD:
            if before is not None and before.table is not None and question.axis == "step":
                entry.table = _extended(reader, before, before.table, columns)
                is_update = entry.table is not None
            if entry.table is None:
                entry.table = _read(reader, columns, question.axis)
        elif before is not None and before.rows is not None:
            entry.rows = before.rows
            is_update = before.rows.first_change(reader, columns) is not None
        with self._lock:
            self._updates += is_update
            self._misses += not is_update
            self._entries[question] = entry
            self._entries.move_to_end(question)
        return entry

    def _evict(self) -> None:
        while self._entries and (
            len(self._entries) > self.max_size
            or sum(entry.bytes for entry in self._entries.values()) > self.max_bytes
        ):
            self._entries.popitem(last=False)


def _refuse_unreadable(reader: Reader, workload: Workload) -> None:
    """Raise UnreadableRun for a run that has nothing but records that cannot be read."""
    inputs = reader.inputs(workload.id)
    if any(input.points for input in inputs):
        return
    for input in inputs:
        unreadable = input.unparsed + input.skipped
        if input.structured and input.restarts is Restarts.NEVER and 0 < unreadable >= input.records:
            raise UnreadableRun("Failed to parse metrics file")


# Tables that are held


def _read(reader: Reader, columns: list[Column], axis: Axis) -> _Table | None:
    """All rows of the columns; None where they would be more cells than are held."""
    cells: Cells = []
    last_steps: list[int] = []
    for index, column in enumerate(columns):
        keys, values, last_step = (_by_step if axis == "step" else _by_time)(reader, column)
        if cells and np.array_equal(keys, cells[-1][1]):
            keys = cells[-1][1]
        cells.append((index, keys, values))
        if column.kind == "metric" and last_step is not None:
            last_steps.append(last_step)
    rows = rows_of(columns, cells)
    if len(rows) * len(columns) > long_rows.MOST_HELD:
        return None
    return _Table(rows, [aligned(rows, *cell[1:]) for cell in cells], max(last_steps, default=None))


def _by_step(reader: Reader, column: Column) -> tuple[Keys, Floats, int | None]:
    """(steps, values, the greatest step) of a column."""
    pieces = [reader.read_values(part) for part in column.parts]
    step = np.concatenate([piece[0] for piece in pieces] or [np.empty(0, np.int64)])
    value = np.concatenate([piece[1] for piece in pieces] or [np.empty(0)])
    return step, value, int(step.max()) if len(step) else None


def _by_time(reader: Reader, column: Column) -> tuple[Keys, Floats, int | None]:
    """(times, values, the greatest step) of a column: one point per time, the one written last."""
    pieces = []
    for part in column.parts:
        p = reader.written(part)
        pieces.append(
            Columns(p.step, key_of(p.ts_ms, p.step, is_spread(reader, column, part)), p.value, p.version)
        )
    points = joined(pieces)
    points = points.take(np.argsort(points.ts_ms, kind="stable"))
    if len(points) > 1:
        points = points.take(np.append(points.ts_ms[1:] != points.ts_ms[:-1], True))
    return points.ts_ms, points.value, int(points.step.max()) if len(points) else None


def _extended(reader: Reader, before: _Entry, table: _Table, columns: list[Column]) -> _Table | None:
    """The table by step with what was stored since; None where rows that it has would have to change."""
    if not long_rows.are_same(before.columns, columns):
        return None
    newer = [joined([reader.newer(part, before.version) for part in column.parts]) for column in columns]
    last = table.axis[-1] if len(table.axis) else None
    for points in newer:
        if not is_ascending(points.step) or (len(points) and last is not None and points.step[0] <= last):
            return None
    rows = rows_of(columns, [(index, points.step, points.value) for index, points in enumerate(newer)])
    if (len(table.axis) + len(rows)) * len(columns) > long_rows.MOST_HELD:
        return None
    values = [
        np.concatenate((old, aligned(rows, points.step, points.value)))
        for old, points in zip(table.values, newer, strict=True)
    ]
    axis = np.concatenate((table.axis.astype(np.int64), rows.astype(np.int64)))
    return _Table(axis, values, int(rows[-1]) if len(rows) else table.last_step)


# Answers


def _answer(
    reader: Reader, workload: Workload, question: _Question, entry: _Entry, downsample: int | None
) -> RowTable | LongRows:
    axis, columns = question.axis, entry.columns
    if entry.table is not None:
        table = entry.table
        rows = (table.axis, table.values)
        if question.names is not None:
            rows = _filled(*rows)
        return _thinned(reader, question, columns, *rows, downsample, len(rows[0]), table.last_step)
    if axis == "time":
        take_times(reader, workload.id, question.source)
    last_step = max((c.last for c in columns if c.kind == "metric"), default=None)
    if entry.total is None and axis == "step":
        entry.total = long_rows.count_rows(reader, workload, columns)
    if downsample is None:
        total = long_rows.scan(reader, columns, axis)[0] if entry.total is None else entry.total
        entry.total = total
        return LongRows(question, workload.id, columns, total, total, last_step, None)
    candidates = long_rows.candidates(reader, columns, axis, downsample)
    has_matrix = long_rows.may_be_matched(columns, downsample)
    values: list[Floats] = []
    if axis == "time" and (has_matrix or entry.total is None):
        entry.total, values = long_rows.scan(reader, columns, axis, candidates.keys if has_matrix else None)
    total = entry.total or 0
    if total <= downsample:
        return LongRows(question, workload.id, columns, total, total, last_step, None)
    if not has_matrix:
        chosen = long_rows.chosen_evenly(candidates, downsample)
        return LongRows(question, workload.id, columns, total, len(chosen), last_step, chosen)
    keys = candidates.keys
    if axis == "step":
        entry.rows = long_rows.read_rows(reader, columns, candidates, entry.rows)
        values = entry.rows.at(keys)
    if question.names is not None:
        keys, values = _filled(keys, values)
    return _thinned(reader, question, columns, keys, values, downsample, total, last_step)


def _thinned(
    reader: Reader,
    question: _Question,
    columns: Sequence[Column],
    keys: Keys,
    values: list[Floats],
    downsample: int | None,
    total: int,
    last_step: int | None,
) -> RowTable:
    """These rows as a table, or so many of them."""
    metrics = [i for i, column in enumerate(columns) if column.kind == "metric"]
    labels = [i for i, column in enumerate(columns) if column.kind == "label"]
    if question.axis == "time" and len(keys):
        keys = (keys - keys[0]) / 1000.0
    if downsample is not None and downsample < len(keys):
        index = downsample_rows(keys, [values[i] for i in metrics], downsample)
        keys, values = keys[index], [column[index] for column in values]
    if question.axis == "step":
        last_step = int(keys[-1]) if len(keys) else None
    return RowTable(
        axis_name=_AXIS_NAMES[question.axis],
        axis=keys,
        columns=[columns[i].name for i in metrics],
        values=[values[i] for i in metrics],
        labels={columns[i].name: _strings(reader, values[i]) for i in labels},
        total=total,
        last_step=last_step,
    )


def _filled(keys: Keys, values: list[Floats]) -> tuple[Keys, list[Floats]]:
    """Without the rows in which no column has a finite value."""
    keep = np.zeros(len(keys), np.bool_)
    for column in values:
        keep |= np.isfinite(column)
    return keys[keep], [column[keep] for column in values]


def _strings(reader: Reader, codes: Floats) -> list[str | None]:
    by_code = reader.label_strings(int(code) for code in np.unique(codes[np.isfinite(codes)]))
    return [by_code.get(int(code)) if code == code else None for code in codes.tolist()]
