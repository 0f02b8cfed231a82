"""The types that queries answer with and the API encodes; shapes and units are given here once.

Structs are encoded as they are (msgspec); dataclasses carry numpy columns and are encoded piecewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints

Attempt = Literal["current", "all"] | int
Axis = Literal["step", "time"]


class SourceCount(msgspec.Struct):
    """One data source of a workload; `count` is the number of iterations it reported."""

    name: str
    count: int


class MetricInfo(msgspec.Struct):
    """One metric of a workload; `count` is the number of points that `data` returns for it."""

    name: str
    data_source: list[str]
    count: int


class WorkloadInfo(msgspec.Struct):
    """One workload as the list of workloads shows it; times are UTC milliseconds.

    times_inferred: data sources some of whose times were reckoned, because nothing printed them.
    """

    uid: str
    name: str
    status: str
    framework: str | None
    data_sources: list[str]
    iteration: int | None
    target_iteration: int | None
    created_at: int | None
    updated_at: int | None
    times_inferred: list[str]


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a workload's points is asked for. Times are UTC milliseconds, both ends included.

    since: the store version of an earlier answer; only points stored after it are wanted.
    input: the id of one input, whose series are then shown whatever hides them.
    """

    data_source: str | None = None
    metrics: frozenset[str] | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    attempt: Attempt = "current"
    input: str | None = None
    downsample: int | None = None
    since: int | None = None


@dataclass(slots=True)
class Slice:
    """Consecutive points of one answer: columns of equal length, in the order of the answer.

    ts_ms: whole UTC milliseconds. value: finite. attempt: 1 for the first attempt of a workload.
    """

    metric_name: str
    data_source: str
    iteration: Ints
    ts_ms: Ints
    value: Floats
    attempt: int | None = None

    def __len__(self) -> int:
        return len(self.iteration)


@dataclass(slots=True)
class PointsInfo:
    """What is known of an answer before its first slice."""

    version: int  # of the store, for `next` and ETag
    total_points: int | None = None  # before thinning, where `downsample` was asked for


@dataclass(slots=True)
class RowTable:
    """Rows of a run: one axis column ascending, one value column a metric, NaN where a row has no value.

    axis: global steps (int64), or seconds from the run's first row (float64). `labels` are text columns
    (`stage`) with None where a row has none. total: rows before thinning.
    """

    axis_name: str
    axis: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    columns: list[str]
    values: list[Floats]
    labels: dict[str, list[str | None]] = field(default_factory=dict)
    total: int = 0
    last_step: int | None = None
    encoded: bytes | None = None  # its JSON, kept by who made it as long as the table is kept
    packed: bytes | None = None  # the same as gzip

    def __len__(self) -> int:
        return len(self.axis)


class RunInfo(msgspec.Struct, omit_defaults=False):
    """One run as the Runs dialect shows it. Times are seconds since the epoch, as its clients expect."""

    id: str
    run_dir: str | None
    created_time: float | None
    status: str
    pid: int | None
    best_metric_value: float | None
    best_metric_name: str | None
    path: str | None
    alias: str | None
    tags: list[str]
    assets_count: int


class RunDetail(msgspec.Struct):
    """One run with all that is known of it."""

    id: str
    status: str
    pid: int | None
    run_dir: str | None
    path: str | None
    alias: str | None
    start_time: float | None
    duration: float | None
    logs: str | None
    metrics: str | None
    metrics_step: str | None
    assets: int
    assets_count: int
    summary: dict[str, str | int | float | bool | None]


class RunProgress(msgspec.Struct):
    """How far a run is; times in seconds. Only `available` and `status` are told where nothing is known."""

    available: bool
    status: str
    progress: float | msgspec.UnsetType = msgspec.UNSET
    current_step: int | msgspec.UnsetType = msgspec.UNSET
    total_steps: int | msgspec.UnsetType = msgspec.UNSET
    eta_seconds: float | msgspec.UnsetType | None = msgspec.UNSET
    steps_per_second: float | msgspec.UnsetType | None = msgspec.UNSET


class CacheStats(msgspec.Struct):
    """What the row cache did since the daemon began; rates have two decimals."""

    size: int
    max_size: int
    hits: int
    misses: int
    incremental_updates: int
    hit_rate: float
    incremental_rate: float


class InputInfo(msgspec.Struct):
    """One input as `lensd sources` and the workload facts show it."""

    id: str
    workload: str
    data_source: str
    adapter: str
    path: str
    name: str
    why: str
    log_format: str | None
    state: str  # ok, waiting, gone, dead
    points: int
    records: int
    matched: int
    unparsed: int
    skipped: int
    lag_bytes: int
    last_ok_ms: float | None
    error: str | None
    note: str | None
    time_inferred: bool
    hidden_by: Sequence[str] = ()  # ids of the inputs shown in its place
    hidden_points: int = 0


class UnreadableRun(Exception):
    """A run whose metrics file holds not one readable record."""
