"""From what lines say to points: which step, which time, which rank, and whether they count.

Works on the cursor alone, in the order of lines; lines that come as columns are placed as if they had come
one by one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import tzinfo

import numpy as np

from lensd.model import Batch, Points, SeriesBuilder
from lensd_log.clock import Clock
from lensd_log.cursor import LogCursor
from lensd_log.line.record import LogFormat, ParsedLine, Record
from lensd_log.line.timestamps import parse_iso

#: Rows that a line of a block may take: one for each record in it.
ROWS_PER_LINE = 16
MOST_RANKED = 4096


class Placement:
    """Collects the points of one read. `clock` is set anew for each piece of the input that is read.

    every_rank: keep what other ranks than the lowest say where it differs, as `name{rank=N}`.
    """

    clock: Clock

    def __init__(self, cursor: LogCursor, batch: Batch, zone: tzinfo | None, every_rank: bool) -> None:
        self.cursor = cursor
        self._batch = batch
        self._zone = zone
        self._every_rank = every_rank
        self.series = SeriesBuilder()
        self.targets: list[Points] = []

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is placed meanwhile has its effect on the cursor and gives no points."""
        kept = self.series, self.targets
        self.series, self.targets = SeriesBuilder(), []
        try:
            yield
        finally:
            self.series, self.targets = kept

    @contextmanager
    def trial(self) -> Iterator[LogCursor]:
        """What is placed meanwhile gives points and has its effect on a copy of the cursor."""
        cursor = self.cursor
        self.cursor = copy.deepcopy(cursor)
        try:
            yield self.cursor
        finally:
            self.cursor = cursor

    def all_targets(self) -> Points | None:
        if not self.targets:
            return None
        row = np.concatenate([segment.row for segment in self.targets])
        order = np.argsort(row, kind="stable")
        columns = [
            np.concatenate([getattr(segment, name) for segment in self.targets])[order]
            for name in ("iteration", "ts_ms", "value")
        ]
        return Points(columns[0], columns[1], columns[2], row[order])

    def add(self, parsed_line: ParsedLine, ts_ms: float | None) -> bool:
        """Place what one line says; true when it gave (or another rank had given) its points."""
        gave = False
        if parsed_line.log_format is not None:
            for record in parsed_line.records or ():
                gave = self.add_record(record, parsed_line.log_format, ts_ms, parsed_line.rank) or gave
        return gave

    def add_record(
        self, record: Record, log_format: LogFormat, ts_ms: float | None, rank: int | None
    ) -> bool:
        cursor = self.cursor
        if not record.values and not record.labels:
            return False
        self.report_framework(record.framework, log_format)
        if record.step is None:
            record.step = self._place(record)
        elif not record.evaluation:
            cursor.last_step = record.step
        values = record.values if rank is None else self._of_rank(record.values, rank, record.step)
        if not values and not record.labels:
            return True
        if record.ts_ms is not None:
            ts_ms = record.ts_ms
        elif record.printed_time:
            ts_ms = parse_iso(record.printed_time, self._zone) or ts_ms
        if ts_ms is None:
            ts_ms = self.clock.infer(record, cursor.lines)
        row = self.series.next_row()
        units = record.units or {}
        for name, value in values:
            self.series.add(name, record.step, ts_ms, value, unit=units.get(name))
        for name, text in record.labels:
            self.series.add_text(name, record.step, ts_ms, text)
        if record.target is not None:
            self.targets.append(Points.of((record.step,), (ts_ms,), (float(record.target),), (row,)))
            self.report("target_iteration", record.target)
        return True

    def report(self, name: str, value: str | int) -> None:
        if self.cursor.told.get(name) != value:
            self.cursor.told[name] = value
            self._batch.facts[name] = value

    def report_framework(self, framework: str | None, log_format: LogFormat) -> None:
        if framework or (log_format.framework and "framework" not in self.cursor.told):
            self.report("framework", framework or log_format.framework or "")

    def _place(self, record: Record) -> int:
        cursor = self.cursor
        if record.evaluation and cursor.last_step is not None:
            return cursor.last_step
        cursor.ordinal += 1
        if not record.evaluation:
            cursor.last_step = cursor.ordinal
        return cursor.ordinal

    # Ranks

    def _of_rank(self, values: Sequence[tuple[str, float]], rank: int, step: int) -> list[tuple[str, float]]:
        kept = []
        for name, value in values:
            if self.follows(name, rank, step):
                kept.append((name, value))
                if self._every_rank and name in self.cursor.ranks:
                    self.cursor.ranks[name][3:] = [value]
            elif self._every_rank and self._differs(name, rank, step, value):
                kept.append((f"{name}{{rank={rank}}}", value))
        return kept

    def follows(self, name: str, rank: int, step: int) -> bool:
        """A metric follows the lowest rank that prints it; another takes over only when that one has fallen
        silent for two of its steps. Ranks print the same steps with slightly different values."""
        ranks = self.cursor.ranks
        held = ranks.get(name)
        if held is None:
            if len(ranks) < MOST_RANKED:
                ranks[name] = [rank, step, 0]
            return True
        last, gap = int(held[1]), int(held[2])
        if rank > held[0] and step <= last + max(1, 2 * gap):
            return False
        if rank < held[0] and step < last:
            return False  # a lower rank that comes late begins where the other one has got to
        ranks[name] = [rank, step, max(0, step - last)]
        return True

    def _differs(self, name: str, rank: int, step: int, value: float) -> bool:
        held = self.cursor.ranks[name]
        same_step = held[0] != rank and held[1] == step
        return not (same_step and len(held) > 3 and repr(float(held[3])) == repr(value))
