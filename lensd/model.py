"""The words of lensd as types: inputs, points, batches.

This module owns no behaviour beyond checking and joining columns, and imports nothing of lensd.
Units: `ts_ms` is UTC milliseconds since the epoch as float64, finer than a microsecond (some writers emit
several records per millisecond); the API prints it rounded to whole milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Data sources that lensd's own adapters report under, best first where two hold a metric of one name.
DATA_SOURCES = ("wandb", "tensorflow", "log")

Fact = str | int | float | bool | None


class Restarts(StrEnum):
    """What it means when the steps of an input go back."""

    INPUT = "input"  #: the whole input begins a new attempt there (text logs, JSON lines, CSV)
    SERIES = "series"  #: only that series does (event files: tags are written independently)
    NEVER = "never"  #: nothing begins, the step is written again (Runicorn's events.jsonl, pushes)


@dataclass(frozen=True, slots=True)
class Input:
    """One file (or URL) that an adapter reads, and the workload it belongs to.

    `id` is stable across restarts of the daemon. `companions` are files whose change also calls for a read
    (`status.json` beside `events.jsonl`). `structured` inputs supply a metric name before text ones do.
    """

    id: str
    workload: str
    data_source: str
    adapter: str
    path: str
    name: str  # the path as a person would say it: relative to its root
    folder: str  # the folder that claims the workload's uid; "" where the uid was given by the user
    why: str  # why it belongs to this workload, a clause that `lensd sources` prints
    structured: bool = False
    prefix: str = ""  # put before every metric name, as `train/`
    restarts: Restarts = Restarts.INPUT
    companions: tuple[str, ...] = ()


@dataclass(slots=True)
class Points:
    """Points of one series as columns of equal length, in the order they were written.

    `row` is the ordinal of the record in its batch: it orders points across the series of a batch, which is
    how the store tells at which record an attempt began.
    """

    iteration: Ints
    ts_ms: Floats
    value: Floats
    row: Ints

    def __len__(self) -> int:
        return len(self.iteration)

    @classmethod
    def of(
        cls,
        iteration: Iterable[int],
        ts_ms: Iterable[float],
        value: Iterable[float],
        row: Iterable[int] | None = None,
    ) -> Points:
        """Points from plain sequences; rows are counted from 0 where none are given."""
        steps = np.asarray(list(iteration), np.int64)
        rows = np.arange(len(steps)) if row is None else np.asarray(list(row), np.int64)
        return cls(
            steps,
            np.asarray(list(ts_ms), np.float64),
            np.asarray(list(value), np.float64),
            rows.astype(np.int64),
        )


@dataclass(slots=True)
class Series:
    """What a batch holds for one metric name.

    Exactly one of numbers and text is kept: a label series (`stage`) has `texts`, as many as points, and its
    `points.value` is ignored. `iterates` is false for tags whose axis is not the training iteration
    (Megatron's `loss vs samples`): they stay metrics and add no iterations.
    """

    points: Points
    texts: list[str] | None = None
    iterates: bool = True
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class LineMark:
    """A place in a log from which its lines can be read: line number `line` (0-based, over the whole stream
    of rotated segments) begins at byte `offset` of the segment whose head has the fingerprint `segment`."""

    line: int
    segment: str
    offset: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of console output that no text file holds. ts_ms: when it was printed, UTC milliseconds. number:
    its place in the log, counted from 0, where the input tells it; else it comes behind those that are there.
    """

    ts_ms: float
    text: str
    number: int | None = None


@dataclass(slots=True)
class Counts:
    """What happened to the records of a batch. A bad record is counted, never raised."""

    records: int = 0  # lines or records seen
    matched: int = 0  # those that gave points
    unparsed: int = 0  # those that look like metrics and gave none
    skipped: int = 0  # corrupt records stepped over
    bytes: int = 0  # bytes of input that the cursor moved over


@dataclass(slots=True)
class Batch:
    """The result of one read: everything that is committed together with the new cursor.

    series: metric name (with the input's prefix) to columns; the order is the order of first appearance.
    targets: iterations (with time) whose record told the target iteration, in `value`.
    lines: console output, where the input holds some; kept by the store, in this order.
    facts: about the workload (`framework`, `status`, `target_iteration`, `summary.*`, ...), JSON scalars.
    cursor: opaque to everyone but the adapter that made it.
    more: there is more to read at once (the budget ended this read, not the input).
    waits: what was read last waits for something to come, and is given by a later read if nothing does.
    restart: the input was replaced or truncated; what follows is a new attempt whatever its steps are.
    """

    cursor: bytes
    series: dict[str, Series] = field(default_factory=dict)
    targets: Points | None = None
    facts: dict[str, Fact] = field(default_factory=dict)
    marks: list[LineMark] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    more: bool = False
    waits: bool = False
    restart: bool = False
    lag_bytes: int = 0
    log_format: str | None = None  # what the content was recognised as, for `lensd sources`
    note: str | None = None  # one sentence for the user, e.g. "0 of 1200 lines matched"
    time_inferred: bool = False  # some times are reckoned, not read

    @property
    def point_count(self) -> int:
        return sum(len(s.points) for s in self.series.values())


#: Steps, times, rows, the order these were brought into (None: they were in it), and the pieces they are of.
_Shared = tuple[Ints, Floats, Ints, npt.NDArray[np.intp] | None, list[Points]]


class SeriesBuilder:
    """Collects points row by row into the columns of a batch: the convenient way for line-wise readers.

    `row` is the row of the points that are added next, and may be set by a reader that counts rows itself.
    """

    def __init__(self) -> None:
        self._columns: dict[str, tuple[list[int], list[float], list[float], list[int]]] = {}
        self._pieces: dict[str, list[Points]] = {}
        self._texts: dict[str, list[str]] = {}
        self._units: dict[str, str] = {}
        self._shared: dict[tuple[int, ...], _Shared] = {}
        self.row = 0
        self.points = 0

    def next_row(self) -> int:
        """Begin the next record. Points added from here on belong to it."""
        self.row += 1
        return self.row

    def add(self, name: str, iteration: int, ts_ms: float, value: float, *, unit: str | None = None) -> None:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = ([], [], [], [])
        if unit:
            self._units.setdefault(name, unit)
        column[0].append(iteration)
        column[1].append(ts_ms)
        column[2].append(value)
        column[3].append(self.row)
        self.points += 1

    def add_columns(self, name: str, points: Points, *, unit: str | None = None) -> None:
        """Points of many rows at once, ascending by row; they may lie between rows that were added singly."""
        self._columns.setdefault(name, ([], [], [], []))
        if unit:
            self._units.setdefault(name, unit)
        self._pieces.setdefault(name, []).append(points)
        self.points += len(points)

    def add_text(self, name: str, iteration: int, ts_ms: float, text: str) -> None:
        self.add(name, iteration, ts_ms, float("nan"))
        self._texts.setdefault(name, []).append(text)

    def build(self, prefix: str = "") -> dict[str, Series]:
        """Series whose points came as the same columns share them: what can be done once is."""
        return {
            prefix + name: Series(
                self._joined(name, Points.of(*column)),
                texts=self._texts.get(name),
                unit=self._units.get(name),
            )
            for name, column in self._columns.items()
        }

    def _joined(self, name: str, single: Points) -> Points:
        pieces = self._pieces.get(name)
        if not pieces:
            return single
        if len(single):
            pieces = [*pieces, single]
        if len(pieces) == 1:
            return pieces[0]
        pieces = sorted(pieces, key=lambda piece: int(piece.row[0]))
        key = tuple(id(column) for p in pieces for column in (p.iteration, p.ts_ms, p.row))
        shared = self._shared.get(key)
        if shared is None:
            row = np.concatenate([piece.row for piece in pieces])
            step = np.concatenate([piece.iteration for piece in pieces])
            ts_ms = np.concatenate([piece.ts_ms for piece in pieces])
            order = None if bool((row[1:] >= row[:-1]).all()) else np.argsort(row, kind="stable")
            if order is not None:
                step, ts_ms, row = step[order], ts_ms[order], row[order]
            # The pieces are held too, for as long as their identity stands for them.
            shared = self._shared[key] = step, ts_ms, row, order, pieces
        step, ts_ms, row, order, _ = shared
        value = np.concatenate([piece.value for piece in pieces])
        return Points(step, ts_ms, value if order is None else value[order], row)
