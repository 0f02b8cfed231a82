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

from lensd.model import Batch, Floats, Ints, Points, SeriesBuilder
from lensd_log.clock import Clock
from lensd_log.cursor import LogCursor
from lensd_log.fast.grid import Bools
from lensd_log.fast.template import RecordColumns
from lensd_log.line.record import LogFormat, ParsedLine, Record
from lensd_log.line.timestamps import parse_iso

#: Rows that a line of a block may take: one for each record in it.
ROWS = 16
_MAX_RANKED = 4096


class Placement:
    """Collects the points of one read. `clock` is set anew for each piece of the input that is read.

    every_rank: keep what other ranks than the lowest say where it differs, as `name{rank=N}`.
    """

    clock: Clock

    def __init__(self, cursor: LogCursor, batch: Batch, zone: tzinfo | None, every_rank: bool) -> None:
        self._cursor = cursor
        self._batch = batch
        self._zone = zone
        self._every_rank = every_rank
        self.series = SeriesBuilder()
        self._targets: list[Points] = []

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is placed meanwhile has its effect on the cursor and gives no points."""
        kept = self.series, self._targets
        self.series, self._targets = SeriesBuilder(), []
        try:
            yield
        finally:
            self.series, self._targets = kept

    @contextmanager
    def trial(self) -> Iterator[LogCursor]:
        """What is placed meanwhile gives points and has its effect on a copy of the cursor."""
        cursor = self._cursor
        self._cursor = copy.deepcopy(cursor)
        try:
            yield self._cursor
        finally:
            self._cursor = cursor

    def targets(self) -> Points | None:
        if not self._targets:
            return None
        row = np.concatenate([segment.row for segment in self._targets])
        order = np.argsort(row, kind="stable")
        columns = [
            np.concatenate([getattr(segment, name) for segment in self._targets])[order]
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
        cursor = self._cursor
        if not record.values and not record.labels:
            return False
        self._tell_framework(record.framework, log_format)
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
            self._targets.append(Points.of((record.step,), (ts_ms,), (float(record.target),), (row,)))
            self.tell("target_iteration", record.target)
        return True

    def add_columns(
        self,
        found: Sequence[RecordColumns],
        stamps: Sequence[tuple[int, float]],
        first_row: int,
        first_line: int,
    ) -> None:
        """Place lines of one stretch of a block; `found` has no two of one line.

        stamps: lines that say nothing but their time, and this in UTC ms.
        first_row: the row of the block's first line. first_line: its ordinal in the input, counted from 1.
        """
        records = [columns for columns in found if columns.template.record is not None and len(columns.lines)]
        cursor = self._cursor
        steps = self._steps(records)
        self._stamp(found, stamps, records, steps, first_line)
        if not records:
            return
        for columns in records:
            record, log_format = columns.template.record, columns.template.log_format
            assert record is not None
            assert log_format is not None
            self._tell_framework(record.framework, log_format)
        last = max(records, key=lambda columns: int(columns.lines[-1])).template.log_format
        assert last is not None
        cursor.log_format = last.name
        cursor.specific = cursor.specific or not last.generic
        kept = self._kept(records, steps)
        for columns, step, keep in zip(records, steps, kept, strict=True):
            self._emit(columns, step, keep, first_row)
        told = [columns for columns in records if columns.target is not None]
        if told:
            target = max(told, key=lambda columns: int(columns.lines[-1])).target
            assert target is not None
            self.tell("target_iteration", int(target[-1]))

    def tell(self, name: str, value: str | int) -> None:
        if self._cursor.told.get(name) != value:
            self._cursor.told[name] = value
            self._batch.facts[name] = value

    def _tell_framework(self, framework: str | None, log_format: LogFormat) -> None:
        if framework or (log_format.framework and "framework" not in self._cursor.told):
            self.tell("framework", framework or log_format.framework or "")

    def _place(self, record: Record) -> int:
        cursor = self._cursor
        if record.evaluation and cursor.last_step is not None:
            return cursor.last_step
        cursor.ordinal += 1
        if not record.evaluation:
            cursor.last_step = cursor.ordinal
        return cursor.ordinal

    def _steps(self, records: Sequence[RecordColumns]) -> list[Ints]:
        """The steps of each, told or counted, and the last one of them remembered."""
        cursor = self._cursor
        untold = [columns for columns in records if columns.step is None]
        steps: dict[int, Ints] = {}
        if untold:
            lines = np.concatenate([columns.lines for columns in untold])
            here = np.zeros(int(lines.max()) + 1, np.bool_)
            here[lines] = True
            ordinal = np.cumsum(here) + cursor.ordinal
            cursor.ordinal += len(lines)
            steps = {id(columns): ordinal[columns.lines] for columns in untold}
        result = [columns.step if columns.step is not None else steps[id(columns)] for columns in records]
        trained = [
            (int(columns.lines[-1]), int(step[-1]))
            for columns, step in zip(records, result, strict=True)
            if columns.template.record is not None and not columns.template.record.evaluation
        ]
        if trained:
            cursor.last_step = max(trained)[1]
        return result

    def _stamp(
        self,
        found: Sequence[RecordColumns],
        stamps: Sequence[tuple[int, float]],
        records: Sequence[RecordColumns],
        steps: Sequence[Ints],
        first_line: int,
    ) -> None:
        """Fill in the times of lines that print none, and move the clock on."""
        stamped = [
            columns
            for columns in found
            if columns.template.parsed_line.stamp is not None and len(columns.lines)
        ]
        bare = [
            (columns, step) for columns, step in zip(records, steps, strict=True) if columns.ts_ms is None
        ]
        near = bool(bare) and self.clock.is_near(first_line + int(bare[0][0].lines[0]))
        if bare and (stamped or stamps or near):
            seen = [*stamps]
            for columns in stamped:
                seen += zip(columns.lines.tolist(), _times(columns).tolist(), strict=True)
            self._stamp_one_by_one(seen, bare, first_line)
            return
        if bare:
            self._stamp_bare(bare)
        last = [*stamps[-1:], *((int(c.lines[-1]), float(_times(c)[-1])) for c in stamped)]
        if last:
            line, ms = max(last)
            self.clock.saw(ms, first_line + line)

    def _stamp_bare(self, bare: Sequence[tuple[RecordColumns, Ints]]) -> None:
        """Times of lines with no time printed anywhere near."""
        lines = np.concatenate([columns.lines for columns, _ in bare])
        order = np.argsort(lines)
        times = np.empty(len(lines))
        told = [columns.step_ms for columns, _ in bare]
        step_ms = np.concatenate(
            [np.full(len(c.lines), np.nan) if t is None else t for (c, _), t in zip(bare, told, strict=True)]
        )
        step = np.concatenate([step for _, step in bare])
        times[order] = self.clock.infer_many(step[order], step_ms[order])
        at = 0
        for columns, _ in bare:
            columns.ts_ms = times[at : at + len(columns.lines)]
            at += len(columns.lines)

    def _stamp_one_by_one(
        self, seen: list[tuple[int, float]], bare: Sequence[tuple[RecordColumns, Ints]], first_line: int
    ) -> None:
        """Lines without a time go with the lines above that have one: in the order of lines, then."""
        inferred = [np.empty(len(columns.lines)) for columns, _ in bare]
        events = [(line, -1, 0, ms) for line, ms in seen]
        for which, (columns, _) in enumerate(bare):
            events += [(line, which, index, 0.0) for index, line in enumerate(columns.lines.tolist())]
        for line, which, index, ms in sorted(events):
            if which < 0:
                self.clock.saw(ms, first_line + line)
                continue
            columns, step = bare[which]
            step_ms = columns.step_ms
            took = None if step_ms is None else float(step_ms[index])
            record = Record((), int(step[index]), step_ms=took)
            inferred[which][index] = self.clock.infer(record, first_line + line)
        for (columns, _), times in zip(bare, inferred, strict=True):
            columns.ts_ms = times

    def _emit(self, columns: RecordColumns, step: Ints, keep: Bools | None, first_row: int) -> None:
        """keep: [values, lines] which are wanted, None for all."""
        record = columns.template.record
        assert record is not None
        rows, ts_ms = first_row + columns.lines * ROWS + 1, _times(columns)
        units = record.units or {}
        for index, ((name, _), value) in enumerate(zip(record.values, columns.values, strict=True)):
            points = Points(step, ts_ms, value, rows)
            if keep is not None:
                points = _taken(points, keep[index])
            if len(points):
                self.series.add_columns(name, points, unit=units.get(name))
        if columns.target is not None:
            targets = Points(step, ts_ms, columns.target.astype(np.float64), rows)
            wanted = None if keep is None else np.any(keep, axis=0).reshape(-1)
            self._targets.append(targets if wanted is None else _taken(targets, wanted))

    # Ranks

    def _of_rank(self, values: Sequence[tuple[str, float]], rank: int, step: int) -> list[tuple[str, float]]:
        kept = []
        for name, value in values:
            if self._follows(name, rank, step):
                kept.append((name, value))
                if self._every_rank and name in self._cursor.ranks:
                    self._cursor.ranks[name][3:] = [value]
            elif self._every_rank and self._differs(name, rank, step, value):
                kept.append((f"{name}{{rank={rank}}}", value))
        return kept

    def _follows(self, name: str, rank: int, step: int) -> bool:
        """A metric follows the lowest rank that prints it; another takes over only when that one has fallen
        silent for two of its steps. Ranks print the same steps with slightly different values."""
        ranks = self._cursor.ranks
        held = ranks.get(name)
        if held is None:
            if len(ranks) < _MAX_RANKED:
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
        held = self._cursor.ranks[name]
        same_step = held[0] != rank and held[1] == step
        return not (same_step and len(held) > 3 and repr(float(held[3])) == repr(value))

    def _kept(self, records: Sequence[RecordColumns], steps: Sequence[Ints]) -> list[Bools | None]:
        """Which values of which lines count, where ranks are told. None: all of them."""
        kept: list[Bools | None] = [None] * len(records)
        ranked = [
            index for index, columns in enumerate(records) if columns.template.parsed_line.rank is not None
        ]
        if not ranked:
            return kept
        if len({records[index].template.parsed_line.rank for index in ranked}) == 1 and len(ranked) == 1:
            columns, step = records[ranked[0]], steps[ranked[0]]
            if self._holds_all(columns, step):
                return kept
        order: list[tuple[int, int, int]] = []
        for index in ranked:
            columns = records[index]
            kept[index] = np.zeros((len(columns.values), len(columns.lines)), np.bool_)
            order += [(line, index, place) for place, line in enumerate(columns.lines.tolist())]
        for _, index, place in sorted(order):
            record, rank, mask = (
                records[index].template.record,
                records[index].template.parsed_line.rank,
                kept[index],
            )
            assert record is not None
            assert rank is not None
            assert mask is not None
            at = int(steps[index][place])
            mask[:, place] = [self._follows(name, rank, at) for name, _ in record.values]
        return kept

    def _holds_all(self, columns: RecordColumns, step: Ints) -> bool:
        """One rank alone, that already holds (or now takes) every name: nothing has to be compared."""
        record, rank = columns.template.record, columns.template.parsed_line.rank
        assert record is not None
        assert rank is not None
        ranks = self._cursor.ranks
        names = {name for name, _ in record.values}
        if (
            any(name in ranks and ranks[name][0] != rank for name in names)
            or len(ranks) + len(names) > _MAX_RANKED
        ):
            return False
        before = {name: ranks[name][1] if name in ranks else None for name in names}
        last = int(step[-1])
        for name in names:
            earlier = int(step[-2]) if len(step) > 1 else before[name]
            ranks[name] = [rank, last, max(0, last - int(earlier)) if earlier is not None else 0]
        return True


def _times(columns: RecordColumns) -> Floats:
    assert columns.ts_ms is not None
    return columns.ts_ms


def _taken(points: Points, keep: Bools) -> Points:
    return Points(points.iteration[keep], points.ts_ms[keep], points.value[keep], points.row[keep])
