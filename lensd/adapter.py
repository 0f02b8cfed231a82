"""What lensd and an adapter agree on: the protocol, its errors and its budget.

An adapter turns one kind of input into batches. It knows no database, HTTP, threads or other adapters. The
poller decides when `read` is called, with what budget, and what happens after an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from lensd.discovery import Roots
from lensd.model import Batch, Input


class ReadError(Exception):
    """A read failed. The message is one sentence for the user; the class says what happens next."""


class RetryAfter(ReadError):
    """Try again after `seconds` at the earliest. The poller waits longer each time this repeats."""

    def __init__(self, why: str, seconds: float = 1.0) -> None:
        super().__init__(why)
        self.seconds = seconds


class InputGone(ReadError):
    """The input is missing. Its points stay, and it is read again if it comes back."""


class InputDead(ReadError):
    """Nothing can be read from this input. It is left alone until its file changes."""


@dataclass(slots=True)
class Budget:
    """How much one `read` may take. A reader calls `spent` after each record and stops when it is true.

    bytes: of input. points: of all series together. seconds: of wall time on `clock`.
    now_ms: the wall clock when the read began, UTC milliseconds: the only clock an adapter may use for times.
    final: nothing more will be written, so a reader returns also what it would hold back for the next lines.
    """

    bytes: int = 4 << 20
    points: int = 1 << 20
    seconds: float = 0.25
    now_ms: float = 0.0
    final: bool = False
    clock: Callable[[], float] = time.monotonic
    _deadline: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._deadline = self.clock() + self.seconds

    def spent(self, bytes: int = 0, points: int = 0) -> bool:
        """Whether a read that has used this much must stop."""
        return bytes >= self.bytes or points >= self.points or self.clock() >= self._deadline


_SAMPLE_POINTS = 50


@dataclass(slots=True)
class SamplePoint:
    """A point that would be stored. ts_ms: UTC milliseconds. line: its number in the file, from 1."""

    metric: str
    step: int
    ts_ms: float
    value: float
    line: int


@dataclass(slots=True)
class LineShape:
    """Lines that differ in their numbers alone, and what became of them.

    lines: how many there are; stored: how many of them gave points. metric_like: they look like metrics.
    log_format: what read them, "" for nothing. example, line: the first of them, and its number from 1.
    slots: what each number of the example became, in words. why: the reason where nothing was stored.
    pattern: a `[[pattern]]` block of the configuration that reads such lines. likely: these may be records.
    """

    lines: int = 0
    stored: int = 0
    points: int = 0
    metric_like: bool = False
    log_format: str = ""
    example: str = ""
    line: int = 0
    slots: list[str] = field(default_factory=list)
    why: str = ""
    pattern: str = ""
    likely: bool = False


@dataclass(slots=True)
class Diagnosis:
    """What an adapter reads from an input, for a user who wonders why points are there or missing.

    log_formats: lines that each of them matched. metric_like: lines that look like metrics but matched none.
    step_from, time_from: where steps and times come from, in words, and how many records that is. units: of
    the metrics that were printed with one. skipped: damaged records and lines that are too long. shapes: the
    kinds of lines, those that gave most points first. naming: lines that name a metric, with a value or
    without. samples: a few lines that say nothing. note: what else the user should know.
    """

    read_bytes: int = 0
    total_bytes: int = 0
    framework: str | None = None
    lines: int = 0
    matched: int = 0
    metric_like: int = 0
    log_formats: dict[str, int] = field(default_factory=dict)
    shapes: list[LineShape] = field(default_factory=list)
    naming: int = 0
    samples: list[str] = field(default_factory=list)
    points: list[SamplePoint] = field(default_factory=list)
    point_count: int = 0
    metrics: list[str] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    step_from: dict[str, int] = field(default_factory=dict)
    time_from: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    note: str = ""

    def add(self, batch: Batch, rows: int = 1) -> None:
        """Add a batch, and keep a few of its points. rows: how many rows each line has."""
        self.read_bytes += batch.counts.bytes
        self.total_bytes = self.read_bytes + batch.lag_bytes
        self.skipped += batch.counts.skipped
        self.point_count += batch.point_count
        self.framework = str(batch.facts.get("framework") or self.framework or "") or None
        for name, series in batch.series.items():
            if name not in self.metrics:
                self.metrics.append(name)
            if series.unit:
                self.units[name] = series.unit
            if len(self.points) < _SAMPLE_POINTS and len(series.points):
                first = series.points
                self.points.append(
                    SamplePoint(
                        name,
                        int(first.iteration[0]),
                        float(first.ts_ms[0]),
                        float(first.value[0]),
                        int(first.row[0]) // rows,
                    )
                )


@runtime_checkable
class Explains(Protocol):
    """An adapter that can explain how it reads a file (`lensd doctor`)."""

    def explain(self, input: Input, budget: Budget) -> Diagnosis:
        """Read at most what the budget allows. Raises what `read` raises."""


@runtime_checkable
class Arranges(Protocol):
    """An adapter that can tell run folders in one workload apart (see `lensd.run_folders`)."""

    def arrange(self, roots: Roots) -> None:
        """Tell the roots. Called before any adapter looks for its inputs there. May look into files."""


@runtime_checkable
class Adapter(Protocol):
    """Reads one kind of input. `name` is unique; `data_source` is what its points are served under.

    An adapter class is created with no arguments, or with `options: dict[str, object]` where there are any:
    those of its `[[source]]` block, and those options of the whole configuration that the class names in an
    attribute `shared_options` (a collection of `timezone`, `ranks`, `patterns`) and that are set. A class
    refuses options with ValueError.
    """

    name: str
    data_source: str

    def discover(self, roots: Roots) -> Iterable[Input]:
        """The inputs below the roots, found by name and `stat` only. Called every few seconds."""

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        """The next batch of `input` after `cursor` (None: from the start). A read depends on nothing else.

        Reads at least one record, however small the budget, and never moves the cursor past half a record.
        Raises RetryAfter, InputGone or InputDead. A bad record is counted, not raised.
        """

    def close(self) -> None:
        """Release caches. `read` may still be called afterwards."""
