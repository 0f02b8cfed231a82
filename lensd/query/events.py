"""What happened in a run: its attempts, the first values that are not finite, spikes, stalls, and its end.

What is read is bounded, however long the run. Up to EXACT points of a series are looked at one by one. In a
longer one, buckets stand for points (see `lensd.store.levels`): the values and the silences that stand out
most from the buckets around them are looked up and judged exactly, at most MOST of each kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lensd.model import Floats
from lensd.query.lens import is_metric
from lensd.query.signals import BEFORE, main_metric, spikes, stall_ms
from lensd.query.timing import take_times
from lensd.query.workloads import Summary, status_of, summary_of
from lensd.store.buckets import Buckets
from lensd.store.buckets import joined as joined_buckets
from lensd.store.columns import Columns, empty, joined
from lensd.store.detail import BucketRun, buckets_of, pieces
from lensd.store.levels import level_of
from lensd.store.plan import BEYOND, LOWEST, Member, Part, plan, plan_all, plan_iterations
from lensd.store.reader import Reader

EXACT = 1 << 18
MOST = 100
_BUCKETS = 1 << 12  # at least, where they stand for points
_MOST_NAMES = 200  # metrics in which values that are not finite are looked for
_AROUND = 16  # buckets on either side that one is compared with
_ONGOING = ("running", "unknown")


class RunEvent(msgspec.Struct, kw_only=True):
    """Something that happened in a run.

    time, time_end: UTC ms; time_end only of what lasted. kind: `start`, `attempt` (training began again at an
    earlier step), `nan` (the first NaN or infinite value of a metric), `spike`, `stall`, or `end`.
    text: one sentence. value: that of a spike.
    """

    time: int
    time_end: int | None = None
    kind: str
    text: str
    iteration: int | None = None
    metric: str | None = None
    data_source: str | None = None
    value: float | None = None


class RunEvents(msgspec.Struct):
    """The events of a workload by time. metric: the main metric, in which spikes are looked for unless others
    are named."""

    workload_uid: str
    status: str | None
    metric: str | None
    events: list[RunEvent]
    total_count: int


@dataclass(slots=True)
class _View:
    """What a run shows of one metric under one data source."""

    name: str
    source: str
    members: list[Member] = field(default_factory=list)

    def event(self, kind: str, text: str, points: Columns, at: int) -> RunEvent:
        value = float(points.value[at])
        return RunEvent(
            time=round(points.ts_ms[at]), kind=kind, text=text, iteration=int(points.step[at]),
            metric=self.name, data_source=self.source, value=value if np.isfinite(value) else None,
        )  # fmt: skip


def events(reader: Reader, uid: str, metrics: frozenset[str] | None = None) -> RunEvents:
    """The events of a workload; none of one never seen.

    metrics: names in which to look for spikes and values that are not finite; None for spikes of the main
    metric, and such values in any (the first _MOST_NAMES by name).
    """
    workload = reader.workload(uid)
    if workload is None:
        return RunEvents(uid, None, None, [], 0)
    take_times(reader, workload.id)
    summary = summary_of(reader, workload)
    counts: dict[str, int] = {}
    for source, kind, name, points, _ in reader.counts(workload.id):
        if kind == "metric" and points and is_metric(source, name):
            counts[name] = counts.get(name, 0) + points
    main = main_metric(counts)
    views = _views(reader, workload.id)
    spiking = [view for view in views if view.name in (metrics or {main})][:MOST]
    happened = [*_attempts(views, main), *_stalls(reader, summary), *_ends(summary)]
    for view in [view for view in views if metrics is None or view.name in metrics][:_MOST_NAMES]:
        happened += _first_not_finite(reader, view)
    for view in spiking:
        happened += _spikes(reader, view)
    happened.sort(key=lambda event: (event.time, event.iteration or 0, event.kind, event.metric or ""))
    return RunEvents(uid, status_of(summary), main, happened, len(happened))


def _views(reader: Reader, workload_id: int) -> list[_View]:
    views: dict[tuple[str, str], _View] = {}
    for member in reader.members(workload_id, kind="metric"):
        source = member.input.data_source
        if is_metric(source, member.name):
            views.setdefault((member.name, source), _View(member.name, source)).members.append(member)
    return [views[key] for key in sorted(views)]


def _attempts(views: Sequence[_View], main: str | None) -> Iterator[RunEvent]:
    """Where attempts begin, as the main metric reports them."""
    view = next((view for view in views if view.name == main), None)
    if view is None:
        return
    spans = {(member.series, span.attempt): span for member in view.members for span in member.spans}
    last: int | None = None
    for part in plan_all(view.members):
        span = spans[part.series, part.attempt]
        began = RunEvent(
            time=round(span.min_ts), kind="start", text=f"training starts at step {span.min_step}",
            iteration=span.min_step, data_source=view.source,
        )  # fmt: skip
        if last is not None:
            began.kind = "attempt"
            began.text = f"attempt {part.number} starts at step {span.min_step}, after step {last}"
        last = span.last_step
        yield began


def _ends(summary: Summary) -> Iterator[RunEvent]:
    status = status_of(summary)
    last_ms = summary.max_ts if summary.max_ts is not None else summary.workload.updated_ms
    if status in _ONGOING or last_ms is None:
        return
    where = f" at step {summary.iteration}" if summary.iteration is not None else ""
    yield RunEvent(time=round(last_ms), kind="end", text=f"{status}{where}", iteration=summary.iteration)


def _first_not_finite(reader: Reader, view: _View) -> Iterator[RunEvent]:
    """The first value of a metric that is NaN or infinite: nodes that count fewer finite values than points
    lead to it."""
    for part in plan(view.members):
        points = _not_finite(reader, part, reader.top_level(part))
        if points is not None:
            word = "NaN" if np.isnan(points.value[0]) else "infinite"
            yield view.event("nan", f"{view.name} is {word}", points, 0)
            return


def _not_finite(reader: Reader, part: Part, level: int) -> Columns | None:
    for piece in pieces(reader, part, level):
        if isinstance(piece, BucketRun):
            if piece.whole and piece.node.finite == piece.node.points:
                continue
            buckets = buckets_of(reader, part, piece)
            at = np.flatnonzero(buckets.finite < buckets.points)
            if len(at):
                index = int(at[0])
                ends = [*buckets.first_step.tolist(), BEYOND]
                inner = part.clipped(ends[index], ends[index + 1])
                first = _not_finite(reader, inner, piece.node.level - 1)
                if first is not None:
                    return first
        else:
            window = piece.window
            if window.head is None and all(chunk.finite == chunk.points for chunk in window.chunks):
                continue
            points = reader.read_window(piece.window, piece.part)
            points = points.take(~np.isfinite(points.value))
            if len(points):
                return points
    return None


def _spikes(reader: Reader, view: _View) -> list[RunEvent]:
    """The spikes of a metric, the highest if they are too many. Those that follow one another are one."""
    spikes: list[tuple[float, RunEvent]] = []
    for part in plan(view.members):
        for points, is_spike in _judged(reader, part, _level(view.members)):
            for at in np.flatnonzero(is_spike & ~np.append(False, is_spike[:-1])).tolist():
                usual = float(np.median(points.value[max(0, at - BEFORE) : at]))
                text = f"{view.name} is {points.value[at]:.6g}, where {usual:.6g} was usual"
                spikes.append((abs(points.value[at] - usual), view.event("spike", text, points, at)))
    spikes.sort(key=lambda pair: -pair[0])
    return [event for _, event in spikes[:MOST]]


def _judged(reader: Reader, part: Part, level: int) -> Iterator[tuple[Columns, npt.NDArray[np.bool_]]]:
    """Stretches of finite points, with which of them are spikes. No point is judged twice."""
    outline = _Outline.of(reader, part, level)
    buckets = outline.buckets
    if buckets is None:
        points = _finite(joined([reader.read(stretch) for stretch in outline.holes]))
        yield points, spikes(points.value)
        return
    spacing = float(buckets.first_step[-1] - buckets.first_step[0]) / max(1, int(buckets.points[:-1].sum()))
    for stretch in outline.holes:
        before = _until(reader, part, stretch.lo - 1, spacing)
        points = joined([before, _finite(reader.read(stretch))])
        yield points, spikes(points.value, len(before))
    suspects: set[int] = set()
    for height, step in (
        (buckets.high - buckets.mean, buckets.high_step),
        (buckets.mean - buckets.low, buckets.low_step),
    ):
        height = np.where(buckets.finite > 0, height, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(height / _median_around(height), nan=0.0)
        best = np.argsort(-ratio, kind="stable")[:MOST]
        suspects.update(step[best[ratio[best] > 1.0]].tolist())
    for last in sorted(suspects):
        if not any(stretch.lo <= last < stretch.hi for stretch in outline.holes):
            points = _until(reader, part, last, spacing)
            is_spike = spikes(points.value, len(points) - 1)
            yield points, is_spike & (points.step == last)


def _until(reader: Reader, part: Part, step: int, spacing: float) -> Columns:
    """The finite points of a part up to this step: it and BEFORE before it, where there are as many."""
    if step < LOWEST + (1 << 62):  # nothing is before a stretch that begins with the run
        return empty()
    reach = int(BEFORE * max(1.0, spacing)) + 1
    for _ in range(4):
        points = _finite(reader.read(part, step - reach, step + 1))
        if len(points) > BEFORE:
            break
        reach *= 4
    return points.take(slice(-BEFORE - 1, None))


def _finite(points: Columns) -> Columns:
    return points.take(np.isfinite(points.value))


def _stalls(reader: Reader, summary: Summary) -> list[RunEvent]:
    """Where a run reported nothing for long, as the data source with most iterations among those with times
    of their own reports it, the longest if they are too many. Of a run that runs, also that until now."""
    members = reader.members(summary.workload.id)
    timed = [m for m in members if not m.input.time_inferred or m.series in reader.clocks]
    counts: dict[str, int] = {}
    for member in timed:
        if member.kind == "iteration":
            source = member.input.data_source
            counts[source] = counts.get(source, 0) + sum(span.points for span in member.spans)
    if not counts:
        return []
    source = max(sorted(counts), key=lambda name: counts[name])
    of_source = [member for member in timed if member.input.data_source == source]
    steps = [member for member in of_source if member.kind == "iteration"]
    parts = plan_iterations([member for member in of_source if member.kind == "metric"], steps)
    stalls: list[RunEvent] = []
    step_ms = 0.0
    for part in parts:
        step_ms, silences = _silences(reader, part, _level(steps))
        stalls += [_stall(source, *silence) for silence in silences]
    last_ms = summary.max_ts if status_of(summary) == "running" else None
    if last_ms is not None and summary.now_ms - last_ms > stall_ms(step_ms):
        stalls.append(_stall(source, summary.iteration, last_ms, summary.now_ms))
    stalls.sort(key=lambda event: event.time - (event.time_end or event.time))
    return stalls[:MOST]


def _stall(source: str, step: int | None, begin_ms: float, end_ms: float) -> RunEvent:
    return RunEvent(
        time=round(begin_ms), time_end=round(end_ms), kind="stall", iteration=step, data_source=source,
        text=f"nothing for {(end_ms - begin_ms) / 1000.0:.0f} s after step {step}",
    )  # fmt: skip


def _silences(reader: Reader, part: Part, level: int) -> tuple[float, list[tuple[int, float, float]]]:
    """(the median time of a step, [(last step, begin, end)] of silences that are stalls); times in ms."""
    outline = _Outline.of(reader, part, level)
    stretches = list(outline.holes)
    step_ms = None
    buckets = outline.buckets
    if buckets is not None and len(buckets) > 1:
        lasted, counts = np.diff(buckets.first_ts), buckets.points[:-1]
        step_ms = float(np.median(lasted / counts))
        excess = lasted - _median_around(lasted / counts) * counts
        longest = [i for i in np.argsort(-excess, kind="stable")[:MOST] if lasted[i] > stall_ms(step_ms)]
        ends = buckets.first_step.tolist()
        stretches += _affordable(reader, [part.clipped(ends[i], ends[i + 1] + 1) for i in longest])
    silences: dict[float, tuple[int, float, float]] = {}
    for stretch in stretches:
        points = reader.read(stretch, kind="iteration")
        order = np.argsort(points.ts_ms, kind="stable")
        step, ts_ms = points.step[order], points.ts_ms[order]
        gaps = np.diff(ts_ms)
        if step_ms is None:
            step_ms = float(np.median(gaps)) if len(gaps) else 0.0
        for i in np.flatnonzero(gaps > stall_ms(step_ms)).tolist():
            silences[ts_ms[i]] = int(step[i]), float(ts_ms[i]), float(ts_ms[i + 1])
    return step_ms or 0.0, list(silences.values())


def _level(members: Sequence[Member]) -> int:
    """The level of detail at which series are looked at; -1 for all of their points."""
    points = sum(span.points for member in members for span in member.spans)
    return max(0, level_of(points, _BUCKETS)) if points > EXACT else -1


@dataclass(slots=True)
class _Outline:
    """A part of a series as buckets, and the stretches that are read as points: all where there are no
    buckets, the last bucket with all that follows, and what buckets leave out, with its neighbours."""

    buckets: Buckets | None
    holes: list[Part]

    @classmethod
    def of(cls, reader: Reader, part: Part, level: int) -> _Outline:
        if level < 0:
            return cls(None, [part])
        bucketed: list[Buckets] = []
        holes: list[Part] = []
        at, is_hole = LOWEST, False
        for piece in pieces(reader, part, level):
            if isinstance(piece, BucketRun):
                buckets = buckets_of(reader, part, piece)
                if is_hole:
                    holes.append(part.clipped(at, int(buckets.first_step[0]) + 1))
                bucketed.append(buckets)
                at = int(buckets.first_step[-1])
            is_hole = not isinstance(piece, BucketRun)
        holes.append(part.clipped(at, BEYOND))
        return cls(joined_buckets(bucketed) if bucketed else None, _affordable(reader, holes))


def _affordable(reader: Reader, stretches: Sequence[Part]) -> list[Part]:
    """Stretches, cut at their beginnings or left out from the first on, so that together they hold no more
    than EXACT points."""
    result: list[Part] = []
    left = EXACT
    for stretch in reversed(stretches):
        begin = BEYOND
        for window in reversed(reader.windows(stretch)):
            left -= window.points
            if left < 0:
                break
            begin = window.min_step
        if begin < BEYOND:
            result.append(stretch.clipped(begin, BEYOND))
        if left < 0:
            break
    return result[::-1]


def _median_around(values: Floats) -> Floats:
    """The median of each value and its neighbours."""
    padded = np.pad(values, _AROUND, mode="edge")
    return np.median(sliding_window_view(padded, 2 * _AROUND + 1), axis=1)
