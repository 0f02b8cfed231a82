"""Curves of many runs on one grid a metric: what a page of panels draws.

A panel is a metric. All its runs share a grid of bins over the x axis, and each bin holds the least, the
greatest and the mean of a run's values in it, so that no spike is lost at any zoom. Points are read window by
window: memory does not grow with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints
from lensd.query.lens import is_metric
from lensd.query.smoothing import Smoother
from lensd.query.timing import take_times, times_of
from lensd.store.buckets import Buckets
from lensd.store.detail import ALL, Bounds, BucketRun, Window, buckets_of, drawn, end_step, estimate
from lensd.store.levels import level_of
from lensd.store.plan import BEYOND, LOWEST, Member, Part, plan
from lensd.store.reader import Reader

_MOST_MARKS = 200  # of values that are not finite, in one series
_PER_BIN = 8  # buckets at least, where they stand for points: what one bin shares with the next is small
_READ = 1 << 14  # points, about, that are read at a time
_SEEN = 1000  # steps of a curve's range that can be told apart, on a screen
_SMOOTHED = 1 << 12  # buckets at least, where a moving average is made of their means


@dataclass(slots=True)
class PanelQuestion:
    """Which curves to draw.

    runs: uids. metrics: names. x: `step`, `time` (UTC ms) or `relative` (seconds since the run began).
    lo, hi: the range of x, inclusive; None for all of it. smooth: the weight of TensorBoard's exponential
    moving average, from 0 (none) to below 1.
    """

    runs: Sequence[str]
    metrics: Sequence[str]
    x: str = "step"
    lo: float | None = None
    hi: float | None = None
    bins: int = 300
    smooth: float = 0.0


class PanelSeries(msgspec.Struct):
    """A run's curve. points: in the range. begin_ms: when the run began, UTC milliseconds. not_finite: how
    many of them are NaN or infinite, and the first places of these. low, high, middle, smooth: one value a
    bin, null where it holds no finite point."""

    run: str
    source: str
    points: int
    begin_ms: float
    not_finite: int
    not_finite_x: list[float]
    last_x: float | None
    last: float | None
    low: list[float]
    high: list[float]
    middle: list[float]
    smooth: list[float] | msgspec.UnsetType = msgspec.UNSET


class Panel(msgspec.Struct):
    """One metric; `bins` equal bins cover lo to hi."""

    metric: str
    lo: float
    hi: float
    bins: int
    series: list[PanelSeries]


class Panels(msgspec.Struct):
    version: int
    x: str
    panels: list[Panel]


@dataclass(slots=True)
class _Curve:
    """What one run shows of one metric under one data source, before it is read."""

    run: str
    source: str
    members: list[Member]
    origin_ms: float
    times: list[tuple[float, float]] = field(default_factory=list)  # of its spans
    parts: list[Part] = field(default_factory=list)

    def extent(self, x: str) -> tuple[float, float]:
        """The range of x that its points span at most."""
        if x == "step":
            spans = [span for member in self.members for span in member.spans]
            return float(min(s.min_step for s in spans)), float(max(s.max_step for s in spans))
        low, high = min(low for low, _ in self.times), max(high for _, high in self.times)
        if x == "time":
            return low, high
        return (low - self.origin_ms) / 1000.0, (high - self.origin_ms) / 1000.0

    def place(self, step: Ints, ts_ms: Floats, x: str) -> Floats:
        if x == "step":
            return step.astype(np.float64)
        return ts_ms if x == "time" else (ts_ms - self.origin_ms) / 1000.0

    def bounds(self, x: str, lo: float, hi: float) -> Bounds:
        """What of a range of x restricts times; whole milliseconds around it."""
        if x == "step":
            return ALL
        if x == "relative":
            lo, hi = self.origin_ms + lo * 1000.0, self.origin_ms + hi * 1000.0
        return Bounds(math.floor(lo), math.ceil(hi))


def panels(reader: Reader, question: PanelQuestion) -> Panels:
    """The panels asked for, in the order asked; a metric that none of the runs has gives none."""
    curves = _curves(reader, question)
    made = [_panel(reader, name, curves[name], question) for name in question.metrics if name in curves]
    return Panels(reader.version(), question.x, made)


def _curves(reader: Reader, question: PanelQuestion) -> dict[str, list[_Curve]]:
    names, result = set(question.metrics), dict[str, list[_Curve]]()
    for uid in question.runs:
        workload = reader.workload(uid)
        if workload is None:
            continue
        if question.x != "step":
            take_times(reader, workload.id)
        members = reader.members(workload.id, kind="metric")
        times = {m.series: [times_of(reader, m, span) for span in m.spans] for m in members}
        origin_ms = min((low for spans in times.values() for low, _ in spans), default=0.0)
        views: dict[tuple[str, str], _Curve] = {}
        for member in members:
            source = member.input.data_source
            if member.name in names and member.spans and is_metric(source, member.name):
                curve = views.setdefault((member.name, source), _Curve(uid, source, [], origin_ms))
                curve.members.append(member)
                curve.times += times[member.series]
        for (name, _), curve in sorted(views.items()):
            curve.parts = plan(curve.members)
            result.setdefault(name, []).append(curve)
    return result


def _panel(reader: Reader, name: str, curves: list[_Curve], question: PanelQuestion) -> Panel:
    extents = [curve.extent(question.x) for curve in curves]
    lo = min(low for low, _ in extents) if question.lo is None else question.lo
    hi = max(high for _, high in extents) if question.hi is None else question.hi
    hi = max(lo, hi)
    bins = question.bins
    if question.x == "step":
        bins = max(1, min(bins, int(hi - lo) + 1))
    series = [_series(reader, curve, question, lo, hi, bins) for curve in curves]
    return Panel(name, lo, hi, bins, [one for one in series if one.points])


def _series(
    reader: Reader, curve: _Curve, question: PanelQuestion, lo: float, hi: float, bins: int
) -> PanelSeries:
    grid = _Grid(lo, hi, bins)
    smoother = Smoother(question.smooth) if question.smooth > 0 else None
    shared: list[_Shared] = []
    for part, piece in _read(reader, curve, question, lo, hi):
        if isinstance(piece, BucketRun):
            buckets = buckets_of(reader, part, piece)
            smooth = smoother.feed_means(buckets.mean, buckets.finite) if smoother else None
            first_x = curve.place(buckets.first_step, buckets.first_ts, question.x)
            grid.add_buckets(
                buckets,
                first_x,
                curve.place(buckets.low_step, buckets.low_ts, question.x),
                curve.place(buckets.high_step, buckets.high_ts, question.x),
                smooth,
            )
            shared.append(grid.shared(part, buckets, first_x, end_step(reader, piece.node, piece.hi - 1)))
        else:
            points = reader.read_window(piece.window, piece.part)
            smooth = smoother.feed(points.value) if smoother else None
            grid.add(curve.place(points.step, points.ts_ms, question.x), points.value, smooth)
    for inner in (inner for one in shared for inner in grid.unsure(one)):
        if question.x == "step":
            step, value = reader.read_values(inner)
            grid.add_extremes(step.astype(np.float64), value)
        else:
            points = reader.read(inner)
            grid.add_extremes(curve.place(points.step, points.ts_ms, question.x), points.value)
    return PanelSeries(
        curve.run,
        curve.source,
        grid.points,
        curve.origin_ms,
        grid.not_finite,
        grid.not_finite_x,
        grid.last_x,
        grid.last,
        grid.low.tolist(),
        grid.high.tolist(),
        grid.means(grid.sums).tolist(),
        grid.means(grid.smooth_sums).tolist() if smoother else msgspec.UNSET,
    )


def _read(
    reader: Reader, curve: _Curve, question: PanelQuestion, lo: float, hi: float
) -> Iterator[tuple[Part, BucketRun | Window]]:
    """The curve in order of steps, as buckets where the range holds many points, else as points.

    The range is all that is read, unless the curve is smoothed: a moving average depends on all before it.
    """
    first, end, bounds, wanted = LOWEST, BEYOND, ALL, _PER_BIN * question.bins
    if question.smooth > 0:
        wanted = _SMOOTHED
    elif question.x == "step":
        first, end = math.ceil(lo), math.floor(hi) + 1
    elif question.lo is not None or question.hi is not None:
        bounds = curve.bounds(question.x, lo, hi)
    parts = [Part(p.series, p.attempt, max(first, p.lo), min(end, p.hi), p.number) for p in curve.parts]
    level = level_of(estimate(reader, parts, bounds), wanted)
    for part in parts:
        for piece in drawn(reader, part, level, bounds):
            yield part, piece


@dataclass(slots=True)
class _Shared:
    """Buckets of a part that more than one bin shares, or a bin and what is not drawn: where their steps
    begin and end, how many points they hold, their first and last bin and their extremes."""

    part: Part
    begin: Ints
    end: Ints
    points: Ints
    first: Ints
    last: Ints
    low: Floats
    high: Floats


class _Grid:
    """Equal bins over lo to hi, filled as points come."""

    def __init__(self, lo: float, hi: float, bins: int) -> None:
        self._lo, self._hi, self._bins = lo, hi, bins
        self.low = np.full(bins, np.inf)
        self.high = np.full(bins, -np.inf)
        self.sums = np.zeros(bins)
        self.smooth_sums = np.zeros(bins)
        self.counts = np.zeros(bins, np.int64)
        self.points = 0
        self.not_finite = 0
        self.not_finite_x: list[float] = []
        self.last_x: float | None = None
        self.last: float | None = None

    def add(self, x: Floats, value: Floats, smooth: Floats | None) -> None:
        inside = (x >= self._lo) & (x <= self._hi)
        if not inside.all():
            x, value = x[inside], value[inside]
            smooth = None if smooth is None else smooth[inside]
        self.points += len(x)
        finite: npt.NDArray[np.bool_] = np.isfinite(value)
        if not finite.all():
            places = x[~finite]
            self.not_finite += len(places)
            self.not_finite_x += places[: _MOST_MARKS - len(self.not_finite_x)].tolist()
            x, value = x[finite], value[finite]
            smooth = None if smooth is None else smooth[finite]
        if not len(x):
            return
        bin = self._bin(x)
        np.minimum.at(self.low, bin, value)
        np.maximum.at(self.high, bin, value)
        with np.errstate(over="ignore"):  # values near the end of what a float holds: their sum is infinite
            self.sums += np.bincount(bin, value, self._bins)
            if smooth is not None:
                self.smooth_sums += np.bincount(bin, smooth, self._bins)
        self.counts += np.bincount(bin, minlength=self._bins)
        newest = int(x.argmax())
        if self.last_x is None or x[newest] >= self.last_x:
            self.last_x, self.last = float(x[newest]), float(value[newest])

    def add_buckets(
        self, buckets: Buckets, first_x: Floats, low_x: Floats, high_x: Floats, smooth: Floats | None
    ) -> None:
        """Add many points at once: extremes where they are, means in the middle of their buckets."""
        width = first_x[-1] - first_x[-2] if len(first_x) > 1 else 0.0
        middle = (first_x + np.append(first_x[1:], first_x[-1] + width)) / 2
        inside = (first_x >= self._lo) & (middle <= self._hi)
        self.points += int(buckets.points[inside].sum())
        missing = np.flatnonzero(inside & (buckets.finite < buckets.points))
        self.not_finite += int((buckets.points - buckets.finite)[missing].sum())
        self.not_finite_x += first_x[missing][: _MOST_MARKS - len(self.not_finite_x)].tolist()
        filled = buckets.finite > 0
        for x, value, extreme, best in (
            (low_x, buckets.low, np.minimum, self.low),
            (high_x, buckets.high, np.maximum, self.high),
        ):
            keep = filled & (x >= self._lo) & (x <= self._hi)
            extreme.at(best, self._bin(x[keep]), value[keep])
        keep = filled & inside
        bin, count = self._bin(middle[keep]), buckets.finite[keep]
        with np.errstate(over="ignore"):
            self.sums += np.bincount(bin, buckets.mean[keep] * count, self._bins)
            if smooth is not None:
                self.smooth_sums += np.bincount(bin, smooth[keep] * count, self._bins)
        self.counts += np.bincount(bin, count, self._bins).astype(np.int64)

    def shared(self, part: Part, buckets: Buckets, first_x: Floats, end_step: int) -> _Shared:
        """Those of consecutive buckets that bins share."""
        width = first_x[-1] - first_x[-2] if len(first_x) > 1 else 0.0
        end_x = np.nextafter(np.append(first_x[1:], first_x[-1] + width), -np.inf)
        first, last = self._bin(first_x), self._bin(end_x)
        is_cut = (first_x < self._lo) | (end_x > self._hi)
        inside = (buckets.finite > 0) & (end_x >= self._lo) & (first_x <= self._hi)
        at = np.flatnonzero(inside & ((first != last) | is_cut))
        begin, end = buckets.first_step[at], np.append(buckets.first_step[1:], end_step)[at]
        return _Shared(
            part, begin, end, buckets.points[at], first[at], last[at], buckets.low[at], buckets.high[at]
        )

    def unsure(self, shared: _Shared) -> list[Part]:
        """Where to read the points of shared buckets because a bin may be lower or higher than is known, by
        more than can be seen. Neighbours are read together."""
        drawn = self.low <= self.high
        if not drawn.any():
            return []
        first, last = shared.first, shared.last
        with np.errstate(over="ignore", invalid="ignore"):
            seen = (self.high[drawn].max() - self.low[drawn].min()) / _SEEN
            is_lower = shared.low < np.maximum(self.low[first], self.low[last]) - seen
            is_higher = shared.high > np.minimum(self.high[first], self.high[last]) + seen
        parts: list[Part] = []
        for at in np.flatnonzero(is_lower | is_higher | (last - first > 1)).tolist():
            begin, end = int(shared.begin[at]), int(shared.end[at])
            before = parts[-1] if parts else None
            near = (end - begin) * _READ // int(shared.points[at])
            if before is not None and end - before.lo <= near:
                parts[-1] = replace(before, hi=min(end, shared.part.hi))
            else:
                parts.append(shared.part.clipped(begin, end))
        return parts

    def add_extremes(self, x: Floats, value: Floats) -> None:
        """Extremes of points that are counted already."""
        keep = np.isfinite(value) & (x >= self._lo) & (x <= self._hi)
        bin = self._bin(x[keep])
        np.minimum.at(self.low, bin, value[keep])
        np.maximum.at(self.high, bin, value[keep])

    def _bin(self, x: Floats) -> Ints:
        width = self._hi - self._lo
        scaled = (x - self._lo) / width * self._bins if width > 0 else np.zeros(len(x))
        return np.clip(scaled, 0, self._bins - 1).astype(np.int64)

    def means(self, sums: Floats) -> Floats:
        """The mean of each bin, NaN where it is empty; the middle of its extremes where the sum overflows."""
        filled = self.low <= self.high
        self.low[~filled] = self.high[~filled] = np.nan
        with np.errstate(invalid="ignore", over="ignore"):
            mean = np.divide(sums, self.counts, out=np.full(self._bins, np.nan), where=self.counts > 0)
            return np.where(filled & ~np.isfinite(mean), self.low / 2 + self.high / 2, mean)
