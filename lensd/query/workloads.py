"""Workloads as a whole: their facts, their progress, whether they run, and the inputs they are read from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from lensd.model import SET_ASIDE, Fact
from lensd.query import status
from lensd.query.results import InputInfo, WorkloadInfo
from lensd.query.timing import steps_per_second
from lensd.store.catalogue import StoredInput, Workload
from lensd.store.plan import BEYOND, Member, Part, plan, plan_iterations, shown
from lensd.store.reader import Reader
from lensd.wandb.framework import LISTED


@dataclass(slots=True)
class Summary:
    """One workload in numbers.

    sources: the data sources that reported iterations, by name. iteration: the last one of the current
    attempt. target: the target iteration, in the unit of `iteration`. min_ts, end_ts: the range of its
    points' times, UTC milliseconds, if possible of those that were written down. max_ts: the last of all
    times, inferred ones included. now_ms: when it was summarised.
    """

    workload: Workload
    facts: dict[str, Fact]
    inputs: list[StoredInput]
    sources: list[str]
    iteration: int | None
    target: int | None
    min_ts: float | None
    end_ts: float | None
    max_ts: float | None
    steps_per_second: float | None
    now_ms: float


def summary_of(reader: Reader, workload: Workload) -> Summary:
    """Summarise a workload. Reads a handful of rows, however many points it has."""
    facts = reader.facts(workload.id)
    inputs = reader.inputs(workload.id)
    members = reader.members(workload.id)
    iteration = _last_iteration(members)
    target = facts.get("target_iteration")
    if not isinstance(target, int):
        target = _last_target(reader, members)
    if target is not None and iteration is not None and iteration > target:
        target = None  # in another unit than the source that is furthest on: epochs beside steps
    return Summary(
        workload,
        facts,
        inputs,
        sorted(count.data_source for count in reader.counts(workload.id) if count.kind == "iteration"),
        iteration,
        target,
        *_span(inputs),
        max((input.max_ts for input in inputs if input.max_ts is not None), default=None),
        steps_per_second(members),
        reader.now_ms,
    )


def _span(inputs: Sequence[StoredInput]) -> tuple[float | None, float | None]:
    """The first and last time of inputs whose times were written down, if there are such. An inferred end
    beside a written start would be no duration."""
    spans = [(i.min_ts, i.max_ts, i.time_inferred) for i in inputs if i.min_ts is not None]
    timed = [span for span in spans if not span[2]] or spans
    ends = [end for _, end, _ in timed if end is not None]
    return min((begin for begin, _, _ in timed), default=None), max(ends, default=None)


def summaries(reader: Reader, only: Collection[str] | None = None) -> list[Summary]:
    """All workloads by uid, or only those with these uids. A folder with nothing but files that were set
    aside as data is none."""
    return [
        summary
        for summary in (
            summary_of(reader, workload)
            for workload in reader.workloads()
            if only is None or workload.uid in only
        )
        if not summary.inputs or any(input.log_format != SET_ASIDE for input in summary.inputs)
    ]


def status_of(summary: Summary) -> str:
    """The status of a workload: see lensd.query.status."""
    signs = status.Signs(
        summary.facts,
        summary.iteration,
        summary.target,
        summary.steps_per_second,
        summary.max_ts,
        summary.workload.updated_ms,
    )
    return status.status_of(signs, summary.now_ms)


def workloads(
    reader: Reader,
    q: str | None,
    wanted: frozenset[str] | None,
    condition: Callable[[Mapping[str, Fact]], bool] = lambda facts: True,
    only: Collection[str] | None = None,
) -> list[WorkloadInfo]:
    """All workloads by uid, restricted to those whose uid or name contains `q`, to those with one of the
    `wanted` statuses and to those whose facts fulfil the condition. only: these uids; None for all."""
    infos = [workload_info(summary) for summary in summaries(reader, only) if condition(summary.facts)]
    return [
        info
        for info in infos
        if (q is None or q.lower() in info.uid.lower() or q.lower() in info.name.lower())
        and (wanted is None or info.status in wanted)
    ]


def workload_info(summary: Summary) -> WorkloadInfo:
    """A workload as the list of workloads shows it."""
    workload = summary.workload
    framework = summary.facts.get("framework")
    return WorkloadInfo(
        uid=workload.uid,
        name=_name(workload, summary.facts),
        status=status_of(summary),
        framework=LISTED.get(framework, framework) if isinstance(framework, str) else None,
        data_sources=summary.sources,
        iteration=summary.iteration,
        target_iteration=summary.target,
        created_at=_rounded(summary.min_ts if summary.min_ts is not None else workload.created_ms),
        updated_at=_rounded(summary.end_ts if summary.end_ts is not None else workload.updated_ms),
        steps_per_second=summary.steps_per_second,
        times_inferred=sorted({input.data_source for input in summary.inputs if input.time_inferred}),
        warnings=[
            sentence_about(input, sentence)
            for input in summary.inputs
            if input.log_format != SET_ASIDE
            for sentence in (input.error, input.note)
            if sentence
        ],
    )


def sentence_about(input: StoredInput, sentence: str) -> str:
    """A sentence that names the input that it is about."""
    return sentence if sentence.startswith(input.name) else f"{input.name}: {sentence}"


def _name(workload: Workload, facts: Mapping[str, Fact]) -> str:
    """What people call a workload: the name or alias that its run was given, else its uid."""
    name = facts.get("name") or facts.get("alias")
    return name if isinstance(name, str) and name else workload.uid


def inputs(reader: Reader, uid: str | None) -> list[InputInfo]:
    """The inputs of a workload, or of all, with what is hidden of each and by which others."""
    workloads = reader.workloads() if uid is None else [reader.workload(uid)]
    infos: list[InputInfo] = []
    for workload in workloads:
        if workload is None:
            continue
        name = _name(workload, reader.facts(workload.id))
        hidden = _hidden(reader.members(workload.id, kind="metric"))
        for stored in reader.inputs(workload.id):
            hidden_by, hidden_points = hidden.get(stored.id, (set(), 0))
            fields = msgspec.structs.asdict(stored)
            fields |= {"workload_name": name, "hidden_by": sorted(hidden_by), "hidden_points": hidden_points}
            infos.append(InputInfo(**fields))
    return infos


def _hidden(metrics: Sequence[Member]) -> dict[str, tuple[set[str], int]]:
    """For each input that is hidden: the inputs shown in its place, and how many of its points are hidden."""
    by_name: dict[tuple[str, str], list[Member]] = {}
    for member in metrics:
        by_name.setdefault((member.input.data_source, member.name), []).append(member)
    hidden: dict[str, tuple[set[str], int]] = {}
    for members in by_name.values():
        if len(members) < 2:
            continue
        shown_inputs = {member.input.key for member in shown(members)}
        for member in members:
            if member.input.key not in shown_inputs:
                hidden_by, points = hidden.get(member.input.key, (set(), 0))
                points += sum(span.points for span in member.spans)
                hidden[member.input.key] = (hidden_by | shown_inputs, points)
    return hidden


def _last_iteration(members: Sequence[Member]) -> int | None:
    """The last step shown of the current attempt, of the source that is furthest on."""
    spans = {(member.series, span.attempt): span for member in members for span in member.spans}
    steps = [
        spans[part.series, part.attempt].max_step
        for source in {member.input.data_source for member in members}
        for part in _iteration_parts(members, source)
        if part.hi == BEYOND
    ]
    return max(steps, default=None)


def _iteration_parts(members: Sequence[Member], source: str) -> list[Part]:
    of_source = [member for member in members if member.input.data_source == source]
    return plan_iterations(
        [member for member in of_source if member.kind == "metric"],
        [member for member in of_source if member.kind == "iteration"],
    )


def _last_target(reader: Reader, members: Sequence[Member]) -> int | None:
    """The target iteration reported last, looked for in the last window of each attempt."""
    for member in members:
        if member.kind != "iteration":
            continue
        for part in reversed(plan([member])):
            windows = reader.windows(part)
            if windows:
                values = reader.read_window(windows[-1], part, kind="iteration").value
                targets = values[np.isfinite(values)]
                if len(targets):
                    return int(targets[-1])
    return None


def _rounded(ts_ms: float | None) -> int | None:
    return round(ts_ms) if ts_ms is not None else None
