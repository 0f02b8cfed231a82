"""Keeps the number of points that every view shows, at write time.

Appending behind everything shown is counted by adding. Everything else (a step written again, an attempt
begun, a second input with the same names) is counted by asking the reader before and after, over no more
steps than the batch touched, so that the counts are by construction those of what is served.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lensd.store.columns import Columns, is_ascending
from lensd.store.plan import Member, Part, plan, plan_iterations
from lensd.store.reader import Reader

View = tuple[str, str]  #: (kind, name)


@dataclass(slots=True)
class Shown:
    """A view as its row tells it."""

    points: int
    max_step: int | None


@dataclass(slots=True)
class _Before:
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
        self._added: dict[View, Shown] = {}
        self._asked: dict[View, _Before] = {}
        self._careful = False

    def before(self, news: Mapping[View, list[Columns]], *, begins: bool) -> None:
        """news: the points about to be written, per view. begins: an attempt begins with them."""
        self._careful = begins or not self._is_alone()
        if not self._careful:
            known = self._rows(news)
            slow = {view for view, columns in news.items() if not self._appends(known[view], columns)}
            for view in news.keys() - slow:
                self._added[view] = _plus(known[view], view, news[view])
            if not slow:
                return
            self._ask({view: news[view] for view in slow})
        else:
            self._ask(news)

    def after(self) -> None:
        """Write the counts of the views that the batch changed."""
        if self._asked or self._careful:
            self._recount()
        self._db.executemany(
            "INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?, ?, ?)",
            [
                (self._workload_id, self._data_source, *view, shown.points, shown.max_step)
                for view, shown in self._added.items()
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
        known = {
            (kind, name): Shown(points, max_step)
            for kind, name, points, max_step in self._db.execute(sql, (self._workload_id, self._data_source))
        }
        return {view: known.get(view, Shown(0, None)) for view in views}

    @staticmethod
    def _appends(shown: Shown, news: list[Columns]) -> bool:
        if len(news) != 1:
            return False
        steps = news[0].step
        return (shown.max_step is None or steps[0] > shown.max_step) and is_ascending(steps)

    def _ask(self, news: Mapping[View, list[Columns]]) -> None:
        for view, (parts, _) in self._plans().items():
            columns = news.get(view)
            if columns is None:
                self._asked[view] = _Before(parts, 0, 0, 0)
                continue
            lo = min(int(c.step.min()) for c in columns)
            hi = max(int(c.step.max()) for c in columns) + 1
            self._asked[view] = _Before(parts, self._count(view, parts, lo, hi), lo, hi)
        for view in news:
            if view not in self._asked:
                self._asked[view] = _Before([], 0, 0, 0)

    def _recount(self) -> None:
        known = self._rows(self._asked)
        for view, (parts, max_step) in self._plans().items():
            before = self._asked.get(view)
            if before is None:
                if self._careful:
                    self._added[view] = Shown(self._count(view, parts), max_step)
                continue
            if parts == before.parts:
                if before.hi > before.lo:
                    now = self._count(view, parts, before.lo, before.hi)
                    self._added[view] = Shown(known[view].points + now - before.count, max_step)
            else:
                self._added[view] = Shown(self._count(view, parts), max_step)

    def _plans(self) -> dict[View, tuple[list[Part], int | None]]:
        """The parts and the greatest step of every view of the source."""
        named: dict[View, list[Member]] = {}
        for member in self._reader.members(self._workload_id, data_source=self._data_source):
            named.setdefault((member.kind, member.name), []).append(member)
        metrics = [m for (kind, _), members in named.items() if kind == "metric" for m in members]
        plans: dict[View, tuple[list[Part], int | None]] = {}
        for view, members in named.items():
            greatest = max((span.max_step for m in members for span in m.spans), default=None)
            parts = plan_iterations(metrics, members) if view[0] == "iteration" else plan(members)
            plans[view] = (parts, greatest)
        return plans

    def _count(self, view: View, parts: list[Part], *bounds: int) -> int:
        if view[0] == "iteration":
            return self._reader.count_steps(parts, *bounds)
        return sum(self._reader.count(part, *bounds) for part in parts)


def _plus(shown: Shown, view: View, news: list[Columns]) -> Shown:
    points = news[0]
    gain = len(points) if view[0] != "metric" else int(np.isfinite(points.value).sum())
    return Shown(shown.points + gain, int(points.step[-1]))
