"""Workloads as the Lens API shows them: their data sources, metrics, points and iterations."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lensd.model import Floats, Ints
from lensd.query.downsample import downsample
from lensd.query.points import downsampled, slices, total
from lensd.query.results import MetricInfo, PointsInfo, Selection, Slice, SourceCount
from lensd.query.timing import take_times
from lensd.query.workloads import inputs, workloads
from lensd.store.catalogue import Workload
from lensd.store.columns import Columns, joined
from lensd.store.detail import Bounds, BucketRun, buckets_of, drawn, estimate
from lensd.store.levels import level_of
from lensd.store.plan import Member, Part, plan, plan_all, plan_iterations
from lensd.store.reader import Reader
from lensd.wandb.values import is_metadata

_MOST_KEPT = 1 << 17  # iterations of several sources, about, among which to choose
_LONG = 1 << 12  # buckets that must stand for iterations before they do

__all__ = [
    "IterationSlice",
    "available",
    "inputs",
    "is_metric",
    "iteration_times",
    "points",
    "points_by_view",
    "sources",
    "workload_version",
    "workloads",
]


@dataclass(slots=True)
class IterationSlice:
    """Consecutive iterations: `ts_ms` whole UTC milliseconds of the earliest report, `target` NaN where no
    target iteration was reported, `data_source` of that report."""

    iteration: Ints
    ts_ms: Ints
    target: Floats
    data_source: list[str]
    workload: str | None = None  # its uid, where the answer has several

    def __len__(self) -> int:
        return len(self.iteration)


def is_metric(data_source: str, name: str) -> bool:
    """Whether a name is that of a metric, not of W&B's bookkeeping."""
    return data_source != "wandb" or not is_metadata(name)


def workload_version(reader: Reader, uid: str) -> int:
    """Rises with every batch of the workload; 0 for an unknown one."""
    workload = reader.workload(uid)
    return workload.version if workload else 0


def sources(reader: Reader, uid: str) -> list[SourceCount]:
    """The data sources of a workload, the one with most iterations first."""
    workload = reader.workload(uid)
    if workload is None:
        return []
    iterations = [
        SourceCount(count.data_source, count.points)
        for count in reader.counts(workload.id)
        if count.kind == "iteration"
    ]
    return sorted(iterations, key=lambda source: (-source.count, source.name))


def available(reader: Reader, uid: str, data_sources: frozenset[str] | None) -> list[MetricInfo]:
    """The metrics of a workload by name, but for those that show no point."""
    workload = reader.workload(uid)
    metrics: dict[str, MetricInfo] = {}
    counts = sorted(reader.counts(workload.id)) if workload else []
    shown = with_points(reader, workload) if any(not view.points for view in counts) else set()
    for view in counts:
        source, name = view.data_source, view.name
        is_shown = view.points or (source, name) in shown
        is_selected = data_sources is None or source in data_sources
        if view.kind == "metric" and is_shown and is_selected and is_metric(source, name):
            metric = metrics.setdefault(name, MetricInfo(name, [], 0))
            metric.data_source.append(source)
            metric.count += view.points
    for metric in metrics.values():
        if not metric.count:
            metric.note = "only NaN or infinite values"
    return [metrics[name] for name in sorted(metrics)]


def with_points(reader: Reader, workload: Workload | None) -> set[tuple[str, str]]:
    """The data sources and names of metrics that show points, whatever their values."""
    views: dict[tuple[str, str], list[Member]] = {}
    for member in reader.members(workload.id, kind="metric") if workload else []:
        views.setdefault((member.input.data_source, member.name), []).append(member)
    return {view for view, members in views.items() if plan(members)}


def points(reader: Reader, uid: str, selection: Selection) -> tuple[PointsInfo, Iterator[Slice]]:
    """The points selected, by metric name, data source, timestamp and iteration; only finite ones.

    Each slice is read when the iterator is advanced, which must happen on the reader's thread.
    """
    info, views = points_by_view(reader, uid, selection)
    return info, itertools.chain.from_iterable(slices for _, _, slices in views)


def points_by_view(
    reader: Reader, uid: str, selection: Selection
) -> tuple[PointsInfo, list[tuple[str, str, Iterator[Slice]]]]:
    """Like `points`, with an iterator for each (metric name, data source, slices)."""
    workload = reader.workload(uid)
    info = PointsInfo(reader.version())
    views: dict[tuple[str, str], list[Member]] = {}
    if workload is not None:
        take_times(reader, workload.id, selection.only_source)
        for member in reader.members(workload.id, data_source=selection.only_source, kind="metric"):
            source = member.input.data_source
            selected = selection.metrics is None or member.name in selection.metrics
            if selected and is_metric(source, member.name) and selection.has(source, member.input.key):
                views.setdefault((member.name, source), []).append(member)
    plans = [(view, _planned(views[view], selection)) for view in sorted(views)]
    totals: list[int] = [0] * len(plans)
    if selection.downsample is not None:
        counts = [total(reader, parts, selection) for _, parts in plans]
        info.total_points = sum(finite for _, finite in counts)
        totals = [points for points, _ in counts]
    return info, [
        (name, source, _point_slices(reader, name, source, parts, count, selection))
        for ((name, source), parts), count in zip(plans, totals, strict=True)
    ]


def _planned(members: list[Member], selection: Selection) -> list[Part]:
    if selection.attempt == "current":
        return plan(members)
    return plan_all(members, None if selection.attempt == "all" else selection.attempt)


def _point_slices(
    reader: Reader, name: str, source: str, parts: list[Part], count: int, selection: Selection
) -> Iterator[Slice]:
    if selection.downsample is None:
        pieces = slices(reader, parts, selection)
    else:
        pieces = downsampled(reader, parts, selection, count)
    for columns, number in pieces:
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
    """When each iteration was first reported, ascending, by the selected data source or by any."""
    workload = reader.workload(uid)
    info = PointsInfo(reader.version())
    by_source: dict[str, list[Part]] = {}
    if workload is not None:
        take_times(reader, workload.id, selection.only_source)
        members = [
            member
            for member in reader.members(workload.id, data_source=selection.only_source)
            if selection.has(member.input.data_source, member.input.key)
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
        bounds = Bounds(selection.start_ms, selection.end_ms, selection.since)
        points = estimate(reader, [p for parts in by_source.values() for p in parts], bounds)
        level = level_of(points, _LONG)
        if level >= 0 and len(by_source) == 1:
            ((source, parts),) = by_source.items()
            if _are_disjoint(reader, parts):
                info.total_points, sampled = _sampled_iterations(reader, source, parts, level, bounds)
                return info, iter(_downsampled_iterations([sampled], selection.downsample))
        info.total_points, kept = _kept_iterations(stream, max(1, points // _MOST_KEPT))
        return info, iter(_downsampled_iterations(kept, selection.downsample))
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
        points = joined(pieces)
        origin = np.repeat(np.arange(len(names)), [len(piece) for piece in pieces])
        order = np.lexsort((origin, points.ts_ms, points.step))
        step = points.step[order]
        first = np.append(True, step[1:] != step[:-1]) if len(step) else np.empty(0, np.bool_)
        chosen = order[first]
        ts_ms = np.rint(points.ts_ms[chosen]).astype(np.int64)
        keep = np.ones(len(chosen), np.bool_)
        if selection.start_ms is not None and selection.end_ms is not None:
            keep = (ts_ms >= selection.start_ms) & (ts_ms <= selection.end_ms)
        if selection.since is not None:
            keep &= points.version[chosen] > selection.since
        chosen = chosen[keep]
        if len(chosen):
            yield IterationSlice(
                points.step[chosen],
                ts_ms[keep],
                points.value[chosen],
                [names[index] for index in origin[chosen]],
            )


def _are_disjoint(reader: Reader, parts: Sequence[Part]) -> bool:
    """Whether no step is in two parts."""
    ends = [(w[0].min_step, w[-1].max_step) for w in (reader.windows(part) for part in parts) if w]
    return all(before[1] < after[0] for before, after in itertools.pairwise(sorted(ends)))


def _sampled_iterations(
    reader: Reader, source: str, parts: Sequence[Part], level: int, bounds: Bounds
) -> tuple[int, IterationSlice]:
    """(how many iterations, one of each bucket): where a bucket has a target, one that reports it."""
    total, pieces = 0, []
    for part in parts:
        for piece in drawn(reader, part, level, bounds):
            if isinstance(piece, BucketRun):
                buckets = buckets_of(reader, part, piece)
                total += int(buckets.points.sum())
                has_target = buckets.finite > 0
                step = np.where(has_target, buckets.low_step, buckets.first_step)
                ts_ms = np.where(has_target, buckets.low_ts, buckets.first_ts)
                version = np.full(len(step), piece.node.version, np.int64)
                pieces.append(Columns(step, ts_ms, buckets.low, version))
            else:
                points = reader.read_window(piece.window, piece.part, kind="iteration")
                points = points.take(bounds.contain(points))
                total += len(points)
                pieces.append(points)
    points = joined(pieces)
    points = points.take(np.argsort(points.step, kind="stable"))
    ts_ms = np.rint(points.ts_ms).astype(np.int64)
    return total, IterationSlice(points.step, ts_ms, points.value, [source] * len(points))


def _kept_iterations(stream: Iterable[IterationSlice], stride: int) -> tuple[int, list[IterationSlice]]:
    """(how many iterations there are, one in `stride` of them, and the ends of each slice and of the longest
    pause in it). For several sources, which must be read to know when each iteration was reported first."""
    total, kept = 0, []
    for part in stream:
        total += len(part)
        if stride > 1:
            pause = int(np.diff(part.ts_ms).argmax()) if len(part) > 1 else 0
            ends = [pause, min(pause + 1, len(part) - 1), len(part) - 1]
            index = np.union1d(np.arange(0, len(part), stride), ends)
            sources = [part.data_source[at] for at in index.tolist()]
            part = IterationSlice(part.iteration[index], part.ts_ms[index], part.target[index], sources)
        kept.append(part)
    return total, kept


def _downsampled_iterations(all_slices: list[IterationSlice], count: int) -> list[IterationSlice]:
    if not all_slices:
        return []
    step = np.concatenate([part.iteration for part in all_slices])
    ts_ms = np.concatenate([part.ts_ms for part in all_slices])
    target = np.concatenate([part.target for part in all_slices])
    source = [name for part in all_slices for name in part.data_source]
    index = downsample(step, ts_ms.astype(np.float64), count)
    return [IterationSlice(step[index], ts_ms[index], target[index], [source[at] for at in index])]
