"""Points of several series in one order of time, and as rows with a column for each series.

Grafana makes curves of a table only if its rows ascend in time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from lensd.model import Floats, Ints
from lensd.query.lens import IterationSlice
from lensd.query.results import Slice

#: Iterations that are put in order of time at once, at most.
MOST_ITERATIONS = 1 << 21
_CELLS = 1 << 18  # of rows that are made at once
_TAKEN = ("time", "iteration")  # names of columns of every row


@dataclass(slots=True)
class Curve:
    """One series of an answer. workload: its uid where the answer has several; slices: its points by time."""

    name: str
    source: str
    workload: str | None
    slices: Iterator[Slice]


@dataclass(slots=True)
class TimeOrdered:
    """Points of several curves, ascending in time; those of equal times by curve, and all in one piece.

    curve: the index of each point's curve. ts_ms: whole UTC milliseconds. attempt: 0 where none was asked.
    """

    curves: Sequence[Curve]
    curve: Ints
    iteration: Ints
    ts_ms: Ints
    value: Floats
    attempt: Ints

    def __len__(self) -> int:
        return len(self.curve)


@dataclass(slots=True)
class _Pending:
    """What was read of one curve and not yet passed on."""

    slices: Iterator[Slice]
    iteration: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    ts_ms: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    value: Floats = field(default_factory=lambda: np.empty(0))
    attempt: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    is_over: bool = False

    def read_on(self) -> None:
        more = next(self.slices, None)
        if more is None:
            self.is_over = True
            return
        self.iteration = np.concatenate((self.iteration, more.iteration))
        self.ts_ms = np.concatenate((self.ts_ms, more.ts_ms))
        self.value = np.concatenate((self.value, more.value))
        self.attempt = np.concatenate((self.attempt, np.full(len(more), more.attempt or 0, np.int64)))

    def take(self, count: int) -> tuple[Ints, Ints, Floats, Ints]:
        columns = self.iteration, self.ts_ms, self.value, self.attempt
        self.iteration, self.ts_ms = self.iteration[count:], self.ts_ms[count:]
        self.value, self.attempt = self.value[count:], self.attempt[count:]
        iteration, ts_ms, value, attempt = columns
        return iteration[:count], ts_ms[:count], value[:count], attempt[:count]


def by_time(curves: Sequence[Curve]) -> Iterator[TimeOrdered]:
    """The points of all curves in order of time. Of each curve about a slice is held."""
    pending = [_Pending(curve.slices) for curve in curves]
    while True:
        for one in pending:
            while not one.is_over and not len(one.ts_ms):
                one.read_on()
        waiting = [one for one in pending if len(one.ts_ms)]
        if not waiting:
            return
        ends = [int(one.ts_ms[-1]) for one in waiting if not one.is_over]
        # Points of the time at which a slice ends may follow in the next.
        counts = [int(np.searchsorted(p.ts_ms, min(ends))) if ends else len(p.ts_ms) for p in pending]
        if any(counts):
            yield _merged(curves, pending, counts)
        for one in waiting:
            if ends and not one.is_over and len(one.ts_ms) and int(one.ts_ms[-1]) == min(ends):
                one.read_on()


def _merged(curves: Sequence[Curve], pending: Sequence[_Pending], counts: Sequence[int]) -> TimeOrdered:
    pieces = [one.take(count) for one, count in zip(pending, counts, strict=True)]
    iteration, ts_ms, value, attempt = (np.concatenate(column) for column in zip(*pieces, strict=True))
    index = np.repeat(np.arange(len(counts)), counts)
    order = np.argsort(ts_ms, kind="stable")
    return TimeOrdered(
        curves, index[order], iteration[order], ts_ms[order], value[order], attempt[order]
    )  # fmt: skip


def column_names(curves: Sequence[Curve]) -> list[str]:
    """The names of curves as columns: the metric, with its source where two have it, and the workload before
    it where there are several."""
    uses = Counter((curve.workload, curve.name) for curve in curves)
    names = []
    for curve in curves:
        is_plain = uses[curve.workload, curve.name] == 1 and (curve.name not in _TAKEN or curve.workload)
        name = curve.name if is_plain else f"{curve.name} ({curve.source})"
        names.append(name if curve.workload is None else f"{curve.workload}: {name}")
    return names


@dataclass(slots=True)
class WideRows:
    """Rows by time, then iteration: one for all points that share both. values: a row's value of each curve,
    NaN where it has none."""

    ts_ms: Ints
    iteration: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.ts_ms)


def wide(ordered: Iterator[TimeOrdered], columns: int) -> Iterator[WideRows]:
    """Points in order of time as rows, some at a time."""
    most = max(1, _CELLS // max(1, columns))
    for points in ordered:
        order = np.lexsort((points.iteration, points.ts_ms))
        ts_ms, iteration = points.ts_ms[order], points.iteration[order]
        is_new = np.append(True, (ts_ms[1:] != ts_ms[:-1]) | (iteration[1:] != iteration[:-1]))
        row = np.cumsum(is_new) - 1
        starts = np.flatnonzero(is_new)
        for lo in range(0, len(starts), most):
            inside = (row >= lo) & (row < lo + most)
            values = np.full((len(starts[lo : lo + most]), columns), np.nan)
            values[row[inside] - lo, points.curve[order][inside]] = points.value[order][inside]
            yield WideRows(ts_ms[starts[lo : lo + most]], iteration[starts[lo : lo + most]], values)


class TooManyIterations(ValueError):
    """More iterations than are put in order of time at once."""


def iteration_curves(slices: Iterator[IterationSlice], workload: str | None, is_wide: bool) -> list[Curve]:
    """Iterations, and target iterations, as curves. is_wide: without the iterations themselves, which every
    row has. Raises TooManyIterations."""
    pieces: list[IterationSlice] = []
    count = 0
    for piece in slices:
        pieces.append(piece)
        count += len(piece)
        if count > MOST_ITERATIONS:
            raise TooManyIterations
    by_curve: dict[tuple[str, str], list[tuple[Ints, Ints, Floats]]] = {}
    for piece in pieces:
        origin = np.array(piece.data_source)
        for source in sorted(set(piece.data_source)):
            keep = origin == source
            targeted = keep & np.isfinite(piece.target)
            for name, kept, value in (
                ("iteration", keep, piece.iteration.astype(np.float64)),
                ("target_iteration", targeted, piece.target),
            ):
                if kept.any() and not (is_wide and name == "iteration" and workload is None):
                    columns = piece.iteration[kept], piece.ts_ms[kept], value[kept]
                    by_curve.setdefault((name, source), []).append(columns)
    return [
        Curve(name, source, workload, iter([_sorted(name, source, columns, workload)]))
        for (name, source), columns in sorted(by_curve.items())
    ]


def _sorted(name: str, source: str, pieces: list[tuple[Ints, Ints, Floats]], workload: str | None) -> Slice:
    iteration, ts_ms, value = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.argsort(ts_ms, kind="stable")
    return Slice(name, source, iteration[order], ts_ms[order], value[order], workload=workload)
