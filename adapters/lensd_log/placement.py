"""From what lines say to points: which step, which time, which rank, and whether they count.

Works on the cursor alone, in the order of lines.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import tzinfo

import numpy as np

from lensd.model import Batch, Points, SeriesBuilder
from lensd_log.clock import Clock
from lensd_log.cursor import LogCursor
from lensd_log.line.record import EarlierRecord, LogFormat, ParsedLine, Record
from lensd_log.line.timestamps import parse_iso
from lensd_log.structure import waiting

#: The row of a point is its line's number times this, plus the ordinal of its record in the line.
ROWS_PER_LINE = 16
#: Metrics whose rank is remembered.
MOST_RANKED = 4096
_LARGEST = 1 << 62  # a step beyond is none


class Placement:
    """Places lines after those that `cursor` has seen, and collects their points, facts and counts.

    clock: to be set before lines are added, anew for each chunk. series: the points. targets: the
    `target_iteration` of each record that names one. every_rank: keep what ranks other than the lowest
    print where it differs, as `name{rank=N}`.
    """

    clock: Clock

    def __init__(self, cursor: LogCursor, batch: Batch, zone: tzinfo | None, every_rank: bool) -> None:
        self.cursor = cursor
        self.batch = batch
        self.every_rank = every_rank
        self.series = SeriesBuilder()
        self.targets: list[Points] = []
        self._zone = zone

    def on_copied_cursor(self) -> Placement:
        """One that gives its points to the same batch, but moves a copy of the cursor."""
        trial = copy.copy(self)
        trial.cursor = self.cursor.copy()
        trial.clock = self.clock.with_state(trial.cursor.clock)
        return trial

    def without_points(self) -> Placement:
        """One that moves the same cursor, but gives its points to nobody."""
        silent = Placement(self.cursor, Batch(cursor=b""), self._zone, self.every_rank)
        silent.clock = self.clock
        return silent

    def finish(self, prefix: str) -> None:
        """Hand the collected points to the batch. prefix: of every metric's name."""
        self.batch.series = self.series.build(prefix)
        if self.targets:
            row = np.concatenate([points.row for points in self.targets])
            order = np.argsort(row, kind="stable")
            iteration, ts_ms, value = (
                np.concatenate([getattr(points, name) for points in self.targets])[order]
                for name in ("iteration", "ts_ms", "value")
            )
            self.batch.targets = Points(iteration, ts_ms, value, row[order])

    def add(self, parsed_line: ParsedLine) -> int:
        """Place the line that the cursor stands at, and those that waited for it. Returns how many of these
        lines hold values, even if those of another rank count."""
        self.series.row = max(self.series.row, self.cursor.lines * ROWS_PER_LINE)
        ts_ms = self.clock.stamp(parsed_line.stamp, parsed_line.container_ms, self.cursor.lines)
        matched = 0
        if parsed_line.waits:
            near = ts_ms is None and self.clock.is_near(self.cursor.lines)
            waiting.set_time(self.cursor.structure, self.cursor.lines, self.clock.last_ms if near else ts_ms)
        if parsed_line.log_format is not None:
            for earlier in parsed_line.earlier:
                self._add_earlier(earlier, parsed_line.log_format)
            matched = len({earlier.line for earlier in parsed_line.earlier})
            records = parsed_line.records or ()
            added = [self.add_record(r, parsed_line.log_format, ts_ms, parsed_line.rank) for r in records]
            matched += any(added)
        return matched

    def _add_earlier(self, earlier: EarlierRecord, log_format: LogFormat) -> None:
        """Place the record of a line above, in its own row."""
        row, last_step = self.series.row, self.cursor.last_step
        self.series.row = earlier.line * ROWS_PER_LINE
        self.add_record(earlier.record, log_format, earlier.ts_ms, earlier.rank)
        self.series.row = row
        if last_step is not None:
            self.cursor.last_step = last_step

    def add_record(
        self,
        record: Record,
        log_format: LogFormat,
        ts_ms: float | None = None,
        rank: int | None = None,
    ) -> bool:
        """Place one record. ts_ms: UTC ms of its line, None where that has none. False for an empty one."""
        cursor = self.cursor
        if not record.values and not record.labels:
            return False
        if record.step is not None and abs(record.step) > _LARGEST:
            return False
        self.report_framework(record.framework, log_format)
        rank = rank if record.rank is None else record.rank
        if record.step is None:
            record.step = self._count_step(record.evaluation)
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
        """Report a fact, once."""
        if self.cursor.reported.get(name) != value:
            self.cursor.reported[name] = value
            self.batch.facts[name] = value

    def report_framework(self, framework: str | None, log_format: LogFormat) -> None:
        """Report the framework that a record names, else, where none is reported yet, its log format's."""
        if framework or (log_format.framework and "framework" not in self.cursor.reported):
            self.report("framework", framework or log_format.framework or "")

    def _count_step(self, evaluation: bool) -> int:
        """The step of a record that prints none."""
        cursor = self.cursor
        if evaluation and cursor.last_step is not None:
            return cursor.last_step
        cursor.ordinal += 1
        if not evaluation:
            cursor.last_step = cursor.ordinal
        return cursor.ordinal

    # Ranks

    def _of_rank(self, values: Sequence[tuple[str, float]], rank: int, step: int) -> list[tuple[str, float]]:
        kept = []
        for name, value in values:
            if self.follows(name, rank, step):
                kept.append((name, value))
                if self.every_rank and name in self.cursor.ranks:
                    self.cursor.ranks[name][3:] = [value]
            elif self.every_rank and self._differs(name, rank, step, value):
                kept.append((f"{name}{{rank={rank}}}", value))
        return kept

    def follows(self, name: str, rank: int, step: int) -> bool:
        """Does the metric follow this rank at this step?

        It follows the lowest rank that prints it. Another one takes over only when that one has been silent
        for two of its steps. Ranks print the same steps with slightly different values.
        """
        ranks = self.cursor.ranks
        followed = ranks.get(name)
        if followed is None:
            if len(ranks) < MOST_RANKED:
                ranks[name] = [rank, step, 0]
            return True
        last, gap = int(followed[1]), int(followed[2])
        if rank > followed[0] and step <= last + max(1, 2 * gap):
            return False
        if rank < followed[0] and step < last:
            return False  # a lower rank that comes late begins where the other one is
        ranks[name] = [rank, step, max(0, step - last)]
        return True

    def _differs(self, name: str, rank: int, step: int, value: float) -> bool:
        followed = self.cursor.ranks[name]
        same_step = followed[0] != rank and followed[1] == step
        return not (same_step and len(followed) > 3 and repr(float(followed[3])) == repr(value))
