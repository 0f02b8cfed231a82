"""Runs as tables of rows, and the cache that keeps the tables of runs that are looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from lensd.model import DATA_SOURCES, Floats, Ints, Restarts
from lensd.query.downsample import thin_rows
from lensd.query.lens import is_metric
from lensd.query.results import Axis, CacheStats, RowTable, UnreadableRun
from lensd.store.columns import Columns, joined
from lensd.store.plan import Member, Part, plan, plan_all
from lensd.store.reader import Reader, Workload

#: Names that are coordinates of a row and never a column of values.
_COORDINATES = frozenset({"global_step", "step", "epoch", "time", "stage"})
Bounds = tuple[int, int]


@dataclass(slots=True)
class _Column:
    """One column of a table: where its points come from. inferred: series whose times were reckoned."""

    name: str
    kind: str
    parts: list[Part]
    inferred: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Table:
    """All rows of a run along one axis, with what is needed to add to them later.

    axis: global steps, or UTC milliseconds. columns[i] belongs to values[i], labels hold codes.
    """

    version: int
    columns: list[_Column]
    axis: Ints | Floats
    values: list[Floats]
    max_step: int | None
    thinned: OrderedDict[int, RowTable] = field(default_factory=OrderedDict)

    @property
    def bytes(self) -> int:
        own = self.axis.nbytes + sum(column.nbytes for column in self.values)
        return own + sum(
            t.axis.nbytes * (1 + len(t.values)) + len(t.encoded or b"") + len(t.packed or b"")
            for t in self.thinned.values()
        )


class RowCache:
    """Tables of the runs asked for last. An unchanged run is a hit, one that only grew is added to, anything
    else is read anew."""

    def __init__(self, max_size: int = 100, max_bytes: int = 64 << 20) -> None:
        self.max_size = max_size
        self.max_bytes = max_bytes
        self._tables: OrderedDict[tuple[str, str, str | None], _Table] = OrderedDict()
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
        """The rows of a run by step or by time; None for a run never seen. Raises UnreadableRun."""
        workload = reader.workload(run_id)
        if workload is None:
            return None
        _refuse_unreadable(reader, workload)
        table = self._table(reader, workload, axis, data_source)
        if metric_names is not None or step_range is not None:
            return _cut(reader, table, axis, metric_names, step_range, downsample)
        with self._lock:
            done = table.thinned.get(downsample or 0)
        if done is None:
            done = _row_table(reader, table, axis, downsample)
            if downsample is not None:
                with self._lock:
                    table.thinned[downsample] = done
                    while len(table.thinned) > 4:
                        table.thinned.popitem(last=False)
        return done

    def stats(self) -> CacheStats:
        with self._lock:
            asked = self._hits + self._misses + self._updates
            return CacheStats(
                size=len(self._tables),
                max_size=self.max_size,
                hits=self._hits,
                misses=self._misses,
                incremental_updates=self._updates,
                hit_rate=round(self._hits / asked, 2) if asked else 0.0,
                incremental_rate=round(self._updates / asked, 2) if asked else 0.0,
            )

    def _table(self, reader: Reader, workload: Workload, axis: Axis, source: str | None) -> _Table:
        key = (workload.uid, axis, source)
        with self._lock:
            held = self._tables.get(key)
            if held is not None and held.version == workload.version:
                self._tables.move_to_end(key)
                self._hits += 1
                return held
        columns = _columns(reader, workload, axis, source)
        grown = _grown(reader, held, columns, axis) if held is not None else None
        table = grown or _read(reader, columns, axis)
        table.version = workload.version
        with self._lock:
            if grown is not None:
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
    sql = (
        "SELECT 1 FROM input WHERE workload_id = ? AND structured AND restarts = 'never'"
        " AND unparsed + skipped > 0 AND unparsed + skipped >= records"
    )
    if reader.rows(sql, (workload.id,)):
        raise UnreadableRun("Failed to parse metrics file")


def _columns(reader: Reader, workload: Workload, axis: Axis, source: str | None) -> list[_Column]:
    """The columns of a run in the order first seen, labels last; of sources with one name the best."""
    named: dict[tuple[str, str], dict[str, list[Member]]] = {}
    members = reader.members(workload.id, data_source=source)
    # A Runicorn run is what its events.jsonl says, as on its own server; the numbers in its logs.txt, which
    # count epochs, are shown by the Lens log format.
    recorded = {m.input.data_source for m in members if m.input.restarts is Restarts.NEVER}
    for member in members:
        if member.input.data_source in recorded and member.input.restarts is not Restarts.NEVER:
            continue
        if member.kind == "metric" and (
            member.name in _COORDINATES
            or not is_metric(member.input.data_source, member.name)
            or (axis == "step" and not member.iterates)
        ):
            continue
        if member.kind == "iteration" or (member.kind == "label" and axis == "time"):
            continue
        by_source = named.setdefault((member.kind, member.name), {})
        by_source.setdefault(member.input.data_source, []).append(member)
    columns = []
    for (kind, name), by_source in sorted(named.items(), key=lambda item: item[0][0] == "label"):
        best = by_source[min(by_source, key=_rank)]
        parts = plan(best) if axis == "step" else plan_all(best)
        inferred = frozenset(member.series for member in best if member.input.time_inferred)
        columns.append(_Column(name, kind, parts, inferred))
    return columns


def _rank(source: str) -> tuple[int, str]:
    return (DATA_SOURCES.index(source) if source in DATA_SOURCES else len(DATA_SOURCES), source)


def _read(reader: Reader, columns: list[_Column], axis: Axis) -> _Table:
    if axis == "step":
        found = [joined([reader.read_values(part) for part in column.parts]) for column in columns]
        keys: list[Ints | Floats] = [points.step for points in found]
    else:
        found = [
            _by_time([_told_apart(reader.written(part), part.series in c.inferred) for part in c.parts])
            for c in columns
        ]
        keys = [points.ts_ms for points in found]
    rows = _union([key for key, column in zip(keys, columns, strict=True) if column.kind == "metric"], axis)
    values = [_placed(rows, key, points.value) for key, points in zip(keys, found, strict=True)]
    steps = [int(p.step.max()) for p, c in zip(found, columns, strict=True) if len(p) and c.kind == "metric"]
    return _Table(0, columns, rows, values, max(steps, default=None))


def _grown(reader: Reader, held: _Table, columns: list[_Column], axis: Axis) -> _Table | None:
    """`held` with what was stored since; None where rows that it has would have to change."""
    if axis == "time" or [(c.name, c.parts) for c in columns] != [(c.name, c.parts) for c in held.columns]:
        return None
    news = [joined([reader.newer(part, held.version) for part in column.parts]) for column in columns]
    last = held.axis[-1] if len(held.axis) else None
    for points in news:
        rising = bool((points.step[1:] > points.step[:-1]).all())
        if len(points) and (not rising or (last is not None and points.step[0] <= last)):
            return None
    metrics = [n.step for n, c in zip(news, columns, strict=True) if c.kind == "metric"]
    rows = _union(metrics, axis)
    values = [
        np.concatenate((old, _placed(rows, points.step, points.value)))
        for old, points in zip(held.values, news, strict=True)
    ]
    max_step = int(rows[-1]) if len(rows) else held.max_step
    return _Table(0, columns, _joined([held.axis, rows]), values, max_step)


def _told_apart(points: Columns, inferred: bool) -> Columns:
    """Reckoned times may be one for many records (all of a log without stamps), which are no one row for
    that: each step is put a microsecond behind the one before."""
    if not inferred:
        return points
    return Columns(points.step, points.ts_ms + points.step / 1000.0, points.value, points.version)


def _by_time(pieces: Sequence[Columns]) -> Columns:
    """One point a time, ascending: the one written last."""
    points = joined(pieces)
    order = np.argsort(points.ts_ms, kind="stable")
    points = points.take(order)
    if len(points) < 2:
        return points
    return points.take(np.append(points.ts_ms[1:] != points.ts_ms[:-1], True))


def _union(keys: Iterable[Ints | Floats], axis: Axis) -> Ints | Floats:
    distinct: list[Ints | Floats] = []
    for key in keys:
        if not any(len(key) == len(seen) and np.array_equal(key, seen) for seen in distinct):
            distinct.append(key)
    if not distinct:
        return np.empty(0, np.int64) if axis == "step" else np.empty(0)
    return distinct[0] if len(distinct) == 1 else cast("Ints | Floats", np.unique(_joined(distinct)))


def _joined(keys: Sequence[Ints | Floats]) -> Ints | Floats:
    return cast("Ints | Floats", np.concatenate(keys))  # all of one axis, and so of one type


def _placed(rows: Ints | Floats, key: Ints | Floats, value: Floats) -> Floats:
    """A column as long as `rows`, with `value` where `key` is, NaN elsewhere."""
    if len(rows) == len(key) and np.array_equal(rows, key):
        return value
    column = np.full(len(rows), np.nan)
    if len(rows) and len(key):
        at = np.minimum(np.searchsorted(rows, key), len(rows) - 1)
        there = rows[at] == key
        column[at[there]] = value[there]
    return column


def _row_table(
    reader: Reader, table: _Table, axis: Axis, downsample: int | None, total: int | None = None
) -> RowTable:
    metrics = [i for i, column in enumerate(table.columns) if column.kind == "metric"]
    labels = [i for i, column in enumerate(table.columns) if column.kind == "label"]
    shown: Ints | Floats = table.axis
    if axis == "time" and len(shown):
        shown = (table.axis - table.axis[0]) / 1000.0
    values = [table.values[i] for i in metrics]
    codes = [table.values[i] for i in labels]
    if downsample is not None and downsample < len(shown):
        finite = [np.where(np.isfinite(column), column, np.nan) for column in values]
        index = thin_rows(shown, finite, downsample)
        shown, values, codes = shown[index], [v[index] for v in values], [c[index] for c in codes]
    last_step = table.max_step
    if axis == "step":
        last_step = int(shown[-1]) if len(shown) else None
    return RowTable(
        axis_name="global_step" if axis == "step" else "time",
        axis=shown,
        columns=[table.columns[i].name for i in metrics],
        values=values,
        labels={table.columns[i].name: _texts(reader, c) for i, c in zip(labels, codes, strict=True)},
        total=len(table.axis) if total is None else total,
        last_step=last_step,
    )


def _texts(reader: Reader, codes: Floats) -> list[str | None]:
    known = reader.label_texts(int(code) for code in np.unique(codes[np.isfinite(codes)]))
    return [known.get(int(code)) if code == code else None for code in codes.tolist()]


def _cut(
    reader: Reader,
    table: _Table,
    axis: Axis,
    names: frozenset[str] | None,
    step_range: Bounds | None,
    downsample: int | None,
) -> RowTable:
    """Only the metrics and steps asked for, of rows that hold any of them; no labels."""
    chosen = [
        i
        for i, column in enumerate(table.columns)
        if column.kind == "metric" and (names is None or column.name in names)
    ]
    keep = np.ones(len(table.axis), np.bool_)
    if step_range is not None:
        keep &= (table.axis >= step_range[0]) & (table.axis <= step_range[1])
    if names is not None:
        holding = np.zeros(len(table.axis), np.bool_)
        for i in chosen:
            holding |= np.isfinite(table.values[i])
        keep &= holding
    part = _Table(
        table.version,
        [table.columns[i] for i in chosen],
        table.axis[keep],
        [table.values[i][keep] for i in chosen],
        table.max_step,
    )
    return _row_table(reader, part, axis, downsample)
