"""What is known of a workload as a whole: its facts, how far it is, whether it runs, what it is read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lensd.model import Fact
from lensd.query.results import InputInfo, WorkloadInfo
from lensd.store.plan import BEYOND, Member, Part, plan, plan_iterations, shown
from lensd.store.reader import Reader, Workload

#: A workload that says nothing of its end counts as running for so long after its last sign of life.
QUIET_MS = 10 * 60 * 1000.0


@dataclass(slots=True)
class Summary:
    """One workload in numbers; `*_ts` are UTC milliseconds of its points."""

    workload: Workload
    facts: dict[str, Fact]
    sources: list[str]
    iteration: int | None
    target: int | None
    min_ts: float | None
    max_ts: float | None
    now_ms: float


def summary_of(reader: Reader, workload: Workload) -> Summary:
    """Gather what is known; a handful of rows, whatever the number of points."""
    facts = reader.facts(workload.id)
    counts = [row for row in reader.counts(workload.id) if row[1] == "iteration"]
    ((low, high),) = reader.rows(
        "SELECT MIN(min_ts), MAX(max_ts) FROM input WHERE workload_id = ?", (workload.id,)
    )
    told = facts.get("target_iteration")
    iteration = _last_iteration(reader, workload)
    target = told if isinstance(told, int) else _last_target(reader, workload)
    if target is not None and iteration is not None and iteration > target:
        target = None  # told in another unit than that of the source furthest on: epochs beside steps
    return Summary(
        workload,
        facts,
        sorted(row[0] for row in counts),
        iteration,
        target,
        float(low) if isinstance(low, float) else None,
        float(high) if isinstance(high, float) else None,
        reader.now_ms,
    )


def status_of(known: Summary) -> str:
    """What the run says of itself; else `running` while its last point is recent, then `finished`."""
    told = known.facts.get("status")
    if isinstance(told, str):
        return told
    if known.max_ts is None:
        return "unknown"
    return "running" if known.now_ms - known.max_ts < QUIET_MS else "finished"


def workloads(reader: Reader, q: str | None, status: str | None) -> list[WorkloadInfo]:
    """All workloads by uid; only those whose uid or name holds `q` and whose status is `status`, if given."""
    found = []
    for workload in reader.workloads():
        known = summary_of(reader, workload)
        name = known.facts.get("name")
        framework = known.facts.get("framework")
        info = WorkloadInfo(
            uid=workload.uid,
            name=name if isinstance(name, str) else workload.uid,
            status=status_of(known),
            framework=framework if isinstance(framework, str) else None,
            data_sources=known.sources,
            iteration=known.iteration,
            target_iteration=known.target,
            created_at=_milliseconds(known.min_ts if known.min_ts is not None else workload.created_ms),
            updated_at=_milliseconds(known.max_ts if known.max_ts is not None else workload.updated_ms),
            times_inferred=_inferred(reader, workload),
        )
        sought = q is None or q.lower() in info.uid.lower() or q.lower() in info.name.lower()
        if sought and status in (None, info.status):
            found.append(info)
    return found


def _inferred(reader: Reader, workload: Workload) -> list[str]:
    sql = (
        "SELECT DISTINCT data_source FROM input WHERE workload_id = ? AND time_inferred ORDER BY data_source"
    )
    return [str(source) for (source,) in reader.rows(sql, (workload.id,))]


def inputs(reader: Reader, uid: str | None) -> list[InputInfo]:
    """All inputs (of one workload), with what is hidden of each and by which others."""
    sql = """
        SELECT key, uid, data_source, adapter, path, name, why, dialect, state, points, records, matched,
               unparsed, skipped, lag_bytes, last_ok_ms, error, note, time_inferred
        FROM input JOIN workload ON workload.id = workload_id ORDER BY uid, data_source, path"""
    found: list[InputInfo] = []
    hidden: dict[str, dict[str, tuple[set[str], int]]] = {}
    for row in reader.rows(sql):
        if uid not in (None, row[1]):
            continue
        info = InputInfo(*row)  # type: ignore[arg-type]  # columns in the order of the struct
        info.time_inferred = bool(info.time_inferred)
        if info.workload not in hidden:
            hidden[info.workload] = _hidden(reader, info.workload)
        by, points = hidden[info.workload].get(info.id, (set(), 0))
        info.hidden_by, info.hidden_points = sorted(by), points
        found.append(info)
    return found


def _hidden(reader: Reader, uid: str) -> dict[str, tuple[set[str], int]]:
    """input -> (the inputs shown in its place, how many of its points are not shown for that)."""
    workload = reader.workload(uid)
    named: dict[tuple[str, str], list[Member]] = {}
    for member in reader.members(workload.id, kind="metric") if workload else []:
        named.setdefault((member.input.data_source, member.name), []).append(member)
    result: dict[str, tuple[set[str], int]] = {}
    for members in named.values():
        if len(members) < 2:
            continue
        winners = shown(members)
        keys = {member.input.key for member in winners}
        for member in members:
            if member.input.key not in keys:
                by, points = result.get(member.input.key, (set(), 0))
                result[member.input.key] = (by | keys, points + sum(s.points for s in member.spans))
    return result


def _last_iteration(reader: Reader, workload: Workload) -> int | None:
    """The last step that is shown of the current attempt, of the source that is furthest."""
    members = reader.members(workload.id)
    steps = [
        span.max_step
        for source in {member.input.data_source for member in members}
        for part in _iterations(members, source)
        if part.hi == BEYOND
        for member in members
        if member.series == part.series
        for span in member.spans
        if span.attempt == part.attempt
    ]
    return max(steps, default=None)


def _iterations(members: list[Member], source: str) -> list[Part]:
    of_source = [member for member in members if member.input.data_source == source]
    return plan_iterations(
        [member for member in of_source if member.kind == "metric"],
        [member for member in of_source if member.kind == "iteration"],
    )


def _last_target(reader: Reader, workload: Workload) -> int | None:
    for member in reader.members(workload.id, kind="iteration"):
        for part in reversed(plan([member])):
            windows = reader.windows(part)
            if windows:
                values = reader.read_window(windows[-1], part, kind="iteration").value
                told = values[np.isfinite(values)]
                if len(told):
                    return int(told[-1])
    return None


def _milliseconds(ts_ms: float | None) -> int | None:
    return round(ts_ms) if ts_ms is not None else None
