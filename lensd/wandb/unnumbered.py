"""Pushes of runs that never say a step: their values are counted, per metric in order of time.

primus-lens-wandb-exporter 0.2.0 says step 0 of every `wandb.log` that was not given a step. A point is known
by run, metric and timestamp, so that a post that is repeated changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from lensd.model import Points, Series

#: The cursor of a run that says its steps.
STEPS = b"push"
#: Timestamps of each metric that are remembered. Whatever is older than these has been posted before.
_REMEMBERED = 1000


class Counted(msgspec.Struct):
    """The cursor of a run that has said no step but 0. counts: of the values of each metric. times: the last
    timestamps of each, UTC ms."""

    counts: dict[str, int] = {}
    times: dict[str, list[float]] = {}


def count_steps(series: Mapping[str, Series], cursor: bytes | None) -> tuple[dict[str, Series], bytes]:
    """The series with the steps that are shown, and the new cursor.

    A run whose steps were all 0 so far counts them; once it says another step, steps are as it says them.
    """
    if cursor == STEPS or any(one.points.iteration.any() for one in series.values()):
        return dict(series), STEPS
    counted = msgspec.json.decode(cursor, type=Counted) if cursor else Counted()
    result = {}
    for name, one in series.items():
        points = _new(one.points, counted.times.setdefault(name, []))
        first = counted.counts.get(name, 0)
        counted.counts[name] = first + len(points)
        counted.times[name] = [*counted.times[name], *points.ts_ms.tolist()][-_REMEMBERED:]
        points.iteration = np.arange(first, first + len(points), dtype=np.int64)
        result[name] = Series(points)
    return result, msgspec.json.encode(counted)


def _new(points: Points, times: list[float]) -> Points:
    """The points that are not known by their timestamps, in order of time. Of those with the same timestamp
    the last is taken."""
    last = {float(ts_ms): index for index, ts_ms in enumerate(points.ts_ms)}
    known = set(times)
    oldest = min(times) if len(times) >= _REMEMBERED else -np.inf
    keep = np.array(
        [last[ts_ms] for ts_ms in sorted(last) if ts_ms not in known and ts_ms >= oldest], np.intp
    )
    rows = np.arange(len(keep), dtype=np.int64)
    return Points(points.iteration[keep], points.ts_ms[keep], points.value[keep], rows)
