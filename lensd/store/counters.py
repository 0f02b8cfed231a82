"""Keeps the number of points that every view shows, at write time.

Points behind everything shown are added to the count. In all other cases (a step written again, a new
attempt, a second input with the same names) the reader counts before and after, over no more steps than the
batch touched, so that the counts are always those of what is served.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lensd.store.columns import Columns, is_ascending
from lensd.store.detail import count
from lensd.store.plan import Member, Part, plan, plan_iterations
from lensd.store.reader import Reader

View = tuple[str, str]  #: (kind, name)


@dataclass(slots=True)
class Shown:
    """A view as its row holds it."""

    points: int
    max_step: int | None


@dataclass(slots=True)
class _Before:
    """A view before the batch: `count` points shown with lo <= step < hi."""

    parts: list[Part]
    count: int
    lo: int
    hi: int


class Tally:
    """Counts one batch of one input. Call `before`, write the points, call `after`."""

    def __init__(
        self, reader: Reader, db: sqlite3.Connection, workload_id: int, data_source: str, input_id: int
    ) -> None:
        self._reader = reader
        self._db = db
        self._workload_id = workload_id
        self._data_source = data_source
        self._input_id = input_id
        self._updated: dict[View, Shown] = {}
        self._before: dict[View, _Before] = {}
        self._recounts_all = False

    def before(self, additions: Mapping[View, list[Columns]], *, begins: bool) -> None:
        """additions: the points about to be written, per view. begins: an attempt begins with them."""
        self._recounts_all = begins or not self._is_alone()
        if self._recounts_all:
            self._count_before(additions)
            return
        rows = self._rows(additions)
        overlapping: dict[View, list[Columns]] = {}
        for view, columns in additions.items():
            if _appends(rows[view], columns):
                self._updated[view] = _plus(rows[view], view, columns[0])
            else:
                overlapping[view] = columns
        if overlapping:
            self._count_before(overlapping)

    def anew(self) -> None:
        """Count all views from nothing."""
        where = "workload_id = ? AND data_source = ?"
        self._db.execute(f"DELETE FROM view WHERE {where}", (self._workload_id, self._data_source))
        self._recounts_all = True
        self.after()

    def after(self) -> None:
        """Write the counts of the views that the batch changed."""
        if self._before or self._recounts_all:
            self._recount()
        self._db.executemany(
            "INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?, ?, ?)",
            [
                (self._workload_id, self._data_source, *view, shown.points, shown.max_step)
                for view, shown in self._updated.items()
            ],
        )

    def _is_alone(self) -> bool:
        """Whether no other input of the workload and source holds points."""
        sql = (
            "SELECT 1 FROM input WHERE workload_id = ? AND data_source = ? AND id != ?"
            " AND min_ts IS NOT NULL LIMIT 1"
        )
        return (
            self._db.execute(sql, (self._workload_id, self._data_source, self._input_id)).fetchone() is None
        )

    def _rows(self, views: Mapping[View, object]) -> dict[View, Shown]:
        sql = "SELECT kind, name, points, max_step FROM view WHERE workload_id = ? AND data_source = ?"
        rows = {
            (kind, name): Shown(points, max_step)
            for kind, name, points, max_step in self._db.execute(sql, (self._workload_id, self._data_source))
        }
        return {view: rows.get(view, Shown(0, None)) for view in views}

    def _count_before(self, additions: Mapping[View, list[Columns]]) -> None:
        for view, (parts, _) in self._plans().items():
            columns = additions.get(view)
            if columns is None:
                self._before[view] = _Before(parts, 0, 0, 0)
                continue
            lo = min(int(c.step.min()) for c in columns)
            hi = max(int(c.step.max()) for c in columns) + 1
            self._before[view] = _Before(parts, self._count(view, parts, lo, hi), lo, hi)
        for view in additions:
            if view not in self._before:
                self._before[view] = _Before([], 0, 0, 0)

    def _recount(self) -> None:
        rows = self._rows(self._before)
        for view, (parts, max_step) in self._plans().items():
            before = self._before.get(view)
            if before is None and not self._recounts_all:
                continue
            if before is None or parts != before.parts:
                self._updated[view] = Shown(self._count(view, parts), max_step)
            elif before.hi > before.lo:
                now = self._count(view, parts, before.lo, before.hi)
                self._updated[view] = Shown(rows[view].points + now - before.count, max_step)

    def _plans(self) -> dict[View, tuple[list[Part], int | None]]:
        """The parts and the greatest step of every view of the source."""
        by_name: dict[View, list[Member]] = {}
        for member in self._reader.members(self._workload_id, data_source=self._data_source):
            by_name.setdefault((member.kind, member.name), []).append(member)
        metrics = [m for (kind, _), members in by_name.items() if kind == "metric" for m in members]
        plans: dict[View, tuple[list[Part], int | None]] = {}
        for view, members in by_name.items():
            greatest = max((span.max_step for m in members for span in m.spans), default=None)
            parts = plan_iterations(metrics, members) if view[0] == "iteration" else plan(members)
            plans[view] = (parts, greatest)
        return plans

    def _count(self, view: View, parts: list[Part], *bounds: int) -> int:
        if view[0] == "iteration":
            return self._reader.count_steps(parts, *bounds)
        return sum(count(self._reader, part, *bounds) for part in parts)


def _appends(shown: Shown, columns: list[Columns]) -> bool:
    """Whether points come behind everything shown, each step once."""
    if len(columns) != 1:
        return False
    steps = columns[0].step
    return (shown.max_step is None or steps[0] > shown.max_step) and is_ascending(steps)


def _plus(shown: Shown, view: View, points: Columns) -> Shown:
    count = len(points) if view[0] != "metric" else int(np.isfinite(points.value).sum())
    return Shown(shown.points + count, int(points.step[-1]))
