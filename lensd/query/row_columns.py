"""The columns of a run's rows: which there are, where their points come from, and within which bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lensd.model import DATA_SOURCES, Restarts
from lensd.query.lens import is_metric
from lensd.query.results import Axis
from lensd.store.catalogue import Workload
from lensd.store.plan import BEYOND, LOWEST, Member, Part, plan, plan_iterations, plan_rewritten
from lensd.store.reader import Reader

#: Names that are coordinates of a row and never a column of values.
_COORDINATES = frozenset({"global_step", "step", "epoch", "time", "stage"})
Bounds = tuple[int, int]
_NOTHING: frozenset[int] = frozenset()


@dataclass(slots=True)
class Column:
    """One column of a table and the parts its points come from. points: at most, with first <= step <= last.
    inferred: the series among them whose times were inferred."""

    name: str
    kind: str
    source: str
    parts: list[Part]
    points: int
    first: int
    last: int
    inferred: frozenset[int] = _NOTHING

    def reaches(self, lo: int, hi: int) -> bool:
        """Whether it may have points with lo <= step < hi."""
        return bool(self.parts) and self.first < hi and lo <= self.last


def columns_of(reader: Reader, workload: Workload, axis: Axis, source: str | None) -> list[Column]:
    """The columns of a run in the order first seen, labels last. Where data sources share a name, the one
    that comes first in DATA_SOURCES."""
    members = reader.members(workload.id, data_source=source)
    # The rows of a Runicorn run are those of its events.jsonl, as on its own server. The numbers in its
    # logs.txt, which count epochs, are served by the Lens API.
    recorded = {m.input.data_source for m in members if m.input.restarts is Restarts.NEVER}
    named: dict[tuple[str, str], dict[str, list[Member]]] = {}
    for member in members:
        if member.input.data_source in recorded and member.input.restarts is not Restarts.NEVER:
            continue
        if _is_column(member, axis):
            by_source = named.setdefault((member.kind, member.name), {})
            by_source.setdefault(member.input.data_source, []).append(member)
    columns = []
    for (kind, name), by_source in sorted(named.items(), key=lambda item: item[0][0] == "label"):
        best = min(by_source, key=_rank)
        columns.append(_column(name, kind, best, by_source[best], axis))
    return columns


def _column(name: str, kind: str, source: str, members: list[Member], axis: Axis) -> Column:
    parts = plan(members) if axis == "step" else plan_rewritten(members)
    spans = {(member.series, span.attempt): span for member in members for span in member.spans}
    held = [spans[part.series, part.attempt] for part in parts]
    return Column(
        name,
        kind,
        source,
        parts,
        sum(span.points for span in held),
        min((max(span.min_step, part.lo) for span, part in zip(held, parts, strict=True)), default=0),
        max((min(span.max_step, part.hi - 1) for span, part in zip(held, parts, strict=True)), default=-1),
        frozenset(member.series for member in members if member.input.time_inferred) or _NOTHING,
    )


def _is_column(member: Member, axis: Axis) -> bool:
    if member.kind == "metric":
        is_value = member.name not in _COORDINATES and is_metric(member.input.data_source, member.name)
        return is_value and (axis == "time" or member.iterates)
    return member.kind == "label" and axis == "step"


def _rank(source: str) -> tuple[int, str]:
    return (DATA_SOURCES.index(source) if source in DATA_SOURCES else len(DATA_SOURCES), source)


def restricted(
    columns: list[Column], names: frozenset[str] | None, step_range: Bounds | None
) -> list[Column]:
    """The metrics of these names at these steps (both included), no labels; all, if nothing restricts."""
    if names is None and step_range is None:
        return columns
    lo, hi = (LOWEST, BEYOND) if step_range is None else (step_range[0], step_range[1] + 1)
    result = []
    for column in columns:
        if column.kind == "metric" and (names is None or column.name in names):
            first, last = max(column.first, lo), min(column.last, hi - 1)
            parts = [part.clipped(lo, hi) for part in column.parts] if first <= last else []
            parts = [part for part in parts if part.lo < part.hi]
            points = min(column.points, max(0, last - first + 1))
            result.append(replace(column, parts=parts, points=points, first=first, last=last))
    return result


def iteration_parts(reader: Reader, workload: Workload, columns: Sequence[Column]) -> list[Part] | None:
    """Parts that hold each step of metrics of one data source once; None where there are none."""
    sources = {column.source for column in columns}
    if len(sources) != 1:
        return None
    members = reader.members(workload.id, data_source=sources.pop())
    steps = [member for member in members if member.kind == "iteration"]
    parts = plan_iterations([member for member in members if member.kind == "metric"], steps)
    spans = {(member.series, span.attempt): span for member in steps for span in member.spans}
    parts.sort(key=lambda part: spans[part.series, part.attempt].min_step)
    ends = [min(spans[part.series, part.attempt].max_step, part.hi - 1) for part in parts]
    begins = [spans[part.series, part.attempt].min_step for part in parts]
    return parts if all(end < begin for end, begin in zip(ends, begins[1:], strict=False)) else None
