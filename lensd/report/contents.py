"""What a report says of a run, gathered from the store. Cost follows the number of metrics, not of points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

from lensd.query.details import workload_detail
from lensd.query.events import RunEvent, events
from lensd.query.lens import is_metric, iteration_times
from lensd.query.panels import Panel, PanelQuestion, panels
from lensd.query.results import Selection, WorkloadDetail
from lensd.query.workloads import summary_of
from lensd.report.log_lines import RunLog
from lensd.report.wording import greatest_is_best
from lensd.store import Reader
from lensd.store.detail import Extreme, extremes
from lensd.store.plan import Member, plan

_TIMED_STEPS, _MOST_EVENTS = 400, 60


class MetricReport(msgspec.Struct):
    """One metric under one data source. points: all of them; not_finite: those that are NaN or infinite, and
    the first step of these. best, worst: the least and the greatest value, or the other way round, by what
    the metric is."""

    name: str
    source: str
    points: int
    not_finite: int
    first_not_finite: int | None
    best: Extreme | None
    worst: Extreme | None
    last: Extreme | None


class StepTime(msgspec.Struct):
    """How long a step takes over a stretch of steps, in seconds."""

    first_step: int
    last_step: int
    seconds: float


class ReportedEvent(RunEvent, kw_only=True):
    """An event, with the lines of the log around it."""

    lines: list[str]


class RunReport(msgspec.Struct):
    """A run that is over, or as far as it is.

    duration_s: from its first point to its last. step_times: ascending; empty where times are unknown.
    events: the first of them by time; events_left_out: how many more there are. metrics_left_out: likewise.
    log_tail: the last lines of its log.
    """

    run: WorkloadDetail
    duration_s: float | None
    steps_per_second: float | None
    step_times: list[StepTime]
    events: list[ReportedEvent]
    events_left_out: int
    metrics: list[MetricReport]
    metrics_left_out: int
    log_tail: list[str]


def run_report(reader: Reader, uid: str, most_metrics: int) -> RunReport:
    """Gather the report of a run. most_metrics: of more, those are left out that come last by name. Raises
    KeyError for a run never seen."""
    workload, detail = reader.workload(uid), workload_detail(reader, uid)
    if workload is None or detail is None:
        raise KeyError(uid)
    summary = summary_of(reader, workload)
    views: dict[tuple[str, str], list[Member]] = defaultdict(list)
    for member in reader.members(workload.id, kind="metric"):
        if member.spans and is_metric(member.input.data_source, member.name):
            views[member.name, member.input.data_source].append(member)
    chosen = sorted(views)[:most_metrics]
    drawn = curves(reader, uid, sorted({name for name, _ in chosen}), bins=1)
    numbers = {(panel.metric, series.source): series for panel in drawn for series in panel.series}
    metrics = []
    for name, source in chosen:
        series = numbers.get((name, source))
        if series is None:
            continue
        least, greatest = extremes(reader, plan(views[name, source]))
        last = (
            Extreme(series.last, int(series.last_x))
            if series.last is not None and series.last_x is not None
            else None
        )
        first_bad = int(series.not_finite_x[0]) if series.not_finite_x else None
        best, worst = (greatest, least) if greatest_is_best(name) else (least, greatest)
        metrics.append(
            MetricReport(name, source, series.points, series.not_finite, first_bad, best, worst, last)
        )
    seconds = None
    if summary.min_ts is not None and summary.end_ts is not None:
        seconds = (summary.end_ts - summary.min_ts) / 1000.0
    log = RunLog(reader, uid)
    happened = events(reader, uid).events
    return RunReport(
        detail, seconds, summary.steps_per_second, _step_times(reader, uid),
        [_reported(event, log) for event in happened[:_MOST_EVENTS]], max(0, len(happened) - _MOST_EVENTS),
        metrics, len(views) - len(chosen), log.last(),
    )  # fmt: skip


def _reported(event: RunEvent, log: RunLog) -> ReportedEvent:
    begins_or_ends = event.kind in ("start", "end")
    lines = [] if begins_or_ends or event.iteration is None else log.around(event.iteration)
    return ReportedEvent(**msgspec.structs.asdict(event), lines=lines)


def curves(reader: Reader, uid: str, metrics: Sequence[str], bins: int) -> list[Panel]:
    """The curves of a run over its steps, as the page draws them."""
    return panels(reader, PanelQuestion([uid], metrics, bins=bins)).panels


def _step_times(reader: Reader, uid: str) -> list[StepTime]:
    """By the data source that reported most iterations."""
    _, slices = iteration_times(reader, uid, Selection(downsample=_TIMED_STEPS))
    by_source: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for piece in slices:
        for step, ts_ms, source in zip(
            piece.iteration.tolist(), piece.ts_ms.tolist(), piece.data_source, strict=True
        ):
            by_source[source].append((step, ts_ms))
    if not by_source:
        return []
    points = np.array(max(by_source.values(), key=len))
    if points[-1, 1] <= points[0, 1]:
        return []  # all at once: times of a file that says none
    steps, times = np.diff(points[:, 0]), np.diff(points[:, 1]) / 1000.0
    return [
        StepTime(int(begin), int(begin + count), float(seconds / count))
        for begin, count, seconds in zip(points[:-1, 0], steps, times, strict=True)
        if count > 0 and seconds >= 0
    ]
