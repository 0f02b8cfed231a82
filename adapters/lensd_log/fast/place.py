"""Places the lines of a block: the columnar half of `Placement`.

Lines that are read as columns get the same steps, times and ranks as they would one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lensd.model import Floats, Ints, Points
from lensd_log.fast.epochs import steps_in_run
from lensd_log.fast.grid import Bools
from lensd_log.fast.structural import placed
from lensd_log.fast.template import RecordColumns
from lensd_log.line.record import LogFormat, Record
from lensd_log.placement import MOST_RANKED, ROWS_PER_LINE, Placement
from lensd_log.structure.reader import claim_names


class ColumnPlacement:
    """Adds columns to the points of `placement`, and moves its cursor and clock on."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement

    def add(
        self,
        columns: Sequence[RecordColumns],
        timestamps: Sequence[tuple[int, float]],
        first_row: int,
        first_line: int,
    ) -> None:
        """Place one stretch of a block. No line is in two of `columns`.

        timestamps: line and UTC ms of the lines that say nothing but their time, ascending.
        first_row: the row of the block's first line. first_line: its ordinal in the input, counted from 1.
        """
        placement = self._placement
        structural = [part for part in columns if part.template.outline is not None and len(part.lines)]
        parts = [part for part in columns if part.record is not None and part.template.outline is None]
        parts = [part for part in parts if len(part.lines)]
        if structural:
            parts += placed(structural, placement.cursor, first_line)
        steps = self._steps(parts)
        self._fill_times(columns, timestamps, parts, steps, first_line)
        if not parts:
            return
        for part in parts:
            if part.template.outline is None:
                claim_names([_record(part)], placement.cursor.structure)
            placement.report_framework(_record(part).framework, _log_format(part))
        placement.cursor.matched_by(_log_format(max(parts, key=_last_line)))
        for part, step, keep in zip(parts, steps, self._kept(parts, steps), strict=True):
            self._emit(part, step, keep, first_row)
        with_target = [part for part in parts if part.target is not None]
        if with_target:
            target = max(with_target, key=_last_line).target
            assert target is not None
            placement.report("target_iteration", int(target[-1]))

    def _steps(self, parts: Sequence[RecordColumns]) -> list[Ints]:
        """The steps of each part, printed or counted. Remembers the last one."""
        cursor = self._placement.cursor
        counted = [part for part in parts if part.step is None]
        ordinal = np.empty(0, np.int64)
        if counted:
            lines = np.concatenate([part.lines for part in counted])
            is_counted = np.zeros(int(lines.max()) + 1, np.bool_)
            is_counted[lines] = True
            ordinal = np.cumsum(is_counted) + cursor.ordinal
            cursor.ordinal += len(lines)
        steps = [ordinal[part.lines] if part.step is None else part.step for part in parts]
        self._place_in_epochs(parts, steps)
        training = [
            (_last_line(part), int(step[-1]))
            for part, step in zip(parts, steps, strict=True)
            if not _record(part).evaluation
        ]
        if training:
            cursor.last_step = max(training)[1]
        return steps

    def _place_in_epochs(self, parts: Sequence[RecordColumns], steps: list[Ints]) -> None:
        """Put the steps through the run in place of batches of epochs."""
        names = {_log_format(part).name for part in parts if part.epoch is not None}
        for name in names:
            which = [at for at, p in enumerate(parts) if p.epoch is not None and _log_format(p).name == name]
            epochs = [epoch for at in which if (epoch := parts[at].epoch) is not None]
            order = np.argsort(np.concatenate([parts[at].lines for at in which]))
            places = np.concatenate([steps[at] for at in which])
            state = self._placement.cursor.epochs.setdefault(name, {})
            places[order] = steps_in_run(places[order], np.concatenate(epochs)[order], state)
            edges = np.cumsum([len(epoch) for epoch in epochs])[:-1]
            for at, placed_steps in zip(which, np.split(places, edges), strict=True):
                steps[at] = placed_steps

    # Times

    def _fill_times(
        self,
        columns: Sequence[RecordColumns],
        timestamps: Sequence[tuple[int, float]],
        parts: Sequence[RecordColumns],
        steps: Sequence[Ints],
        first_line: int,
    ) -> None:
        """Fill in the times of lines that print none, and move the clock on."""
        clock = self._placement.clock
        stamped = [part for part in columns if part.template.sample.stamp is not None and len(part.lines)]
        bare = [(part, step) for part, step in zip(parts, steps, strict=True) if part.ts_ms is None]
        is_near = bool(bare) and clock.is_near(first_line + min(int(part.lines[0]) for part, _ in bare))
        if bare and (stamped or timestamps or is_near):
            printed = [*timestamps]
            for part in stamped:
                printed += zip(part.lines.tolist(), _times(part).tolist(), strict=True)
            self._infer_one_by_one(printed, bare, first_line)
            return
        if bare:
            self._infer_together(bare)
        last = [*timestamps[-1:], *((_last_line(part), float(_times(part)[-1])) for part in stamped)]
        if last:
            line, ms = max(last)
            clock.saw(ms, first_line + line)

    def _infer_together(self, bare: Sequence[tuple[RecordColumns, Ints]]) -> None:
        """Times of lines with no time printed anywhere near."""
        lines = np.concatenate([part.lines for part, _ in bare])
        steps = np.concatenate([step for _, step in bare])
        step_ms = np.concatenate([_step_ms(part) for part, _ in bare])
        order = np.argsort(lines)
        times = np.empty(len(lines))
        times[order] = self._placement.clock.infer_many(steps[order], step_ms[order])
        begin = 0
        for part, _ in bare:
            part.ts_ms = times[begin : begin + len(part.lines)]
            begin += len(part.lines)

    def _infer_one_by_one(
        self, printed: list[tuple[int, float]], bare: Sequence[tuple[RecordColumns, Ints]], first_line: int
    ) -> None:
        """Times of lines that may stand just below a printed one: in the order of lines, as they take it."""
        clock = self._placement.clock
        inferred = [np.empty(len(part.lines)) for part, _ in bare]
        step_ms = [None if part.step_ms is None else part.step_ms.tolist() for part, _ in bare]
        events = [(line, -1, 0, ms) for line, ms in printed]
        for which, (part, _) in enumerate(bare):
            events += [(line, which, index, 0.0) for index, line in enumerate(part.lines.tolist())]
        for line, which, index, ms in sorted(events):
            if which < 0:
                clock.saw(ms, first_line + line)
                continue
            took = step_ms[which]
            record = Record((), int(bare[which][1][index]), step_ms=None if took is None else took[index])
            inferred[which][index] = clock.infer(record, first_line + line)
        for (part, _), times in zip(bare, inferred, strict=True):
            part.ts_ms = times

    # Points

    def _emit(self, part: RecordColumns, step: Ints, keep: Bools | None, first_row: int) -> None:
        """Add the points of a part. keep: [values, lines] which of them count; None for all."""
        series, record = self._placement.series, _record(part)
        rows, ts_ms = first_row + part.lines * ROWS_PER_LINE + 1, _times(part)
        units = record.units or {}
        for index, ((name, _), value) in enumerate(zip(record.values, part.values, strict=True)):
            points = Points(step, ts_ms, value, rows)
            if keep is not None:
                points = _selected(points, keep[index])
            if len(points):
                series.add_columns(name, points, unit=units.get(name))
        if part.target is not None:
            targets = Points(step, ts_ms, part.target.astype(np.float64), rows)
            if keep is not None:
                targets = _selected(targets, np.any(keep, axis=0).reshape(-1))
            self._placement.targets.append(targets)

    # Ranks

    def _kept(self, parts: Sequence[RecordColumns], steps: Sequence[Ints]) -> list[Bools | None]:
        """[values, lines] which values of each part count, where lines name their rank. None: all of them."""
        masks: list[Bools | None] = [None] * len(parts)
        ranked = [index for index, part in enumerate(parts) if part.template.sample.rank is not None]
        if not ranked or (len(ranked) == 1 and self._holds_all(parts[ranked[0]], steps[ranked[0]])):
            return masks
        order: list[tuple[int, int, int]] = []
        for index in ranked:
            part = parts[index]
            masks[index] = np.zeros((len(part.values), len(part.lines)), np.bool_)
            order += [(line, index, place) for place, line in enumerate(part.lines.tolist())]
        for _, index, place in sorted(order):
            rank, mask, step = parts[index].template.sample.rank, masks[index], int(steps[index][place])
            assert rank is not None
            assert mask is not None
            names = [name for name, _ in _record(parts[index]).values]
            mask[:, place] = [self._placement.follows(name, rank, step) for name in names]
        return masks

    def _holds_all(self, part: RecordColumns, step: Ints) -> bool:
        """Does one rank already hold, or now take, every name of the part? Then nothing is compared."""
        rank, ranks = part.template.sample.rank, self._placement.cursor.ranks
        assert rank is not None
        names = {name for name, _ in _record(part).values}
        if len(ranks) + len(names) > MOST_RANKED:
            return False
        if any(name in ranks and ranks[name][0] != rank for name in names):
            return False
        last = int(step[-1])
        for name in names:
            before = float(step[-2]) if len(step) > 1 else ranks[name][1] if name in ranks else last
            ranks[name] = [rank, last, max(0, last - int(before))]
        return True


def _record(part: RecordColumns) -> Record:
    assert part.record is not None
    return part.record


def _log_format(part: RecordColumns) -> LogFormat:
    assert part.template.log_format is not None
    return part.template.log_format


def _last_line(part: RecordColumns) -> int:
    return int(part.lines[-1])


def _times(part: RecordColumns) -> Floats:
    assert part.ts_ms is not None
    return part.ts_ms


def _step_ms(part: RecordColumns) -> Floats:
    """[lines] what one step took, NaN where that is not printed."""
    return np.full(len(part.lines), np.nan) if part.step_ms is None else part.step_ms


def _selected(points: Points, keep: Bools) -> Points:
    return Points(points.iteration[keep], points.ts_ms[keep], points.value[keep], points.row[keep])
