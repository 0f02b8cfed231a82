"""Stores a batch in one transaction: points, facts, counters, line marks and the cursor, or none of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from lensd.model import Batch, Fact, Floats, Input, Points, Restarts, Series
from lensd.store import origin
from lensd.store.attempts import Split, by_attempt, split
from lensd.store.backlog import HeldLevels, Key
from lensd.store.chunks import PARTS
from lensd.store.columns import Columns, earlier, earliest, is_ascending, unrepeated
from lensd.store.counters import Tally, View
from lensd.store.iterations import iterations
from lensd.store.plan import Part, Span
from lensd.store.reader import Reader
from lensd.store.sealing import Sealer
from lensd.store.text import storable

#: Buckets of levels of detail that are held in memory, about 6 MiB.
_MOST_HELD = 1 << 16


@dataclass(slots=True)
class _SeriesState:
    """A series in its current attempt. head: its plain rows there. span: what it holds, None for nothing."""

    id: int
    attempt: int
    head: int
    span: Span | None


@dataclass(slots=True)
class _InputState:
    """An input and its series, cached so that a batch need not read them."""

    id: int
    workload_id: int
    attempt: int
    has_points: bool
    merged: bool
    shift: int  # of its steps, see lensd.store.origin
    levels: HeldLevels
    series: dict[View, _SeriesState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _BatchInfo:
    """What all points of a batch share. version: of the store. attempt: of the input before the batch.
    own_attempts: whether each series counts its own attempts."""

    version: int
    attempt: int
    own_attempts: bool


@dataclass(slots=True)
class _AttemptPoints:
    """Points of one series that belong to one attempt."""

    series: _SeriesState
    view: View
    attempt: int
    points: Columns


class Writer:
    """Applies batches through one connection. Not thread-safe: the store's lock is held around every call."""

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self._db = db
        self._reader = Reader(db, path)
        self._inputs: dict[str, _InputState] = {}
        self._holding: dict[str, HeldLevels] = {}  # by input, of those that have more to read

    def forget(self, input_id: str) -> None:
        """Drop the cached state of an input, which is wrong after a rollback."""
        self._inputs.pop(input_id, None)
        self._holding.pop(input_id, None)

    def new_names(self, input: Input, names: Iterable[str]) -> list[str]:
        """Those of the names that no series of the input's workload has."""
        state = self._input_state(input)
        stored = {name for _, name in state.series}
        new = {storable(name): name for name in names if storable(name) not in stored}
        sql = (
            "SELECT DISTINCT series.name FROM series JOIN input ON input.id = input_id"
            " WHERE workload_id = ? AND series.name IN (SELECT value FROM json_each(?))"
        )
        if new:
            for (name,) in self._db.execute(
                sql, (state.workload_id, msgspec.json.encode(list(new)).decode())
            ):
                del new[name]
        return list(new.values())

    def apply(self, input: Input, batch: Batch, at_ms: float) -> int:
        """Store a batch within the caller's transaction. Returns how many points were new."""
        state = self._input_state(input)
        if state.merged:
            return 0
        batch = origin.shifted(batch, state.shift)
        version = self._reader.version() + 1
        self._db.execute("UPDATE meta SET value = ? WHERE name = 'version'", (version,))
        stored = 0
        voids = batch.voids_from is not None
        if batch.restart or batch.targets is not None or batch.point_count or voids:
            stored = self._store_points(input, state, batch, version)
        self._db.executemany(
            "INSERT OR REPLACE INTO fact VALUES (?, ?, ?)",
            [(state.id, storable(name), _encoded(value)) for name, value in batch.facts.items()],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO line_mark VALUES (?, ?, ?, ?, ?)",
            [(state.id, mark.line, mark.segment, mark.offset, mark.step) for mark in batch.marks],
        )
        self._store_lines(state, batch)
        self._holding[input.id] = state.levels
        if not batch.more or sum(levels.buckets for levels in self._holding.values()) > _MOST_HELD:
            self.settle(input.id)
        self._update_rows(state, batch, stored, version, at_ms)
        return stored

    def settle(self, input_id: str | None = None) -> None:
        """Store the levels of detail that are held of an input or of all, within the caller's transaction."""
        for id in [input_id] if input_id else list(self._holding):
            levels = self._holding.pop(id, None)
            if levels is not None:
                levels.settle()

    def held(self) -> set[Key]:
        """The series and attempts whose levels of detail are held."""
        return {key for levels in self._holding.values() for key in levels.keys}

    def _store_lines(self, state: _InputState, batch: Batch) -> None:
        if not batch.lines:
            return
        ((next_number,),) = self._db.execute(
            "SELECT coalesce(max(line) + 1, 0) FROM log_line WHERE input_id = ?", (state.id,)
        )
        rows = []
        for line in batch.lines:
            number = next_number if line.number is None else line.number
            rows.append((state.id, number, line.ts_ms, storable(line.text)))
            next_number = max(next_number, number + 1)
        self._db.executemany("INSERT OR REPLACE INTO log_line VALUES (?, ?, ?, ?)", rows)

    def _store_points(self, input: Input, state: _InputState, batch: Batch, version: int) -> int:
        series = {storable(name): s for name, s in batch.series.items() if len(s.points)}
        metrics = {name: s.points for name, s in series.items() if s.texts is None}
        info = _BatchInfo(version, state.attempt, input.restarts is Restarts.SERIES)
        last_steps = {name: _last_step(state, name, info) for name in metrics}
        cut = split(metrics, last_steps, input.restarts, batch.restart and state.has_points)
        columns = self._columns(series, metrics, batch.targets, cut)
        attempts = self._begin_attempts(input, state, cut, columns)
        if batch.voids_from is not None and not state.has_points:
            attempts.append((state.id, 1, batch.voids_from))

        additions: list[_AttemptPoints] = []
        for view, points in columns.items():
            target = state.series.get(view)
            if target is None:
                described = None if view[0] == "iteration" else series[view[1]]
                target = self._add_series(state, view, described, info)
            additions += self._by_attempt(target, view, points, cut, info)
        for addition in additions:
            addition.points = self._new_points(addition)
        additions = [addition for addition in additions if len(addition.points)]

        by_view: dict[View, list[Columns]] = {}
        for addition in additions:
            by_view.setdefault(addition.view, []).append(addition.points)
        tally = Tally(self._reader, self._db, state.workload_id, input.data_source, state.id)
        tally.before(by_view, begins=bool(cut.rows or cut.own))
        self._db.executemany("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?)", attempts)
        self._widen(state, additions)
        sealer = Sealer(self._db, self._reader, state.levels, hold=batch.more)
        for addition in additions:
            self._append(addition, sealer)
        tally.after()
        return sum(len(addition.points) for addition in additions if addition.view[0] != "iteration")

    def _columns(
        self, series: Mapping[str, Series], metrics: Mapping[str, Points], targets: Points | None, cut: Split
    ) -> dict[View, Points]:
        """The points of a batch by the series they are stored in, iterations last."""
        columns: dict[View, Points] = {}
        for name, one in series.items():
            if one.texts is None:
                columns["metric", name] = one.points
            else:
                columns["label", name] = self._coded(one)
        iterating = {name: points for name, points in metrics.items() if series[name].iterates}
        steps = iterations(iterating, targets, cut.rows)
        if len(steps):
            columns["iteration", ""] = steps
        return columns

    def _begin_attempts(
        self, input: Input, state: _InputState, cut: Split, in_batch: Collection[View]
    ) -> list[tuple[int, int, int]]:
        """Count the attempts that begin. Returns the rows of those that cut the input as a whole."""
        rows = []
        for first_step in cut.first_steps:
            state.attempt += 1
            if first_step is not None:
                rows.append((state.id, state.attempt, first_step))
        if cut.rows and input.restarts is Restarts.SERIES:
            # Series count their own attempts: those that the batch lacks begin one as well.
            for view, series in state.series.items():
                if view not in in_batch:
                    series.attempt, series.head, series.span = series.attempt + 1, 0, None
                    self._db.execute(
                        "UPDATE series SET attempt = ?, head = 0 WHERE id = ?", (series.attempt, series.id)
                    )
        return rows

    def _by_attempt(
        self, series: _SeriesState, view: View, points: Points, cut: Split, info: _BatchInfo
    ) -> list[_AttemptPoints]:
        columns = Columns(
            points.iteration,
            np.rint(points.ts_ms * PARTS) / PARTS,
            points.value,
            np.full(len(points), info.version, np.int64),
        )
        first = series.attempt if info.own_attempts else info.attempt
        places = cut.places(view[1] if view[0] == "metric" else "", points.row)
        return [
            _AttemptPoints(series, view, first + later, stretch)
            for later, stretch in by_attempt(columns, places)
        ]

    def _new_points(self, addition: _AttemptPoints) -> Columns:
        """The points that are not stored yet. A point of the same step, time and value is."""
        points, span = addition.points, addition.series.span
        is_step = addition.view[0] == "iteration"
        if is_step:
            points = earliest(points)
        overlaps = (
            span is not None and span.attempt == addition.attempt and points.step.min() <= span.max_step
        )
        if not overlaps and (is_step or is_ascending(points.step)):
            return points
        lo, hi = int(points.step.min()), int(points.step.max()) + 1
        part = Part(addition.series.id, addition.attempt)
        stored = self._reader.written(part, lo, hi) if overlaps else None
        if is_step:
            return points if stored is None else earlier(points, earliest(stored))
        return unrepeated(points, stored)

    def _append(self, addition: _AttemptPoints, sealer: Sealer) -> None:
        series, points, attempt = addition.series, addition.points, addition.attempt
        if series.span is None or series.span.attempt != attempt:
            series.attempt, series.head, series.span = attempt, 0, None
        series.head = sealer.append(series.id, attempt, series.head, points)
        old = series.span
        low, high = int(points.step.min()), int(points.step.max())
        early, late = float(points.ts_ms.min()), float(points.ts_ms.max())
        series.span = Span(
            attempt,
            len(points) + (old.points if old else 0),
            int(points.step[-1]),
            min(low, old.min_step) if old else low,
            max(high, old.max_step) if old else high,
            min(early, old.min_ts) if old else early,
            max(late, old.max_ts) if old else late,
        )
        s = series.span
        self._db.execute(
            "INSERT OR REPLACE INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (series.id, s.attempt, s.points, s.last_step, s.min_step, s.max_step, s.min_ts, s.max_ts),
        )
        self._db.execute(
            "UPDATE series SET attempt = ?, head = ? WHERE id = ?", (series.attempt, series.head, series.id)
        )

    def _coded(self, series: Series) -> Points:
        """The points of a label series, with the codes of its strings as values."""
        strings = [storable(string) for string in series.texts or []]
        distinct = sorted(set(strings))
        self._db.executemany(
            "INSERT OR IGNORE INTO label_text (text) VALUES (?)", [(string,) for string in distinct]
        )
        codes: dict[str, int] = {}
        for string in distinct:
            row = self._db.execute("SELECT code FROM label_text WHERE text = ?", (string,)).fetchone()
            codes[string] = row[0]
        values: Floats = np.array([codes[string] for string in strings], np.float64)
        return Points(series.points.iteration, series.points.ts_ms, values, series.points.row)

    def _input_state(self, input: Input) -> _InputState:
        state = self._inputs.get(input.id)
        if state is None:
            row = self._db.execute(
                "SELECT id, workload_id, attempt, min_ts IS NOT NULL, state = 'merged' FROM input"
                " WHERE key = ?",
                (input.id,),
            ).fetchone()
            if row is None:
                raise KeyError(f"input {input.id} was never registered")
            shift, levels = origin.shift_of(self._db, row[0]), HeldLevels(self._db, self._reader)
            state = _InputState(row[0], row[1], row[2], bool(row[3]), bool(row[4]), shift, levels)
            self._inputs[input.id] = state
            sql = """
                SELECT kind, name, series.id, series.attempt, head, span.attempt, points, last_step,
                       min_step, max_step, min_ts, max_ts
                FROM series LEFT JOIN span ON series_id = series.id AND span.attempt = series.attempt
                WHERE input_id = ? ORDER BY series.id"""
            for kind, name, series, attempt, head, *columns in self._db.execute(sql, (state.id,)):
                span = Span(*columns) if columns[0] is not None else None
                state.series[kind, name] = _SeriesState(series, attempt, head, span)
        return state

    def _add_series(
        self, state: _InputState, view: View, series: Series | None, info: _BatchInfo
    ) -> _SeriesState:
        kind, name = view
        attempt = 1 if info.own_attempts else info.attempt
        cursor = self._db.execute(
            "INSERT INTO series (input_id, name, kind, iterates, unit, attempt) VALUES (?, ?, ?, ?, ?, ?)",
            (
                state.id, name, kind, series.iterates if series else True,
                _storable(series.unit if series else None), attempt,
            ),
        )  # fmt: skip
        added = state.series[view] = _SeriesState(int(cursor.lastrowid or 0), attempt, 0, None)
        return added

    def _widen(self, state: _InputState, additions: Iterable[_AttemptPoints]) -> None:
        """Extend the time range of the input, which decides which inputs overlap."""
        times = [addition.points.ts_ms for addition in additions]
        if times:
            state.has_points = True
            self._db.execute(
                "UPDATE input SET min_ts = MIN(COALESCE(min_ts, ?1), ?1),"
                " max_ts = MAX(COALESCE(max_ts, ?2), ?2)"
                " WHERE id = ?3",
                (min(float(t.min()) for t in times), max(float(t.max()) for t in times), state.id),
            )

    def _update_rows(self, state: _InputState, batch: Batch, stored: int, version: int, at_ms: float) -> None:
        counts = batch.counts
        self._db.execute(
            """UPDATE input SET cursor = ?, attempt = ?, dialect = COALESCE(?, dialect), state = 'ok',
                 error = NULL, note = ?, time_inferred = MAX(time_inferred, ?), lag_bytes = ?, last_ok_ms = ?,
                 records = records + ?, matched = matched + ?, unparsed = unparsed + ?,
                 skipped = skipped + ?, bytes = bytes + ?, points = points + ? WHERE id = ?""",
            (
                batch.cursor, state.attempt, _storable(batch.log_format), _storable(batch.note),
                batch.time_inferred, batch.lag_bytes, at_ms, counts.records, counts.matched, counts.unparsed,
                counts.skipped, counts.bytes, stored, state.id,
            ),
        )  # fmt: skip
        # A daemon that begins anew stores that an input can be read, which is no news of the workload.
        is_news = bool(counts.bytes or batch.point_count or batch.facts or batch.lines)
        self._db.execute(
            "UPDATE workload SET version = ?1, created_ms = COALESCE(created_ms, ?2),"
            " updated_ms = CASE WHEN ?4 OR updated_ms IS NULL THEN ?2 ELSE updated_ms END WHERE id = ?3",
            (version, at_ms, state.workload_id, is_news),
        )


def _last_step(state: _InputState, name: str, info: _BatchInfo) -> int | None:
    """The last stored step of a metric in the current attempt."""
    series = state.series.get(("metric", name))
    if series is None or series.span is None:
        return None
    current = info.own_attempts or series.span.attempt == info.attempt
    return series.span.last_step if current else None


def _encoded(value: Fact) -> str:
    return msgspec.json.encode(storable(value) if isinstance(value, str) else value).decode()


def _storable(text: str | None) -> str | None:
    return None if text is None else storable(text)
