"""Runs as tables of rows, and a cache of the tables read last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from lensd.model import DATA_SOURCES, Floats, Ints, Restarts
from lensd.query.downsample import downsample_rows
from lensd.query.lens import is_metric
from lensd.query.long_rows import chosen_steps, count_steps, is_long, values_at
from lensd.query.results import Axis, CacheStats, RowTable, UnreadableRun
from lensd.query.timing import take_times
from lensd.store.catalogue import Workload
from lensd.store.columns import Columns, is_ascending, joined
from lensd.store.plan import BEYOND, LOWEST, Member, Part, plan, plan_rewritten
from lensd.store.reader import Reader

#: Names that are coordinates of a row and never a column of values.
_COORDINATES = frozenset({"global_step", "step", "epoch", "time", "stage"})
#: Answers kept from tables that are too long to be kept.
_MOST_LONG = 8
_LongKey = tuple[str, int, int, tuple[str, ...]]
Bounds = tuple[int, int]


@dataclass(slots=True)
class _Column:
    """One column of a table and the parts its points come from. inferred: the series among them whose times
    were inferred."""

    name: str
    kind: str
    parts: list[Part]
    inferred: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Table:
    """All rows of a run along one axis, with what is needed to append to them later.

    version: of the workload. axis: global steps, or UTC milliseconds. values[i]: the values of columns[i], as
    long as the axis, NaN where a row has none; codes for labels. downsampled: answers, by number of rows.
    """

    version: int
    columns: list[_Column]
    axis: Ints | Floats
    values: list[Floats]
    max_step: int | None
    downsampled: OrderedDict[int, RowTable] = field(default_factory=OrderedDict)

    @property
    def bytes(self) -> int:
        own = self.axis.nbytes + sum(column.nbytes for column in self.values)
        return own + sum(
            t.axis.nbytes * (1 + len(t.values)) + len(t.encoded or b"") + len(t.packed or b"")
            for t in self.downsampled.values()
        )


class RowCache:
    """Caches the tables of the runs read last.

    A table of an unchanged run is a hit. A table whose run only grew is extended. Otherwise it is read anew.
    """

    def __init__(self, max_size: int = 100, max_bytes: int = 64 << 20) -> None:
        self.max_size = max_size
        self.max_bytes = max_bytes
        self._tables: OrderedDict[tuple[str, str, str | None], _Table] = OrderedDict()
        self._long: OrderedDict[_LongKey, tuple[tuple[Part, ...], RowTable]] = OrderedDict()
        self._lock = threading.Lock()
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
    ) -> RowTable | None:
        """The rows of a run by step or by time; None for an unknown run. Raises UnreadableRun."""
        workload = reader.workload(run_id)
        if workload is None:
            return None
        is_restricted = metric_names is not None or step_range is not None
        if axis == "step" and (is_restricted or not self._is_held(workload, axis, data_source)):
            _refuse_unreadable(reader, workload)
            columns = _restricted(_columns(reader, workload, axis, data_source), metric_names, step_range)
            if downsample is not None and is_long(reader, [column.parts for column in columns]):
                return self._long_table(reader, workload, columns, downsample)
            if is_restricted:
                part = _read(reader, columns, axis)
                return _row_table(reader, part if metric_names is None else _filled(part), axis, downsample)
        table = self._table(reader, workload, axis, data_source)
        with self._lock:
            answer = table.downsampled.get(downsample or 0)
        if answer is None:
            answer = _row_table(reader, table, axis, downsample)
            if downsample is not None:
                with self._lock:
                    table.downsampled[downsample] = answer
                    while len(table.downsampled) > 4:
                        table.downsampled.popitem(last=False)
        return answer

    def _is_held(self, workload: Workload, axis: Axis, source: str | None) -> bool:
        with self._lock:
            table = self._tables.get((workload.uid, axis, source))
        return table is not None and table.version == workload.version

    def _long_table(
        self, reader: Reader, workload: Workload, columns: list[_Column], downsample: int
    ) -> RowTable:
        """So many rows of columns that are too long to be read whole."""
        key = (workload.uid, workload.version, downsample, tuple(column.name for column in columns))
        parts = tuple(part for column in columns for part in column.parts)
        with self._lock:
            cached = self._long.get(key)
        if cached is not None and cached[0] == parts:
            return cached[1]
        table = _long_table(reader, columns, downsample)
        with self._lock:
            self._long[key] = parts, table
            while len(self._long) > _MOST_LONG:
                self._long.popitem(last=False)
        return table

    def stats(self) -> CacheStats:
        with self._lock:
            calls = self._hits + self._misses + self._updates
            return CacheStats(
                size=len(self._tables),
                max_size=self.max_size,
                hits=self._hits,
                misses=self._misses,
                incremental_updates=self._updates,
                hit_rate=round(self._hits / calls, 2) if calls else 0.0,
                incremental_rate=round(self._updates / calls, 2) if calls else 0.0,
            )

    def _table(self, reader: Reader, workload: Workload, axis: Axis, source: str | None) -> _Table:
        key = (workload.uid, axis, source)
        with self._lock:
            cached = self._tables.get(key)
            if cached is not None and cached.version == workload.version:
                self._tables.move_to_end(key)
                self._hits += 1
                return cached
        _refuse_unreadable(reader, workload)
        if axis == "time":
            take_times(reader, workload.id, source)
        columns = _columns(reader, workload, axis, source)
        extended = _extended(reader, cached, columns, axis) if cached is not None else None
        table = extended or _read(reader, columns, axis)
        table.version = workload.version
        with self._lock:
            if extended is not None:
                self._updates += 1
            else:
                self._misses += 1
            self._tables[key] = table
            self._tables.move_to_end(key)
            self._evict()
        return table

    def _evict(self) -> None:
        while len(self._tables) > self.max_size or (
            len(self._tables) > 1 and sum(t.bytes for t in self._tables.values()) > self.max_bytes
        ):
            self._tables.popitem(last=False)
        (key, last), *_ = reversed(self._tables.items())
        if last.bytes > self.max_bytes:
            del self._tables[key]


def _refuse_unreadable(reader: Reader, workload: Workload) -> None:
    """Raise UnreadableRun for a run that has nothing but records that cannot be read."""
    inputs = reader.inputs(workload.id)
    if any(input.points for input in inputs):
        return
    for input in inputs:
        unreadable = input.unparsed + input.skipped
        if input.structured and input.restarts is Restarts.NEVER and 0 < unreadable >= input.records:
            raise UnreadableRun("Failed to parse metrics file")


def _columns(reader: Reader, workload: Workload, axis: Axis, source: str | None) -> list[_Column]:
    """The columns of a run in the order first seen, labels last. Where data sources share a name, the one
    that comes first in DATA_SOURCES."""
    members = reader.members(workload.id, data_source=source)
    # The rows of a Runicorn run are those of its events.jsonl, as on its own server. The numbers in its
    # logs.txt, which count epochs, are served by the Lens API.
    recorded = {m.input.data_source for m in members if m.input.restarts is Restarts.NEVER}
    named: dict[tuple[str, str], dict[str, list[Member]]] = {}
    for member in members:
        if member.input.data_source in recorded and member.input.restarts is not Restarts.NEVER:
            continue
        if _is_column(member, axis):
            by_source = named.setdefault((member.kind, member.name), {})
            by_source.setdefault(member.input.data_source, []).append(member)
    columns = []
    for (kind, name), by_source in sorted(named.items(), key=lambda item: item[0][0] == "label"):
        best = by_source[min(by_source, key=_rank)]
        parts = plan(best) if axis == "step" else plan_rewritten(best)
        inferred = frozenset(member.series for member in best if member.input.time_inferred)
        columns.append(_Column(name, kind, parts, inferred))
    return columns


def _is_column(member: Member, axis: Axis) -> bool:
    if member.kind == "metric":
        is_value = member.name not in _COORDINATES and is_metric(member.input.data_source, member.name)
        return is_value and (axis == "time" or member.iterates)
    return member.kind == "label" and axis == "step"


def _rank(source: str) -> tuple[int, str]:
    return (DATA_SOURCES.index(source) if source in DATA_SOURCES else len(DATA_SOURCES), source)


def _read(reader: Reader, columns: list[_Column], axis: Axis) -> _Table:
    read = _by_step if axis == "step" else _by_time
    keys: list[Ints | Floats] = []
    values: list[Floats] = []
    max_steps: list[int] = []
    for column in columns:
        key, value, max_step = read(reader, column)
        keys.append(key)
        values.append(value)
        if column.kind == "metric" and max_step is not None:
            max_steps.append(max_step)
    rows = _axis_of(columns, keys, axis)
    aligned = [_aligned(rows, key, value) for key, value in zip(keys, values, strict=True)]
    return _Table(0, columns, rows, aligned, max(max_steps, default=None))


def _by_step(reader: Reader, column: _Column) -> tuple[Ints, Floats, int | None]:
    """(steps, values, the greatest step) of a column."""
    pieces = [reader.read_values(part) for part in column.parts]
    step = np.concatenate([piece[0] for piece in pieces] or [np.empty(0, np.int64)])
    value = np.concatenate([piece[1] for piece in pieces] or [np.empty(0)])
    return step, value, int(step.max()) if len(step) else None


def _by_time(reader: Reader, column: _Column) -> tuple[Floats, Floats, int | None]:
    """(times, values, the greatest step) of a column: one point per time, the one written last."""
    inferred = column.inferred - reader.clocks.keys()
    points = joined([_spread(reader.written(part), part.series in inferred) for part in column.parts])
    order = np.argsort(points.ts_ms, kind="stable")
    points = points.take(order)
    if len(points) > 1:
        points = points.take(np.append(points.ts_ms[1:] != points.ts_ms[:-1], True))
    return points.ts_ms, points.value, int(points.step.max()) if len(points) else None


def _spread(points: Columns, inferred: bool) -> Columns:
    """Inferred times may be the same for many records (for all records of a log without timestamps), which
    must not become one row. Each step is moved a microsecond behind the one before."""
    if not inferred:
        return points
    return Columns(points.step, points.ts_ms + points.step / 1000.0, points.value, points.version)


def _extended(reader: Reader, cached: _Table, columns: list[_Column], axis: Axis) -> _Table | None:
    """The cached table with what was stored since; None where rows that it has would have to change."""
    if axis == "time" or [(c.name, c.parts) for c in columns] != [(c.name, c.parts) for c in cached.columns]:
        return None
    newer = [joined([reader.newer(part, cached.version) for part in column.parts]) for column in columns]
    last = cached.axis[-1] if len(cached.axis) else None
    for points in newer:
        if not is_ascending(points.step) or (len(points) and last is not None and points.step[0] <= last):
            return None
    rows = _axis_of(columns, [points.step for points in newer], axis)
    values = [
        np.concatenate((old, _aligned(rows, points.step, points.value)))
        for old, points in zip(cached.values, newer, strict=True)
    ]
    max_step = int(rows[-1]) if len(rows) else cached.max_step
    return _Table(0, columns, _concatenated([cached.axis, rows]), values, max_step)


def _axis_of(columns: Sequence[_Column], keys: Sequence[Ints | Floats], axis: Axis) -> Ints | Floats:
    """The ascending axis of a table: every step or time at which one of its metrics has a point."""
    distinct: list[Ints | Floats] = []
    for column, key in zip(columns, keys, strict=True):
        if column.kind == "metric" and not any(np.array_equal(key, other) for other in distinct):
            distinct.append(key)
    if not distinct:
        return np.empty(0, np.int64) if axis == "step" else np.empty(0)
    return distinct[0] if len(distinct) == 1 else cast("Ints | Floats", np.unique(_concatenated(distinct)))


def _concatenated(keys: Sequence[Ints | Floats]) -> Ints | Floats:
    return cast("Ints | Floats", np.concatenate(keys))  # all along one axis, and so of one type


def _aligned(rows: Ints | Floats, key: Ints | Floats, value: Floats) -> Floats:
    """A column as long as `rows`, with the values where their keys are and NaN elsewhere."""
    if np.array_equal(rows, key):
        return value
    column = np.full(len(rows), np.nan)
    if len(rows) and len(key):
        at = np.minimum(np.searchsorted(rows, key), len(rows) - 1)
        matches = rows[at] == key
        column[at[matches]] = value[matches]
    return column


def _row_table(reader: Reader, table: _Table, axis: Axis, downsample: int | None) -> RowTable:
    metrics = [i for i, column in enumerate(table.columns) if column.kind == "metric"]
    labels = [i for i, column in enumerate(table.columns) if column.kind == "label"]
    keys: Ints | Floats = table.axis
    if axis == "time" and len(keys):
        keys = (table.axis - table.axis[0]) / 1000.0
    values = [table.values[i] for i in metrics]
    codes = [table.values[i] for i in labels]
    if downsample is not None and downsample < len(keys):
        index = downsample_rows(keys, values, downsample)
        keys, values, codes = keys[index], [v[index] for v in values], [c[index] for c in codes]
    last_step = table.max_step
    if axis == "step":
        last_step = int(keys[-1]) if len(keys) else None
    return RowTable(
        axis_name="global_step" if axis == "step" else "time",
        axis=keys,
        columns=[table.columns[i].name for i in metrics],
        values=values,
        labels={table.columns[i].name: _strings(reader, c) for i, c in zip(labels, codes, strict=True)},
        total=len(table.axis),
        last_step=last_step,
    )


def _strings(reader: Reader, codes: Floats) -> list[str | None]:
    by_code = reader.label_strings(int(code) for code in np.unique(codes[np.isfinite(codes)]))
    return [by_code.get(int(code)) if code == code else None for code in codes.tolist()]


def _restricted(
    columns: list[_Column], names: frozenset[str] | None, step_range: Bounds | None
) -> list[_Column]:
    """The metrics of these names at these steps (both included), no labels; all, if nothing restricts."""
    if names is None and step_range is None:
        return columns
    lo, hi = (LOWEST, BEYOND) if step_range is None else (step_range[0], step_range[1] + 1)
    result = []
    for column in columns:
        if column.kind == "metric" and (names is None or column.name in names):
            parts = [part.clipped(lo, hi) for part in column.parts]
            result.append(replace(column, parts=[part for part in parts if part.lo < part.hi]))
    return result


def _filled(table: _Table) -> _Table:
    """Without the rows in which no column has a finite value."""
    keep = np.zeros(len(table.axis), np.bool_)
    for column in table.values:
        keep |= np.isfinite(column)
    values = [column[keep] for column in table.values]
    return _Table(table.version, table.columns, table.axis[keep], values, table.max_step)


def _long_table(reader: Reader, columns: list[_Column], downsample: int) -> RowTable:
    """So many rows of columns that are too long to be read whole."""
    metrics = [column for column in columns if column.kind == "metric"]
    labels = [column for column in columns if column.kind == "label"]
    parts = [column.parts for column in metrics]
    steps = chosen_steps(reader, parts, downsample)
    return RowTable(
        axis_name="global_step",
        axis=steps,
        columns=[column.name for column in metrics],
        values=[values_at(reader, column.parts, steps) for column in metrics],
        labels={c.name: _strings(reader, values_at(reader, c.parts, steps)) for c in labels},
        total=count_steps(reader, parts),
        last_step=int(steps[-1]) if len(steps) else None,
    )
