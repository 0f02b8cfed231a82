"""What the Lens dialect asks of a workload: its sources, its metrics, their points, its iterations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lensd.model import Floats, Ints
from lensd.query.downsample import thin
from lensd.query.points import slices, thinned, total
from lensd.query.results import MetricInfo, PointsInfo, Selection, Slice, SourceCount
from lensd.query.workloads import inputs, workloads
from lensd.store.columns import joined
from lensd.store.plan import Member, Part, plan, plan_all, plan_iterations
from lensd.store.reader import Reader

__all__ = [
    "IterationSlice",
    "available",
    "inputs",
    "is_metric",
    "iteration_times",
    "points",
    "sources",
    "workload_version",
    "workloads",
]

#: What W&B's own rows carry beside metrics (documented for the Lens API).
WANDB_METADATA = frozenset({"step", "run_id", "source", "history", "created_at", "updated_at"})


@dataclass(slots=True)
class IterationSlice:
    """Consecutive iterations: `ts_ms` whole UTC milliseconds of the earliest report, `target` NaN where no
    target iteration was told, `data_source` of that report."""

    iteration: Ints
    ts_ms: Ints
    target: Floats
    data_source: list[str]

    def __len__(self) -> int:
        return len(self.iteration)


def is_metric(data_source: str, name: str) -> bool:
    """Whether a name of a source is a metric rather than W&B's bookkeeping."""
    return data_source != "wandb" or not (name in WANDB_METADATA or name.startswith("_"))


def workload_version(reader: Reader, uid: str) -> int:
    """Rises with every batch of the workload; 0 for one never seen."""
    workload = reader.workload(uid)
    return workload.version if workload else 0


def sources(reader: Reader, uid: str) -> list[SourceCount]:
    """The data sources of a workload, the one with most iterations first."""
    workload = reader.workload(uid)
    if workload is None:
        return []
    counts = {source: n for source, kind, _, n, _ in reader.counts(workload.id) if kind == "iteration"}
    return [SourceCount(name, count) for name, count in sorted(counts.items(), key=lambda c: (-c[1], c[0]))]


def available(reader: Reader, uid: str, data_source: str | None) -> list[MetricInfo]:
    """The metrics of a workload by name."""
    workload = reader.workload(uid)
    found: dict[str, MetricInfo] = {}
    for source, kind, name, count, _ in sorted(reader.counts(workload.id)) if workload else []:
        if kind == "metric" and data_source in (None, source) and is_metric(source, name):
            metric = found.setdefault(name, MetricInfo(name, [], 0))
            metric.data_source.append(source)
            metric.count += count
    return [found[name] for name in sorted(found)]


def points(reader: Reader, uid: str, selection: Selection) -> tuple[PointsInfo, Iterator[Slice]]:
    """The points selected, by metric name, data source, timestamp and iteration; only finite ones.

    The slices are read as they are asked for: one after the other, and on the thread that has the reader.
    """
    workload = reader.workload(uid)
    info = PointsInfo(reader.version())
    views: dict[tuple[str, str], list[Member]] = {}
    if workload is not None:
        for member in reader.members(workload.id, data_source=selection.data_source, kind="metric"):
            source = member.input.data_source
            wanted = selection.metrics is None or member.name in selection.metrics
            if wanted and is_metric(source, member.name) and selection.input in (None, member.input.key):
                views.setdefault((member.name, source), []).append(member)
    plans = [(view, _planned(views[view], selection)) for view in sorted(views)]
    if selection.downsample is not None:
        info.total_points = sum(total(reader, parts, selection) for _, parts in plans)
    return info, _point_slices(reader, plans, selection)


def _planned(members: list[Member], selection: Selection) -> list[Part]:
    if selection.attempt == "current":
        return plan(members)
    return plan_all(members, None if selection.attempt == "all" else selection.attempt)


def _point_slices(
    reader: Reader, plans: list[tuple[tuple[str, str], list[Part]]], selection: Selection
) -> Iterator[Slice]:
    for (name, source), parts in plans:
        stream = slices(reader, parts, selection)
        if selection.downsample is not None:
            stream = thinned(reader, parts, selection)
        for columns, number in stream:
            yield Slice(
                name,
                source,
                columns.step,
                np.rint(columns.ts_ms).astype(np.int64),
                columns.value,
                number if selection.attempt != "current" else None,
            )


def iteration_times(
    reader: Reader, uid: str, selection: Selection
) -> tuple[PointsInfo, Iterator[IterationSlice]]:
    """When each iteration was first reported, ascending; over all sources unless one is selected."""
    workload = reader.workload(uid)
    info = PointsInfo(reader.version())
    by_source: dict[str, list[Part]] = {}
    if workload is not None:
        members = [
            member
            for member in reader.members(workload.id, data_source=selection.data_source)
            if selection.input in (None, member.input.key)
        ]
        for source in sorted({member.input.data_source for member in members}):
            metrics = [m for m in members if m.input.data_source == source and m.kind == "metric"]
            steps = [m for m in members if m.input.data_source == source and m.kind == "iteration"]
            if selection.attempt == "current":
                by_source[source] = plan_iterations(metrics, steps)
            else:
                by_source[source] = _planned(steps, selection)
    stream = _iteration_slices(reader, by_source, selection)
    if selection.downsample is not None:
        every = list(stream)
        info.total_points = sum(len(each) for each in every)
        return info, iter(_thin_iterations(every, selection.downsample))
    return info, stream


def _iteration_slices(
    reader: Reader, by_source: dict[str, list[Part]], selection: Selection
) -> Iterator[IterationSlice]:
    names = sorted(by_source)
    for lo, hi in reader.ranges([part for parts in by_source.values() for part in parts]):
        pieces = [
            joined([reader.read(part, lo, hi, kind="iteration") for part in by_source[name]])
            for name in names
        ]
        every = joined(pieces)
        origin = np.repeat(np.arange(len(names)), [len(piece) for piece in pieces])
        order = np.lexsort((origin, every.ts_ms, every.step))
        step = every.step[order]
        first = np.append(True, step[1:] != step[:-1]) if len(step) else np.empty(0, np.bool_)
        chosen = order[first]
        ts_ms = np.rint(every.ts_ms[chosen]).astype(np.int64)
        keep = np.ones(len(chosen), np.bool_)
        if selection.start_ms is not None and selection.end_ms is not None:
            keep = (ts_ms >= selection.start_ms) & (ts_ms <= selection.end_ms)
        if selection.since is not None:
            keep &= every.version[chosen] > selection.since
        chosen = chosen[keep]
        if len(chosen):
            yield IterationSlice(
                every.step[chosen],
                ts_ms[keep],
                every.value[chosen],
                [names[index] for index in origin[chosen]],
            )


def _thin_iterations(every: list[IterationSlice], count: int) -> list[IterationSlice]:
    if not every:
        return []
    step = np.concatenate([each.iteration for each in every])
    ts_ms = np.concatenate([each.ts_ms for each in every])
    target = np.concatenate([each.target for each in every])
    source = [name for each in every for name in each.data_source]
    kept = thin(step, ts_ms.astype(np.float64), count)
    return [IterationSlice(step[kept], ts_ms[kept], target[kept], [source[index] for index in kept])]
