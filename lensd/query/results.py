"""The results of queries, with their shapes and units.

The API encodes structs as they are (msgspec). Dataclasses carry numpy columns and are encoded piece by piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints
from lensd.store.catalogue import StoredInput

Attempt = Literal["current", "all"] | int
Axis = Literal["step", "time"]


class SourceCount(msgspec.Struct):
    """One data source of a workload; `count` is the number of iterations it reported."""

    name: str
    count: int


class MetricInfo(msgspec.Struct):
    """One metric of a workload; `count` is the number of points that the API returns for it.

    note: why that is none, though the metric has points: all of them are NaN or infinite.
    """

    name: str
    data_source: list[str]
    count: int
    note: str | msgspec.UnsetType = msgspec.UNSET


class WorkloadInfo(msgspec.Struct):
    """One workload as the list of workloads shows it; times are UTC milliseconds. steps_per_second: how fast
    its last attempt goes, or went.

    times_inferred: data sources for which some times were inferred, because the log has no timestamps.
    warnings: sentences about inputs that cannot be read, or that look like metrics and gave no points.
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
    steps_per_second: float | None
    times_inferred: list[str]
    warnings: list[str]


class WorkloadDetail(WorkloadInfo):
    """One workload with all that is known of it; null where nothing was reported.

    config: the run's settings and hyperparameters by name. summary: its last or best values, as it says.
    command: with secrets masked. facts: all else, by name.
    """

    project: str | None
    entity: str | None
    group: str | None
    job_type: str | None
    notes: str | None
    sweep: str | None
    run_id: str | None
    host: str | None
    command: str | None
    tags: list[str]
    config: dict[str, str | int | float | bool | None]
    summary: dict[str, str | int | float | bool | None]
    facts: dict[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which points of a workload to return; None does not restrict. Times are UTC milliseconds, both ends
    included.

    data_sources, metrics: names. attempt: the current view, all attempts uncut, or that of a number, from 1.
    input: the id of an input, whose series are then shown even if others hide them. downsample: the most
    points of each series. since: the store version of an earlier answer, to return what was stored after it.
    """

    data_sources: frozenset[str] | None = None
    metrics: frozenset[str] | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    attempt: Attempt = "current"
    input: str | None = None
    downsample: int | None = None
    since: int | None = None

    @property
    def only_source(self) -> str | None:
        """The one data source that is selected; None for several or all."""
        return next(iter(self.data_sources)) if self.data_sources and len(self.data_sources) == 1 else None

    def has(self, data_source: str, input: str) -> bool:
        """Whether it selects this input of this data source."""
        is_source = self.data_sources is None or data_source in self.data_sources
        return is_source and self.input in (None, input)


@dataclass(slots=True)
class Slice:
    """Consecutive points of one answer: columns of equal length, in the order of the answer.

    ts_ms: whole UTC milliseconds. value: finite. attempt: 1 for the first attempt of a workload.
    workload: its uid, where the answer has several.
    """

    metric_name: str
    data_source: str
    iteration: Ints
    ts_ms: Ints
    value: Floats
    attempt: int | None = None
    workload: str | None = None

    def __len__(self) -> int:
        return len(self.iteration)


@dataclass(slots=True)
class PointsInfo:
    """What is known about an answer before its first slice is read."""

    version: int  # of the store, for `next` and ETag
    total_points: int | None = None  # before downsampling; None unless `downsample` was selected

    def add(self, other: PointsInfo) -> None:
        """Count the points of another answer, too."""
        if other.total_points is not None:
            self.total_points = (self.total_points or 0) + other.total_points


@dataclass(slots=True)
class RowTable:
    """Rows of a run: an ascending axis and one column of values per metric, NaN where a row has no value.

    axis: global steps (int64), or seconds from the run's first row (float64). labels: columns of strings
    (`stage`), None where a row has none. total: rows before downsampling. encoded, packed: the answer as JSON
    and as gzipped JSON, cached here by the API.
    """

    axis_name: str
    axis: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    columns: list[str]
    values: list[Floats]
    labels: dict[str, list[str | None]] = field(default_factory=dict)
    total: int = 0
    last_step: int | None = None
    encoded: bytes | None = None
    packed: bytes | None = None

    def __len__(self) -> int:
        return len(self.axis)


class RunInfo(msgspec.Struct, omit_defaults=False):
    """One run as the Runs API shows it. Times are seconds since the epoch, as its clients expect."""

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
    """One run with its details. Times are seconds since the epoch, durations seconds."""

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
    """The progress of a run; times in seconds. A run without progress has `available` and `status` only."""

    available: bool
    status: str
    progress: float | msgspec.UnsetType = msgspec.UNSET
    current_step: int | msgspec.UnsetType = msgspec.UNSET
    total_steps: int | msgspec.UnsetType = msgspec.UNSET
    eta_seconds: float | msgspec.UnsetType | None = msgspec.UNSET
    steps_per_second: float | msgspec.UnsetType | None = msgspec.UNSET


class CacheStats(msgspec.Struct):
    """What the row cache did since the daemon started; rates have two decimals."""

    size: int
    max_size: int
    hits: int
    misses: int
    incremental_updates: int
    hit_rate: float
    incremental_rate: float


class InputInfo(StoredInput):
    """One input as `lensd sources` shows it.

    workload_name: the name that the run was given, else the uid.
    hidden_by: ids of the inputs that are shown in its place.
    hidden_points: how many of its points that hides.
    """

    workload_name: str = ""
    hidden_by: Sequence[str] = ()
    hidden_points: int = 0


class UnreadLines(msgspec.Struct):
    """Lines of an input that differ in their numbers alone, look like metrics, and gave no points.

    lines: how many. line, example: the number of the first, from 1, and its text. why: in words. pattern: a
    `[[pattern]]` block of the configuration that would read them, "" where there is none.
    """

    lines: int
    line: int
    example: str
    why: str
    pattern: str


class UnreadableRun(Exception):
    """A run whose metrics file has no readable record."""
