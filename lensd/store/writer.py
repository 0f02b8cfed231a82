"""Stores a batch in one transaction: points, facts, counters, line marks and the cursor, or none of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec
import numpy as np

from lensd.model import Batch, Fact, Floats, Input, Points, Restarts, Series
from lensd.store import sealing
from lensd.store.attempts import Split, split
from lensd.store.chunks import PARTS
from lensd.store.columns import Columns, earliest, is_ascending
from lensd.store.counters import Tally, View
from lensd.store.plan import Part, Span
from lensd.store.reader import Reader
from lensd.store.text import storable


@dataclass(slots=True)
class _Series:
    """What must be known of a series without asking: how far it is in its current attempt."""

    id: int
    attempt: int
    head: int  # plain rows of the current attempt, not sealed yet
    span: Span | None  # of the current attempt


@dataclass(slots=True)
class _Input:
    id: int
    workload_id: int
    attempt: int
    has_points: bool
    series: dict[View, _Series] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What all points of a batch share: the store's version, the attempt of the input before the batch, and
    whether each series counts attempts of its own."""

    version: int
    attempt: int
    each_its_own: bool


@dataclass(slots=True)
class _Run:
    """Points of one series that belong to one attempt."""

    series: _Series
    view: View
    attempt: int
    points: Columns


class Writer:
    """Applies batches through one connection. Not thread-safe: the store's lock is held around every call."""

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self._db = db
        self._reader = Reader(db, path)
        self._inputs: dict[str, _Input] = {}

    def forget(self, key: str) -> None:
        """Drop what is remembered of an input: after a rollback the database alone knows."""
        self._inputs.pop(key, None)

    def apply(self, input: Input, batch: Batch, at_ms: float) -> int:
        """Store a batch within the caller's transaction. Returns how many points were new."""
        known = self._input(input)
        version = self._reader.version() + 1
        self._db.execute("UPDATE meta SET value = ? WHERE name = 'version'", (version,))
        stored = 0
        if batch.restart or batch.targets is not None or batch.point_count:
            stored = self._store_points(input, known, batch, version)
        self._db.executemany(
            "INSERT OR REPLACE INTO fact VALUES (?, ?, ?)",
            [(known.id, storable(name), _encoded(value)) for name, value in batch.facts.items()],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO line_mark VALUES (?, ?, ?, ?)",
            [(known.id, mark.line, mark.segment, mark.offset) for mark in batch.marks],
        )
        self._put_lines(known, batch)
        self._update_rows(known, batch, stored, version, at_ms)
        return stored

    def _put_lines(self, known: _Input, batch: Batch) -> None:
        if not batch.lines:
            return
        ((count,),) = self._db.execute(
            "SELECT coalesce(max(line) + 1, 0) FROM log_line WHERE input_id = ?", (known.id,)
        )
        rows = []
        for line in batch.lines:
            number = count if line.number is None else line.number
            rows.append((known.id, number, line.ts_ms, storable(line.text)))
            count = max(count, number + 1)
        self._db.executemany("INSERT OR REPLACE INTO log_line VALUES (?, ?, ?, ?)", rows)

    def _store_points(self, input: Input, known: _Input, batch: Batch, version: int) -> int:
        series = {storable(name): s for name, s in batch.series.items() if len(s.points)}
        metrics = {name: s.points for name, s in series.items() if s.texts is None}
        stamp = _Stamp(version, known.attempt, input.restarts is Restarts.SERIES)
        lasts = {name: self._last_step(known, name, stamp) for name in metrics}
        cut = split(metrics, lasts, input.restarts, batch.restart and known.has_points)

        columns: dict[View, tuple[Points, Series | None]] = {}
        for name, each in series.items():
            if each.texts is None:
                columns["metric", name] = (each.points, each)
            else:
                columns["label", name] = (self._coded(each), each)
        iterating = {name: points for name, points in metrics.items() if series[name].iterates}
        steps = sealing.iterations(iterating, batch.targets, cut.rows)
        if len(steps):
            columns["iteration", ""] = (steps, None)
        begun = self._begin_attempts(input, known, cut, columns)

        runs: list[_Run] = []
        for view, (points, about) in columns.items():
            runs += self._runs(self._series(known, view, stamp, about), view, points, cut, stamp)
        for run in runs:
            run.points = self._news(run)
        runs = [run for run in runs if len(run.points)]

        news: dict[View, list[Columns]] = {}
        for run in runs:
            news.setdefault(run.view, []).append(run.points)
        tally = Tally(self._reader, self._db, known.workload_id, input.data_source, known.id)
        tally.before(news, begins=bool(cut.rows or cut.own))
        self._db.executemany("INSERT INTO attempt VALUES (?, ?, ?)", begun)
        self._widen(known, runs)
        packed = sealing.Packed()
        for run in runs:
            self._append(run, packed)
        tally.after()
        return sum(len(run.points) for run in runs if run.view[0] != "iteration")

    def _begin_attempts(
        self, input: Input, known: _Input, cut: Split, here: Collection[View]
    ) -> list[tuple[int, int, int]]:
        """Count the attempts that begin; the rows of those that cut the input as a whole."""
        rows = []
        for first_step in cut.begins:
            known.attempt += 1
            if first_step is not None:
                rows.append((known.id, known.attempt, first_step))
        if cut.rows and input.restarts is Restarts.SERIES:
            # Series count their own attempts; those that this batch does not bring go along.
            for view, series in known.series.items():
                if view not in here:
                    series.attempt, series.head, series.span = series.attempt + 1, 0, None
                    self._db.execute(
                        "UPDATE series SET attempt = ?, head = 0 WHERE id = ?", (series.attempt, series.id)
                    )
        return rows

    def _runs(self, series: _Series, view: View, points: Points, cut: Split, batch: _Stamp) -> list[_Run]:
        """The points as columns, one run for each attempt that they belong to."""
        columns = Columns(
            points.iteration,
            np.rint(points.ts_ms * PARTS) / PARTS,
            points.value,
            np.full(len(points), batch.version, np.int64),
        )
        first = series.attempt if batch.each_its_own else batch.attempt
        places = cut.places(view[1] if view[0] == "metric" else "", points.row)
        return [_Run(series, view, first + rise, stretch) for rise, stretch in sealing.runs(columns, places)]

    def _news(self, run: _Run) -> Columns:
        """The points of a run that are not stored yet, point for point."""
        points, span = run.points, run.series.span
        is_step = run.view[0] == "iteration"
        if is_step:
            points = earliest(points)
        overlaps = span is not None and span.attempt == run.attempt and points.step.min() <= span.max_step
        if not overlaps and (is_step or is_ascending(points.step)):
            return points
        lo, hi = int(points.step.min()), int(points.step.max()) + 1
        stored = self._reader.written(Part(run.series.id, run.attempt), lo, hi) if overlaps else None
        if is_step:
            return points if stored is None else _earlier(points, earliest(stored))
        return _unrepeated(points, stored)

    def _append(self, run: _Run, packed: sealing.Packed) -> None:
        series, points = run.series, run.points
        if series.span is None or series.span.attempt != run.attempt:
            series.attempt, series.head, series.span = run.attempt, 0, None
        series.head = sealing.append(
            self._db, self._reader, series.id, run.attempt, series.head, points, packed
        )
        old = series.span
        low, high = int(points.step.min()), int(points.step.max())
        early, late = float(points.ts_ms.min()), float(points.ts_ms.max())
        series.span = Span(
            run.attempt,
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
        """A label series with the codes of its texts as values."""
        texts = [storable(text) for text in series.texts or []]
        distinct = sorted(set(texts))
        self._db.executemany("INSERT OR IGNORE INTO label_text (text) VALUES (?)", [(t,) for t in distinct])
        codes: dict[str, int] = {}
        for text in distinct:
            row = self._db.execute("SELECT code FROM label_text WHERE text = ?", (text,)).fetchone()
            codes[text] = row[0]
        values: Floats = np.array([codes[text] for text in texts], np.float64)
        return Points(series.points.iteration, series.points.ts_ms, values, series.points.row)

    # What is remembered of inputs and series

    def _input(self, input: Input) -> _Input:
        known = self._inputs.get(input.id)
        if known is None:
            row = self._db.execute(
                "SELECT id, workload_id, attempt, min_ts IS NOT NULL FROM input WHERE key = ?", (input.id,)
            ).fetchone()
            if row is None:
                raise KeyError(f"input {input.id} was never registered")
            known = self._inputs[input.id] = _Input(row[0], row[1], row[2], bool(row[3]))
            sql = """
                SELECT kind, name, series.id, series.attempt, head, span.attempt, points, last_step,
                       min_step, max_step, min_ts, max_ts
                FROM series LEFT JOIN span ON series_id = series.id AND span.attempt = series.attempt
                WHERE input_id = ? ORDER BY series.id"""
            for kind, name, series, attempt, head, *span in self._db.execute(sql, (known.id,)):
                held = Span(*span) if span[0] is not None else None
                known.series[kind, name] = _Series(series, attempt, head, held)
        return known

    def _series(self, known: _Input, view: View, stamp: _Stamp, about: Series | None) -> _Series:
        found = known.series.get(view)
        if found is None:
            attempt = 1 if stamp.each_its_own else stamp.attempt
            iterates = about.iterates if about else True
            unit = storable(about.unit) if about and about.unit else None
            cursor = self._db.execute(
                "INSERT INTO series (input_id, name, kind, iterates, unit, attempt)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (known.id, view[1], view[0], iterates, unit, attempt),
            )
            found = known.series[view] = _Series(int(cursor.lastrowid or 0), attempt, 0, None)
        return found

    @staticmethod
    def _last_step(known: _Input, name: str, stamp: _Stamp) -> int | None:
        series = known.series.get(("metric", name))
        if series is None or series.span is None:
            return None
        current = stamp.each_its_own or series.span.attempt == stamp.attempt
        return series.span.last_step if current else None

    def _widen(self, known: _Input, runs: Iterable[_Run]) -> None:
        """Keep the time range of the input, by which overlapping inputs are told."""
        times = [run.points.ts_ms for run in runs]
        if times:
            known.has_points = True
            self._db.execute(
                "UPDATE input SET min_ts = MIN(COALESCE(min_ts, ?1), ?1),"
                " max_ts = MAX(COALESCE(max_ts, ?2), ?2)"
                " WHERE id = ?3",
                (min(float(t.min()) for t in times), max(float(t.max()) for t in times), known.id),
            )

    def _update_rows(self, known: _Input, batch: Batch, stored: int, version: int, at_ms: float) -> None:
        counts = batch.counts
        log_format = None if batch.log_format is None else storable(batch.log_format)
        note = None if batch.note is None else storable(batch.note)
        self._db.execute(
            """UPDATE input SET cursor = ?, attempt = ?, dialect = COALESCE(?, dialect), state = 'ok',
                 error = NULL, note = ?, time_inferred = MAX(time_inferred, ?), lag_bytes = ?, last_ok_ms = ?,
                 records = records + ?, matched = matched + ?, unparsed = unparsed + ?,
                 skipped = skipped + ?, bytes = bytes + ?, points = points + ? WHERE id = ?""",
            (
                batch.cursor, known.attempt, log_format, note, batch.time_inferred,
                batch.lag_bytes, at_ms, counts.records, counts.matched, counts.unparsed, counts.skipped,
                counts.bytes, stored, known.id,
            ),
        )  # fmt: skip
        self._db.execute(
            "UPDATE workload SET version = ?1, updated_ms = ?2, created_ms = COALESCE(created_ms, ?2)"
            " WHERE id = ?3",
            (version, at_ms, known.workload_id),
        )


def _unrepeated(points: Columns, stored: Columns | None) -> Columns:
    """Without points that equal one stored, or an earlier one of these, in step, time and value."""
    old = 0 if stored is None else len(stored)
    step, ts, value = points.step, points.ts_ms, points.value
    if stored is not None:
        step = np.concatenate([stored.step, step])
        ts = np.concatenate([stored.ts_ms, ts])
        value = np.concatenate([stored.value, value])
    records = np.empty(len(step), [("step", "i8"), ("ts", "i8"), ("value", "i8")])
    records["step"], records["ts"] = step, np.rint(ts * PARTS).astype(np.int64)
    records["value"] = np.where(np.isnan(value), np.nan, value).view(np.int64)
    _, first = np.unique(records, return_index=True)
    keep = np.zeros(len(step), np.bool_)
    keep[first] = True
    return points.take(keep[old:])


def _earlier(points: Columns, stored: Columns) -> Columns:
    """Those iterations that are not stored yet, or only with a later time."""
    if len(stored) == 0:
        return points
    at = np.minimum(np.searchsorted(stored.step, points.step), len(stored) - 1)
    known = (stored.step[at] == points.step) & (stored.ts_ms[at] <= points.ts_ms)
    return points.take(~known)


def _encoded(value: Fact) -> str:
    return msgspec.json.encode(storable(value) if isinstance(value, str) else value).decode()
