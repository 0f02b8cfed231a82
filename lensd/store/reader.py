"""Reads one state of the database: catalogue rows and columns of points, never more than is asked for."""

from __future__ import annotations

import itertools
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from lensd.model import Fact, LineMark, Restarts
from lensd.store.chunks import PARTS, ChunkError, decode_floats, decode_ints
from lensd.store.columns import Columns, earliest, empty, joined, newest
from lensd.store.errors import StoreError
from lensd.store.plan import BEYOND, LOWEST, InputRow, Member, Part, Span

_SUMMARY = (
    "id, points, finite, ascending, min_step, max_step, min_ts, max_ts, version,"
    " low_step, low_ts, low, high_step, high_ts, high"
)


@dataclass(frozen=True, slots=True)
class Workload:
    id: int
    uid: str
    folder: str
    created_ms: float | None
    updated_ms: float | None
    version: int


class ChunkInfo(msgspec.Struct, array_like=True, frozen=True):
    """A sealed chunk as its row describes it, undecoded; `low` and `high`: its least and greatest value."""

    id: int
    points: int
    finite: int
    ascending: int
    min_step: int
    max_step: int
    min_ts: float
    max_ts: float
    version: int
    low_step: int | None
    low_ts: float | None
    low: float | None
    high_step: int | None
    high_ts: float | None
    high: float | None


@dataclass(slots=True)
class StepWindow:
    """Consecutive blocks (and the head) of a part whose steps overlap, so that they must be read together."""

    blocks: list[ChunkInfo]
    head: Columns | None
    min_step: int
    max_step: int
    min_ts: float
    max_ts: float

    @property
    def points(self) -> int:
        return sum(block.points for block in self.blocks) + (len(self.head) if self.head else 0)


class Reader:
    """Reads through one connection, on one thread at a time; all that one reader sees is of one moment."""

    def __init__(self, db: sqlite3.Connection, path: str, now_ms: float = 0.0) -> None:
        self._db = db
        self._path = path
        self.now_ms = now_ms  # the wall clock when the read began, UTC milliseconds
        self.deadline = math.inf  # of the monotonic clock, seconds

    def allow(self, seconds: float) -> None:
        """Let it read for so long from now on; what waits for its answers should not count as reading."""
        self.deadline = time.monotonic() + seconds

    def rows(self, sql: str, parameters: Iterable[object] = ()) -> list[tuple[object, ...]]:
        return self._db.execute(sql, tuple(parameters)).fetchall()

    # Catalogue

    def version(self) -> int:
        return int(self._db.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()[0])

    def workload(self, uid: str) -> Workload | None:
        found = self._workloads("WHERE uid = ?", (uid,))
        return found[0] if found else None

    def workloads(self) -> list[Workload]:
        return self._workloads("ORDER BY uid", ())

    def _workloads(self, where: str, parameters: tuple[object, ...]) -> list[Workload]:
        sql = f"SELECT id, uid, folder, created_ms, updated_ms, version FROM workload {where}"
        return [Workload(*row) for row in self._db.execute(sql, parameters)]

    def facts(self, workload_id: int) -> dict[str, Fact]:
        """All facts of a workload; where two inputs tell one, the input read last in order of its id wins."""
        sql = (
            "SELECT fact.name, value FROM fact JOIN input ON input.id = input_id"
            " WHERE workload_id = ? ORDER BY structured, input.id"
        )
        return {name: msgspec.json.decode(value) for name, value in self._db.execute(sql, (workload_id,))}

    def counts(self, workload_id: int) -> list[tuple[str, str, str, int, int | None]]:
        """(data source, kind, name, points shown, greatest step) of every view, kept at write time."""
        sql = "SELECT data_source, kind, name, points, max_step FROM view WHERE workload_id = ?"
        return self._db.execute(sql, (workload_id,)).fetchall()

    def members(
        self,
        workload_id: int,
        *,
        data_source: str | None = None,
        kind: str | None = None,
        name: str | None = None,
    ) -> list[Member]:
        """The series of a workload that hold points, in the order first seen."""
        where, parameters = "workload_id = ?", [workload_id]
        for column, value in (("data_source", data_source), ("kind", kind), ("series.name", name)):
            if value is not None:
                where += f" AND {column} = ?"
                parameters.append(value)  # type: ignore[arg-type]  # SQL parameters of mixed type
        inputs = {row.id: row for row in self._inputs(workload_id)}
        sql = f"""
            SELECT series.id, series.name, kind, iterates, input_id, unit, span.attempt, span.points,
                   last_step, min_step, max_step, span.min_ts, span.max_ts
            FROM input JOIN series ON series.input_id = input.id JOIN span ON span.series_id = series.id
            WHERE {where} ORDER BY series.id, span.attempt"""
        found: dict[int, Member] = {}
        for series, label, of_kind, iterates, input_id, unit, *span in self._db.execute(sql, parameters):
            member = found.get(series)
            if member is None:
                member = Member(series, label, of_kind, bool(iterates), inputs[input_id], unit=unit)
                found[series] = member
            member.spans.append(Span(*span))
        return list(found.values())

    def _inputs(self, workload_id: int) -> Iterator[InputRow]:
        begins: dict[int, dict[int, int]] = {}
        sql = (
            "SELECT input_id, attempt.attempt, first_step FROM attempt JOIN input ON input.id = input_id"
            " WHERE workload_id = ?"
        )
        for input_id, attempt, first_step in self._db.execute(sql, (workload_id,)):
            begins.setdefault(input_id, {})[attempt] = first_step
        sql = (
            "SELECT id, key, data_source, path, structured, restarts, min_ts, max_ts, time_inferred"
            " FROM input WHERE workload_id = ? AND min_ts IS NOT NULL"
        )
        for row in self._db.execute(sql, (workload_id,)):
            yield InputRow(
                row[0], row[1], row[2], row[3], bool(row[4]), Restarts(row[5]), row[6], row[7],
                begins.get(row[0], {}), bool(row[8]),
            )  # fmt: skip

    def label_texts(self, codes: Iterable[int]) -> dict[int, str]:
        """The texts that the codes of label series stand for."""
        wanted = sorted(set(codes))
        found: dict[int, str] = {}
        for at in range(0, len(wanted), 500):
            some = wanted[at : at + 500]
            marks = ",".join("?" * len(some))
            found.update(self._db.execute(f"SELECT code, text FROM label_text WHERE code IN ({marks})", some))
        return found

    def line_marks(self, input_key: str) -> list[LineMark]:
        sql = (
            "SELECT line, piece, byte_offset FROM line_mark JOIN input ON input.id = input_id"
            " WHERE key = ? ORDER BY line"
        )
        return [LineMark(*row) for row in self._db.execute(sql, (input_key,))]

    def log_lines(self, input_key: str, first: int, most: int) -> list[tuple[int, str]]:
        """Up to `most` lines of console output, with their numbers, from the number `first` on."""
        sql = (
            "SELECT line, text FROM log_line JOIN input ON input.id = input_id"
            " WHERE key = ? AND line >= ? ORDER BY line LIMIT ?"
        )
        return [(int(line), str(text)) for line, text in self._db.execute(sql, (input_key, first, most))]

    def log_line_from_end(self, input_key: str, lines: int) -> int:
        """The number of the first of the last so many lines; of the line to come where none is wanted."""
        sql = (
            "SELECT line FROM log_line JOIN input ON input.id = input_id"
            " WHERE key = ? ORDER BY line DESC LIMIT 1 OFFSET ?"
        )
        if lines == 0:
            last = self._db.execute(sql, (input_key, 0)).fetchone()
            return int(last[0]) + 1 if last else 0
        found = self._db.execute(sql, (input_key, lines - 1)).fetchone()
        return int(found[0]) if found else 0

    # Points

    def windows(self, part: Part) -> list[StepWindow]:
        """The part as windows of ascending, disjoint step ranges; blocks are described, not decoded."""
        sql = (
            f"SELECT {_SUMMARY} FROM chunk WHERE series_id = ? AND attempt = ?"
            " AND max_step >= ? AND min_step < ? ORDER BY id"
        )
        blocks = [
            ChunkInfo(*row) for row in self._db.execute(sql, (part.series, part.attempt, part.lo, part.hi))
        ]
        windows = [
            StepWindow([block], None, block.min_step, block.max_step, block.min_ts, block.max_ts)
            for block in blocks
        ]
        head = self._head(part)
        if len(head):
            times = head.ts_ms
            windows.append(
                StepWindow(
                    [],
                    head,
                    int(head.step.min()),
                    int(head.step.max()),
                    float(times.min()),
                    float(times.max()),
                )
            )
        return merge_windows(windows)

    def read_window(self, window: StepWindow, part: Part, *, kind: str = "metric") -> Columns:
        """The points of a window that the part shows: one a step, ascending."""
        pieces = [self._decode(block) for block in window.blocks]
        if window.head is not None:
            pieces.append(window.head)
        points = joined(pieces).between(part.lo, part.hi)
        return earliest(points) if kind == "iteration" else newest(points)

    def read_values(self, part: Part) -> Columns:
        """Like `read`, of steps and values alone: times and versions are not decoded and mean nothing."""
        pieces = []
        for window in self.windows(part):
            if window.head is None and len(window.blocks) == 1 and window.blocks[0].ascending:
                pieces.append(self._decode_values(window.blocks[0]).between(part.lo, part.hi))
            else:
                points = self.read_window(window, part)
                pieces.append(Columns(points.step, points.value, points.value, points.step))
        step = np.concatenate([piece.step for piece in pieces] or [np.empty(0, np.int64)])
        value = np.concatenate([piece.value for piece in pieces] or [np.empty(0)])
        return Columns(step, value, value, step)

    def read(self, part: Part, lo: int = LOWEST, hi: int = BEYOND, *, kind: str = "metric") -> Columns:
        """The points of a part with lo <= step < hi: one a step, ascending."""
        inner = Part(part.series, part.attempt, max(lo, part.lo), min(hi, part.hi), part.number)
        return joined([self.read_window(window, inner, kind=kind) for window in self.windows(inner)])

    def written(self, part: Part, lo: int = LOWEST, hi: int = BEYOND) -> Columns:
        """All points of a part with lo <= step < hi as they were written, repeated steps and all."""
        inner = Part(part.series, part.attempt, max(lo, part.lo), min(hi, part.hi))
        sql = (
            f"SELECT {_SUMMARY} FROM chunk WHERE series_id = ? AND attempt = ?"
            " AND max_step >= ? AND min_step < ? ORDER BY id"
        )
        rows = self._db.execute(sql, (part.series, part.attempt, inner.lo, inner.hi)).fetchall()
        pieces = [self._decode(ChunkInfo(*row)) for row in rows]
        pieces.append(self._head(inner))
        return joined(pieces).between(inner.lo, inner.hi)

    def newer(self, part: Part, version: int) -> Columns:
        """The points of a part that were stored after `version`, as they were written."""
        sql = (
            f"SELECT {_SUMMARY} FROM chunk WHERE series_id = ? AND attempt = ?"
            " AND max_step >= ? AND min_step < ? AND version > ? ORDER BY id"
        )
        bounds = (part.series, part.attempt, part.lo, part.hi, version)
        pieces = [self._decode(ChunkInfo(*row)) for row in self._db.execute(sql, bounds).fetchall()]
        points = joined([*pieces, self._head(part, version)]).between(part.lo, part.hi)
        return points.take(points.version > version)

    def written_head(self, part: Part) -> Columns:
        """The points of a part that are not sealed yet, as they were written."""
        return self._head(part)

    def count(self, part: Part, lo: int = LOWEST, hi: int = BEYOND) -> int:
        """How many finite points a part of a metric shows; decodes only what its chunks' rows leave open."""
        inner = Part(part.series, part.attempt, max(lo, part.lo), min(hi, part.hi))
        total = 0
        for window in self.windows(inner):
            whole = inner.lo <= window.min_step and window.max_step < inner.hi
            if whole and window.head is None and len(window.blocks) == 1 and window.blocks[0].ascending:
                total += window.blocks[0].finite
            else:
                total += int(np.isfinite(self.read_window(window, inner).value).sum())
        return total

    def count_steps(self, parts: Sequence[Part], lo: int = LOWEST, hi: int = BEYOND) -> int:
        """How many distinct steps parts of iteration series hold together."""
        return sum(len(points) for points in self.union(parts, lo, hi))

    def union(self, parts: Sequence[Part], lo: int = LOWEST, hi: int = BEYOND) -> Iterator[Columns]:
        """The steps of several iteration parts as one ascending sequence, each at its earliest time, in
        pieces of bounded size."""
        inner = [Part(p.series, p.attempt, max(lo, p.lo), min(hi, p.hi), p.number) for p in parts]
        for begin, end in self.ranges(inner):
            points = joined([self.read(part, begin, end, kind="iteration") for part in inner])
            if len(points):
                yield earliest(points)

    def ranges(self, parts: Sequence[Part], limit: int = 1 << 16) -> list[tuple[int, int]]:
        """Step ranges `lo <= step < hi` that together cover the parts, about `limit` points in each."""
        starts = sorted((w.min_step, w.points) for part in parts for w in self.windows(part))
        edges, held = [LOWEST], 0
        for step, points in starts:
            if held >= limit and step > edges[-1]:
                edges.append(step)
                held = 0
            held += points
        return list(itertools.pairwise([*edges, BEYOND]))

    def _head(self, part: Part, after: int = -1) -> Columns:
        sql = (
            "SELECT step, ts_ms, value, version FROM head WHERE series_id = ? AND attempt = ?"
            " AND step >= ? AND step < ? AND version > ? ORDER BY id"
        )
        bounds = (part.series, part.attempt, part.lo, part.hi, after)
        rows = self._db.execute(sql, bounds).fetchall()
        if not rows:
            return empty()
        step, ts_ms, value, version = zip(*rows, strict=True)
        return Columns(
            np.array(step, np.int64),
            np.array(ts_ms, np.float64),
            np.array(value, np.float64),  # SQLite has no NaN: it comes back as None, which numpy makes NaN
            np.array(version, np.int64),
        )

    def _decode_values(self, block: ChunkInfo) -> Columns:
        sql = 'SELECT steps, "values" FROM chunk WHERE id = ?'
        steps, values = self._db.execute(sql, (block.id,)).fetchone()
        try:
            step, value = decode_ints(steps, block.points), decode_floats(values, block.points)
        except ChunkError as error:
            raise StoreError(f"{self._path}: chunk {block.id}: {error}") from error
        return Columns(step, value, value, step)

    def _decode(self, block: ChunkInfo) -> Columns:
        sql = 'SELECT steps, times, "values", versions FROM chunk WHERE id = ?'
        steps, times, values, versions = self._db.execute(sql, (block.id,)).fetchone()
        try:
            return Columns(
                decode_ints(steps, block.points),
                decode_ints(times, block.points) / PARTS,
                decode_floats(values, block.points),
                decode_ints(versions, block.points),
            )
        except ChunkError as error:
            raise StoreError(f"{self._path}: chunk {block.id}: {error}") from error


def merge_windows(windows: list[StepWindow]) -> list[StepWindow]:
    """Windows in ascending order, those that overlap merged into one (blocks stay in the order written)."""
    result: list[StepWindow] = []
    for window in sorted(windows, key=lambda w: w.min_step):
        if result and window.min_step <= result[-1].max_step:
            window = _merged(result.pop(), window)
        result.append(window)
    return result


def _merged(first: StepWindow, second: StepWindow) -> StepWindow:
    return StepWindow(
        sorted(first.blocks + second.blocks, key=lambda b: b.id),
        joined([h for h in (first.head, second.head) if h is not None])
        if first.head is not None or second.head is not None
        else None,
        min(first.min_step, second.min_step),
        max(first.max_step, second.max_step),
        min(first.min_ts, second.min_ts),
        max(first.max_ts, second.max_ts),
    )
