"""The catalogue of the database: workloads, their inputs, facts, series and counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from lensd.model import Fact, Restarts
from lensd.store.plan import Member, PlanInput, Span


class Workload(NamedTuple):
    """A workload as its row holds it. created_ms, updated_ms: UTC milliseconds of its first batch and of the
    last one with anything in it; version: the store's version after its last batch."""

    id: int
    uid: str
    folder: str
    created_ms: float | None
    updated_ms: float | None
    version: int


class StoredInput(msgspec.Struct):
    """An input with what was read of it so far. Times are UTC milliseconds.

    id: the input's own id, not that of its row. workload: uid. state: new, ok, waiting, gone, dead or merged.
    min_ts, max_ts: the range of its points' times, None where it has no points.
    """

    id: str
    workload: str
    data_source: str
    adapter: str
    path: str
    name: str
    why: str
    structured: bool
    restarts: Restarts
    log_format: str | None
    state: str
    points: int
    records: int
    matched: int
    unparsed: int
    skipped: int
    lag_bytes: int
    last_ok_ms: float | None
    error: str | None
    note: str | None
    time_inferred: bool
    min_ts: float | None
    max_ts: float | None


class InputFact(NamedTuple):
    """A fact and the input that reported it. read_ms: when that input was last read, 0 for never."""

    adapter: str
    input_name: str
    read_ms: float
    name: str
    value: Fact


class ViewCount(NamedTuple):
    """What a workload shows under one data source, kind and name. The name of iterations is ''."""

    data_source: str
    kind: str
    name: str
    points: int
    max_step: int | None


class Catalogue:
    """Reads catalogue rows through one connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def version(self) -> int:
        """Rises by one with every batch."""
        return int(self._db.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()[0])

    def workload(self, uid: str) -> Workload | None:
        return next(self._workloads("WHERE uid = ?", (uid,)), None)

    def workloads(self) -> list[Workload]:
        """All workloads, by uid."""
        return list(self._workloads("ORDER BY uid", ()))

    def _workloads(self, clause: str, parameters: tuple[str, ...]) -> Iterator[Workload]:
        sql = f"SELECT id, uid, folder, created_ms, updated_ms, version FROM workload {clause}"
        return (Workload(*row) for row in self._db.execute(sql, parameters))

    def inputs(self, workload_id: int) -> list[StoredInput]:
        """The inputs of a workload, by data source and path."""
        sql = """
            SELECT key, uid, data_source, adapter, path, name, why, structured, restarts, dialect, state,
                   points, records, matched, unparsed, skipped, lag_bytes, last_ok_ms, error, note,
                   time_inferred, min_ts, max_ts
            FROM input JOIN workload ON workload.id = workload_id
            WHERE workload_id = ? ORDER BY data_source, path"""
        return [_stored_input(row) for row in self._db.execute(sql, (workload_id,))]

    def facts(self, workload_id: int) -> dict[str, Fact]:
        """The facts of a workload. Where inputs disagree, structured ones win, then later ones."""
        return {fact.name: fact.value for fact in self.input_facts(workload_id)}

    def input_facts(self, workload_id: int) -> list[InputFact]:
        """The facts of a workload as each of its inputs reports them, the one that wins last."""
        sql = """
            SELECT adapter, input.name, coalesce(last_ok_ms, 0), fact.name, value
            FROM fact JOIN input ON input.id = input_id
            WHERE workload_id = ? AND state != 'merged' ORDER BY structured, input.id"""
        return [
            InputFact(adapter, input_name, read_ms, name, msgspec.json.decode(value))
            for adapter, input_name, read_ms, name, value in self._db.execute(sql, (workload_id,))
        ]

    def counts(self, workload_id: int) -> list[ViewCount]:
        """How many points every view of a workload shows, as counted when they were written."""
        sql = "SELECT data_source, kind, name, points, max_step FROM view WHERE workload_id = ?"
        return [ViewCount(*row) for row in self._db.execute(sql, (workload_id,))]

    def members(
        self, workload_id: int, *, data_source: str | None = None, kind: str | None = None
    ) -> list[Member]:
        """The series of a workload that hold points, in the order first seen."""
        inputs = {row.id: row for row in self._plan_inputs(workload_id)}
        sql = """
            SELECT series.id, series.name, kind, iterates, input_id, unit, span.attempt, span.points,
                   last_step, min_step, max_step, span.min_ts, span.max_ts
            FROM input JOIN series ON series.input_id = input.id JOIN span ON span.series_id = series.id
            WHERE workload_id = ?1 AND (?2 IS NULL OR data_source = ?2) AND (?3 IS NULL OR kind = ?3)
            ORDER BY series.id, span.attempt"""
        members: dict[int, Member] = {}
        rows = self._db.execute(sql, (workload_id, data_source, kind))
        for series, name, kind_, iterates, input_id, unit, *span in rows:
            if input_id not in inputs:  # merged into another
                continue
            member = members.get(series)
            if member is None:
                member = Member(series, name, kind_, bool(iterates), inputs[input_id], unit=unit)
                members[series] = member
            member.spans.append(Span(*span))
        return list(members.values())

    def _plan_inputs(self, workload_id: int) -> Iterator[PlanInput]:
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
            yield PlanInput(
                row[0], row[1], row[2], row[3], bool(row[4]), Restarts(row[5]), row[6], row[7],
                begins.get(row[0], {}), bool(row[8]),
            )  # fmt: skip

    def has_mixed_times(self, workload_id: int, data_source: str | None = None) -> bool:
        """Whether some inputs of a workload have inferred times (of this data source, if one is given), and
        others only times that were written."""
        sql = (
            "SELECT min(time_inferred), max(time_inferred AND (?2 IS NULL OR data_source = ?2)) FROM input"
            " WHERE workload_id = ?1 AND min_ts IS NOT NULL"
        )
        return tuple(self._db.execute(sql, (workload_id, data_source)).fetchone()) == (0, 1)

    def label_strings(self, codes: Iterable[int]) -> dict[int, str]:
        """The strings that codes of label series stand for, by code."""
        distinct = sorted(set(codes))
        strings: dict[int, str] = {}
        for at in range(0, len(distinct), 500):
            some = distinct[at : at + 500]
            marks = ",".join("?" * len(some))
            sql = f"SELECT code, text FROM label_text WHERE code IN ({marks})"
            strings.update(self._db.execute(sql, some))
        return strings


def _stored_input(row: tuple[Any, ...]) -> StoredInput:
    stored = StoredInput(*row)
    stored.structured, stored.time_inferred = bool(stored.structured), bool(stored.time_inferred)
    stored.restarts = Restarts(stored.restarts)
    return stored
