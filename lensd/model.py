"""The types that everything in lensd shares: inputs, points, series, batches.

There is no behaviour here beyond joining columns, and no import of other modules of lensd. `ts_ms` is UTC
milliseconds since the epoch as float64, which resolves less than a microsecond, because some writers emit
several records per millisecond. The API rounds it to whole milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: The data sources of lensd's own adapters. Where a run has one metric from several, the first one wins.
DATA_SOURCES = ("wandb", "tensorflow", "log")

#: The log format of an input that was looked at and is not read.
SET_ASIDE = "set aside"

Fact = str | int | float | bool | None


class Restarts(StrEnum):
    """What it means when the steps of an input go back."""

    INPUT = "input"  #: the whole input begins a new attempt (text logs, JSON lines, CSV)
    SERIES = "series"  #: only that series begins a new attempt (event files: tags are written independently)
    NEVER = "never"  #: the step is written again, in the same attempt (Runicorn's events.jsonl, pushes)


@dataclass(frozen=True, slots=True)
class Input:
    """One file (or URL) that an adapter reads, and the workload it belongs to.

    id: the same after a restart of the daemon. companions: other files whose change also causes a read
    (`status.json` beside `events.jsonl`). structured: hides the metrics of the same name in text inputs.
    contains: ids of inputs that hold the same data as parts of this one, and are not shown beside it.
    """

    id: str
    workload: str
    data_source: str
    adapter: str
    path: str
    name: str  # for users: the path relative to its root
    folder: str  # the folder that claims the workload's uid; "" if the user chose the uid
    why: str  # why it belongs to this workload: a clause that `lensd sources` prints
    structured: bool = False
    prefix: str = ""  # of every metric name, such as `train/`
    restarts: Restarts = Restarts.INPUT
    companions: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    chosen: bool = False  # the user named it: it is read whatever it looks like
    is_assigned: bool = False  # what its run folder holds decided its workload, which corrects earlier claims


@dataclass(slots=True)
class Points:
    """Points of one series as columns of equal length, in the order they were written.

    iteration, row: int64. ts_ms, value: float64. row: the number of the record in its batch, by which the
    store orders the points of different series to find the record that begins an attempt.
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
        """Points from plain sequences. Without `row`, rows are numbered from 0."""
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

    texts: the strings of a label series (`stage`), one per point; `points.value` is ignored then. iterates:
    false for tags whose axis is not the training iteration (Megatron's `loss vs samples`). They are metrics
    but add no iterations.
    """

    points: Points
    texts: list[str] | None = None
    iterates: bool = True
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class LineMark:
    """A place in a log from which its lines can be read: line number `line` (0-based, over the whole stream
    of rotated segments) begins at byte `offset` of the segment whose head has the fingerprint `segment`.

    step: of the first record there or below, where that was read together with the line."""

    line: int
    segment: str
    offset: int
    step: int | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of console output that no text file holds.

    ts_ms: when it was printed, UTC milliseconds. number: its place in the log, counted from 0; None for the
    place after the last line stored.
    """

    ts_ms: float
    text: str
    number: int | None = None


@dataclass(slots=True)
class Counts:
    """What happened to the records of a batch. A bad record is counted, never raised."""

    records: int = 0  # lines or records seen
    matched: int = 0  # records with points
    unparsed: int = 0  # records that look like metrics but could not be read
    skipped: int = 0  # corrupt records
    bytes: int = 0  # of input that the cursor moved over


@dataclass(slots=True)
class Batch:
    """The result of one read: everything that is committed together with the new cursor.

    cursor: where the next read starts; only the adapter that made it understands it.
    series: by metric name (with the input's prefix), in the order of first appearance.
    targets: the iterations whose records report the target iteration, with that as `value`.
    facts: about the workload (`framework`, `status`, `target_iteration`, `summary.*`, ...), JSON scalars.
    lines: console output to store, in this order.
    more: the budget ended this read, not the input, so the next read should follow at once.
    waits: the last record is incomplete; a later read returns it as it is if nothing more comes.
    restart: the input was replaced or truncated, so a new attempt begins, whatever its steps are.
    voids_from: a step: the input says that earlier inputs do not count from there on.
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
    voids_from: int | None = None
    lag_bytes: int = 0
    log_format: str | None = None  # what the content was recognised as, for `lensd sources`
    note: str | None = None  # one sentence for the user, e.g. "0 of 1200 lines matched"
    time_inferred: bool = False  # some times are inferred, not read

    @property
    def point_count(self) -> int:
        return sum(len(s.points) for s in self.series.values())


#: Steps, times and rows joined from pieces; the order they were sorted by (None: not needed); the pieces.
_Shared = tuple[Ints, Floats, Ints, npt.NDArray[np.intp] | None, list[Points]]


class SeriesBuilder:
    """Collects points row by row into the columns of a batch, for readers that go line by line.

    row: the row of the points added next; a reader that counts rows itself may set it. points: how many were
    added.
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
        """Begin the next record, to which the points added from here on belong. Returns its row."""
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
        """Add points of many rows at once, ascending by row. Rows added singly may lie between them."""
        self._columns.setdefault(name, ([], [], [], []))
        if unit:
            self._units.setdefault(name, unit)
        self._pieces.setdefault(name, []).append(points)
        self.points += len(points)

    def add_text(self, name: str, iteration: int, ts_ms: float, text: str) -> None:
        self.add(name, iteration, ts_ms, float("nan"))
        self._texts.setdefault(name, []).append(text)

    def build(self, prefix: str = "") -> dict[str, Series]:
        """The series, with the prefix before their names. Series that were added with the same step, time and
        row columns share the joined ones."""
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
            # Keep the pieces: the key is made of the ids of their columns.
            shared = self._shared[key] = step, ts_ms, row, order, pieces
        step, ts_ms, row, order, _ = shared
        value = np.concatenate([piece.value for piece in pieces])
        return Points(step, ts_ms, value if order is None else value[order], row)
