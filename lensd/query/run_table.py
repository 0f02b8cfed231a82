"""The list of runs: status, progress, and the last value and course of the main metric."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import numpy as np

from lensd.model import Fact
from lensd.query.details import config_of
from lensd.query.downsample import extremes
from lensd.query.lens import is_metric, with_points
from lensd.query.signals import main_metric
from lensd.query.workloads import workloads
from lensd.store.plan import plan
from lensd.store.reader import Reader

_SPARK = 60  # values of a sparkline
_MOST_SETTINGS, _LONGEST_SETTING = 200, 100


class RunRow(msgspec.Struct):
    """One run.

    step, target: its last step, and the one that training ends at. updated_at: UTC ms of the last point.
    metric: the main metric; last: its last finite value; spark: about 60 values of its course (null: not
    finite). metrics: the names of all. config: settings by name. warnings: see WorkloadInfo.
    """

    uid: str
    name: str
    status: str
    framework: str | None
    step: int | None
    target: int | None
    updated_at: int | None
    metric: str | None
    last: float | None
    spark: list[float]
    metrics: list[str]
    config: dict[str, str | int | float | bool | None]
    warnings: list[str]


class RunTable(msgspec.Struct):
    version: int
    total: int
    runs: list[RunRow]


def run_table(reader: Reader, q: str | None, limit: int, only: Collection[str] | None = None) -> RunTable:
    """Runs whose uid or name contains `q`: at most `limit`, running ones first, then the newest. only: these
    uids; None for all."""
    infos = workloads(reader, q, None, only=only)
    infos.sort(key=lambda info: (info.status != "running", -(info.updated_at or 0), info.uid))
    rows = []
    for info in infos[:limit]:
        workload = reader.workload(info.uid)
        assert workload is not None, "one reader sees one moment"
        counts: dict[str, int] = {}
        views = reader.counts(workload.id)
        shown = with_points(reader, workload) if any(not view.points for view in views) else set()
        for source, kind, name, points, _ in views:
            is_shown = points or (source, name) in shown
            if kind == "metric" and is_shown and is_metric(source, name):
                counts[name] = counts.get(name, 0) + points
        # One that is NaN throughout is shown, but stands for no run.
        metric = main_metric({name: points for name, points in counts.items() if points})
        last, spark = _course(reader, workload.id, metric) if metric else (None, [])
        rows.append(
            RunRow(
                info.uid, info.name, info.status, info.framework, info.iteration, info.target_iteration,
                info.updated_at, metric, last, spark, sorted(counts),
                _config(reader, workload.id), info.warnings,
            )
        )  # fmt: skip
    return RunTable(reader.version(), len(infos), rows)


def _course(reader: Reader, workload_id: int, metric: str) -> tuple[float | None, list[float]]:
    """The last finite value of a metric, and its course in a few values, extremes included."""
    members = [m for m in reader.members(workload_id, kind="metric") if m.name == metric and m.spans]
    if not members:
        return None, []
    source = members[0].input.data_source
    parts = plan([member for member in members if member.input.data_source == source])
    value = np.concatenate([reader.read_values(part)[1] for part in parts])
    finite = np.flatnonzero(np.isfinite(value))
    if not len(finite):
        return None, value[:_SPARK].tolist()
    filled = np.where(np.isfinite(value), value, value[finite[0]])
    chosen = extremes(filled, _SPARK // 2)
    return float(value[finite[-1]]), value[chosen].tolist()


def _config(reader: Reader, workload_id: int) -> dict[str, Fact]:
    """The settings of a run as far as a table shows them: short ones, and not too many."""
    config = config_of(reader.facts(workload_id))
    short = {key: value for key, value in config.items() if len(str(value)) <= _LONGEST_SETTING}
    return dict(list(short.items())[:_MOST_SETTINGS])
