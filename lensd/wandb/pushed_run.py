"""The iterations of one run that is pushed.

primus-lens-wandb-exporter 0.2.0 says step 0 of every `wandb.log` that was not given a step. The values of a
run that says no other step are counted, per metric in order of time: a point is known by run, metric and
timestamp, so that a post that is repeated changes nothing. An axis among the metrics comes before both
(see `axes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from lensd.model import Points, Series
from lensd.wandb.axes import Axes

#: Timestamps of each metric that are remembered. Whatever is older than these has been posted before.
_REMEMBERED = 1000
_OF_EARLIER_VERSIONS = b"push"


class PushedRun(msgspec.Struct):
    """The cursor of a run. says_steps: it has said another step than 0. counts: of the values of each metric
    while it has not. times: the last timestamps of each, UTC ms. axes: of the metrics."""

    says_steps: bool = False
    counts: dict[str, int] = {}
    times: dict[str, list[float]] = {}
    axes: Axes = msgspec.field(default_factory=Axes)

    @classmethod
    def decode(cls, cursor: bytes | None) -> PushedRun:
        if cursor == _OF_EARLIER_VERSIONS:
            return cls(says_steps=True)
        return msgspec.json.decode(cursor, type=cls) if cursor else cls()

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    def define(self, evidence: Mapping[str, Any]) -> None:
        """Take the axes out of the evidence that lensd's hook sends of a run."""
        run = evidence.get("wandb")
        axes = run.get("axes") if isinstance(run, Mapping) else None
        for pair in axes if isinstance(axes, list) else ():
            if isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair):
                self.axes.define(*pair)

    def place(self, series: Mapping[str, Series]) -> dict[str, Series]:
        """The series of a post with their iterations, out of those with the steps that it says."""
        if not self.says_steps and any(one.points.iteration.any() for one in series.values()):
            self.says_steps, self.counts, self.times = True, {}, {}
        if not self.says_steps:
            series = {name: Series(self._counted(name, one.points)) for name, one in series.items()}
        placed, _ = self.axes.place({name: one for name, one in series.items() if len(one.points)})
        return placed

    def _counted(self, name: str, points: Points) -> Points:
        times = self.times.get(name, [])
        new = _new(points, times)
        first = self.counts.get(name, 0)
        self.counts[name] = first + len(new)
        self.times[name] = [*times, *new.ts_ms.tolist()][-_REMEMBERED:]
        new.iteration = np.arange(first, first + len(new), dtype=np.int64)
        return new


def _new(points: Points, times: list[float]) -> Points:
    """The points that are not known by their timestamps, in order of time. Of those with the same timestamp
    the last is taken."""
    last = {float(ts_ms): index for index, ts_ms in enumerate(points.ts_ms)}
    stored = set(times)
    oldest = min(times) if len(times) >= _REMEMBERED else -np.inf
    keep = np.array(
        [last[ts_ms] for ts_ms in sorted(last) if ts_ms not in stored and ts_ms >= oldest], np.intp
    )
    return Points(points.iteration[keep], points.ts_ms[keep], points.value[keep], points.row[keep])
