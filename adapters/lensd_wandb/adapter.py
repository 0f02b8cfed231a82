"""The adapter for W&B's transaction logs: finds them, and reads one from where its cursor stands."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import BinaryIO

from lensd.adapter import Budget, InputDead, InputGone, RetryAfter
from lensd.discovery import Roots
from lensd.model import Batch, Counts, Input, LogLine, Restarts, SeriesBuilder
from lensd.tail.binary import Snapshot, encode_cursor
from lensd.tail.protobuf import WireError
from lensd.wandb.axes import Axes
from lensd_wandb.cursor import WandbCursor
from lensd_wandb.frames import BLOCK, LONGEST, MAGIC, frames
from lensd_wandb.history import History
from lensd_wandb.layout import RunFiles, wandb_files
from lensd_wandb.records import (
    CONFIG,
    ENVIRONMENT,
    EXIT,
    HISTORY,
    METRIC,
    OUTPUT,
    OUTPUT_RAW,
    RUN,
    STATS,
    SUMMARY,
    Facts,
    add_stats,
    content,
    definition,
    output_lines,
)

#: Bytes that are in memory at a time, unless a record is longer.
_WINDOW = 4 << 20
_VALUE_BYTES = 24  # a value takes at least as many bytes of its record


class WandbAdapter:
    """`*.wandb` files, one input each. A resumed run has several: attempts of one workload, the run's id."""

    name = "wandb"
    data_source = "wandb"

    def __init__(self) -> None:
        self._files = RunFiles()

    def arrange(self, roots: Roots) -> None:
        """Tell runs apart, see `lensd.run_folders`."""
        self._files.arrange(roots)

    def discover(self, roots: Roots) -> Iterable[Input]:
        for file in wandb_files(roots):
            yield roots.input(
                file,
                adapter=self.name,
                data_source=self.data_source,
                structured=True,
                restarts=Restarts.NEVER,
                companions=[os.path.join(file.folder, "files", "wandb-metadata.json")],
            )

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        """The next records. Waits for a torn one at the end; steps over damage and counts it."""
        try:
            with open(input.path, "rb", buffering=0) as file:
                return _WandbRead(file, input, cursor, budget).batch()
        except FileNotFoundError as error:
            raise InputGone(f"{input.name} is gone") from error
        except OSError as error:
            raise RetryAfter(f"{input.name} cannot be read: {error.strerror or error}", 5.0) from error

    def close(self) -> None:
        """Nothing is open between reads."""


class _WandbRead:
    """One read of one file."""

    def __init__(self, file: BinaryIO, input: Input, cursor: bytes | None, budget: Budget) -> None:
        self._opened, self._file, self._input, self._budget = file, Snapshot(file), input, budget
        self._size = self._file.size
        self._stored = cursor
        self._cursor, self._restart = self._file.resume(cursor, WandbCursor)
        self._partial = dict(self._cursor.partial)
        self._points, self._facts, self._counts = SeriesBuilder(), Facts(), Counts()
        self._axes, self._moved = self._cursor.axes, False
        self._history = _make_history(
            self._points, self._cursor.step, self._cursor.ts_ms, self._cursor.start_ms
        )
        self._summaries: dict[int, tuple[bytes, int, int]] = {}
        self._lines: list[LogLine] = []
        self._other_matched = 0

    def batch(self) -> Batch:
        start = at = self._cursor.offset
        if at == 0:
            head = self._file.read(0, len(MAGIC))
            if not MAGIC.startswith(head):
                raise InputDead(f"{self._input.name} is no W&B transaction log")
            if len(head) < len(MAGIC):
                note = "nothing is written to it yet: the SDK buffers up to 32 KiB, or 15 s"
                return Batch(self._stored or encode_cursor(self._cursor), note=note)
            at = len(MAGIC)
        at, lost, more = self._read_records(at)
        self._history.finish()
        series, broke = self._axes.place(self._points.build(self._input.prefix))
        if broke or self._moved:
            return self._again()
        self._facts.facts |= self._axes.facts()
        if not more and self._input.companions:
            self._facts.metadata(self._input.companions[0])
        for record, begin, end in self._summaries.values():
            self._facts.summary(record, begin, end)
        self._counts.matched = self._history.matched + self._other_matched
        self._counts.bytes = at - start
        head_digest, trace = self._file.fingerprints(at)
        cursor = WandbCursor(
            offset=at,
            lost=lost,
            head=head_digest,
            trace=trace,
            step=self._history.step,
            partial=self._partial,
            ts_ms=self._history.ts_ms,
            start_ms=self._history.start_ms,
            axes=self._axes,
        )
        return Batch(
            encode_cursor(cursor),
            series,
            facts=self._facts.facts,
            counts=self._counts,
            lines=self._lines,
            more=more,
            restart=self._restart,
            lag_bytes=max(0, self._size - at),
            log_format="wandb transaction log",
        )

    def _again(self) -> Batch:
        """The batch of a new read from the beginning: points that are stored have other iterations now."""
        axes = Axes(defined=self._axes.defined, broken=self._axes.broken)
        again = _WandbRead(self._opened, self._input, encode_cursor(WandbCursor(axes=axes)), self._budget)
        again._restart = True
        return again.batch()

    def _read_records(self, at: int) -> tuple[int, bool, bool]:
        """Take records from `at` until the file or the budget ends.

        Returns where reading goes on, whether in a record whose beginning is lost, and whether there is more
        to read at once.
        """
        start, lost = at, self._cursor.lost
        window = 0  # bytes to look at for a record that is longer than the budget
        while True:
            limit = 1 if window else self._limit(at - start)
            data = self._file.read(at, window or limit + BLOCK)
            scanned = frames(data, at, limit, lost=lost)
            self._counts.skipped += scanned.skipped
            for record in scanned.records:
                self._take_record(record)
            if scanned.end > at:
                at, lost, window = scanned.end, scanned.lost, 0
                if at >= self._size or self._budget.spent(at - start, self._point_count()):
                    return at, lost, at < self._size
            elif at + len(data) >= self._size:
                return at, scanned.lost, False  # the rest is the beginning of a record
            elif window > LONGEST:
                raise InputDead(f"{self._input.name} holds a record of over {LONGEST >> 20} MiB at {at}")
            else:
                window = 4 * (window or _WINDOW)

    def _limit(self, used_bytes: int) -> int:
        """How many bytes of records may be taken next."""
        points_left = self._budget.points - self._point_count()
        bytes_left = self._budget.bytes - used_bytes
        return max(1, min(bytes_left, max(points_left * _VALUE_BYTES, BLOCK), _WINDOW))

    def _point_count(self) -> int:
        return self._history.pending + self._points.points

    def _take_record(self, record: bytes) -> None:
        self._counts.records += 1
        row = self._points.next_row()
        try:
            kind, begin, end = content(record)
            if kind == HISTORY:
                if not self._history.add(record, begin, end, row):
                    self._counts.unparsed += 1
                self._points.row = row
            elif kind == SUMMARY:
                # One comes with each row, mostly with the same keys: read only the last one of each length.
                self._summaries.pop(end - begin, None)
                self._summaries[end - begin] = record, begin, end
            elif kind:
                self._take_other(kind, record, begin, end)
        except WireError:
            self._counts.unparsed += 1

    def _take_other(self, kind: int, record: bytes, begin: int, end: int) -> None:
        if kind == STATS:
            self._other_matched += add_stats(record, begin, end, self._history.step or 0, self._points)
        elif kind == CONFIG:
            self._facts.config(record, begin, end)
        elif kind == RUN:
            self._facts.run(record, begin, end)
            started = self._facts.facts.get("start_time")
            if isinstance(started, float):
                self._history.started(started * 1000.0)
        elif kind == METRIC:
            self._moved |= self._axes.define(*definition(record, begin, end))
        elif kind == ENVIRONMENT:
            self._facts.environment(record, begin, end)
        elif kind == EXIT:
            self._facts.exit(record, begin, end)
        elif kind in (OUTPUT, OUTPUT_RAW):
            self._lines += output_lines(record, begin, end, self._partial)


def _make_history(
    points: SeriesBuilder, step: int | None, ts_ms: float | None, start_ms: float | None
) -> History:
    """A reader of rows: by columns, or item by item where the folder `fast` was deleted."""
    try:
        from lensd_wandb.fast.rows import ColumnHistory
    except ImportError:
        return History(points, step, ts_ms, start_ms)
    return ColumnHistory(points, step, ts_ms, start_ms)
