"""Plans which points a workload shows where several series, attempts or inputs hold one metric name.

Planning takes a few numbers per series and reads no points. A plan is a list of parts, each a step range of
one attempt of one series. The ranges ascend and do not overlap, so that reading the parts in order reads the
view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lensd.model import Restarts

#: Bounds of a part that is not cut.
LOWEST, BEYOND = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Span:
    """What one series holds of one attempt."""

    attempt: int
    points: int
    last_step: int
    min_step: int
    max_step: int
    min_ts: float
    max_ts: float


@dataclass(frozen=True, slots=True)
class PlanInput:
    """What planning needs to know about an input. `begins` maps its later attempts to their first step."""

    id: int
    key: str
    data_source: str
    path: str
    structured: bool
    restarts: Restarts
    min_ts: float
    max_ts: float
    begins: dict[int, int]
    time_inferred: bool = False


@dataclass(slots=True)
class Member:
    """One series that holds a name, with its input."""

    series: int
    name: str
    kind: str
    iterates: bool
    input: PlanInput
    spans: list[Span] = field(default_factory=list)
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Steps `lo <= step < hi` of one attempt of one series. number: of the attempt, in the workload."""

    series: int
    attempt: int
    lo: int = LOWEST
    hi: int = BEYOND
    number: int = 1

    def clipped(self, lo: int, hi: int) -> Part:
        """The part restricted to lo <= step < hi."""
        return Part(self.series, self.attempt, max(lo, self.lo), min(hi, self.hi), self.number)


def shown(members: Sequence[Member]) -> list[Member]:
    """The members that are shown, in order of time. They hide the others.

    Structured inputs come before text. Of inputs that overlap in time the first by path is shown (W&B:
    the first to start), of the two streams of a job the one that has more points. Inputs that follow one
    another are all shown.
    """
    with_points = [member for member in members if member.spans]
    best = [member for member in with_points if member.input.structured] or with_points
    result: list[Member] = []
    group: list[Member] = []
    ends = 0.0
    for member in sorted(best, key=lambda m: (m.input.min_ts, m.input.path)):
        if group and member.input.min_ts >= ends:
            result.append(_first(group))
            group = []
            ends = member.input.max_ts
        group.append(member)
        ends = max(ends, member.input.max_ts) if len(group) > 1 else member.input.max_ts
    if group:
        result.append(_first(group))
    return result


def _first(group: list[Member]) -> Member:
    if group[0].input.data_source == "wandb":
        return group[0]
    first = min(group, key=lambda m: m.input.path)
    streams = [member for member in group if _are_streams(first.input.path, member.input.path)]
    return max([first, *streams], key=lambda m: (sum(span.points for span in m.spans), m.input.path))


def _are_streams(err: str, out: str) -> bool:
    """Are these the files of stderr and stdout of one job: `job.err` and `job.out`, `job.e7` and `job.o7`?"""
    for one, other in (("err", "out"), ("e", "o")):
        before, separator, behind = err.rpartition(one)
        if separator and out == before + other + behind:
            return True
    return False


def plan(members: Sequence[Member]) -> list[Part]:
    """The current view: each attempt is shown up to the first step of the next."""
    parts: list[Part] = []
    cut = BEYOND
    for number, member, attempt, span in reversed(_attempts(shown(members))):
        if span is not None:
            if span.min_step < cut:
                parts.append(Part(member.series, attempt, LOWEST, cut, number))
            cut = min(cut, span.min_step)
        # An input-wide attempt also cuts series that have not reported in it yet.
        cut = min(cut, member.input.begins.get(attempt, BEYOND))
    parts.reverse()
    return parts


def plan_all(members: Sequence[Member], number: int | None = None) -> list[Part]:
    """Every attempt uncut, or only the attempt `number`."""
    return [
        Part(member.series, attempt, number=n)
        for n, member, attempt, span in _attempts(shown(members))
        if span is not None and number in (None, n)
    ]


def plan_rewritten(members: Sequence[Member]) -> list[Part]:
    """Every attempt uncut, but for those whose input was written anew (see `Split.first_steps`)."""
    first = {
        member.series: max((n for n, step in member.input.begins.items() if step == LOWEST), default=0)
        for member in members
    }
    return [part for part in plan_all(members) if part.attempt >= first[part.series]]


def _attempts(members: Iterable[Member]) -> list[tuple[int, Member, int, Span | None]]:
    """(number, member, attempt, span) of all attempts, oldest first; span is None where the series has no
    points in an attempt of its input."""
    result: list[tuple[int, Member, int, Span | None]] = []
    number = 0
    for member in members:
        spans = {span.attempt: span for span in member.spans}
        attempts = sorted({1, *spans, *member.input.begins})
        for attempt in attempts:
            number += 1
            result.append((number, member, attempt, spans.get(attempt)))
    return result


def plan_iterations(metrics: Sequence[Member], iterations: Sequence[Member]) -> list[Part]:
    """The parts whose steps together are the iterations that a data source shows.

    An input adds iterations as far as any of its metrics is shown: hidden inputs add none, and an attempt
    adds none beyond the first step of the next. Ranges of different inputs may overlap.
    """
    reach: dict[tuple[int, int | None], int] = {}
    by_series = {member.series: member for member in metrics}
    by_name: dict[str, list[Member]] = {}
    for member in metrics:
        if member.iterates:
            by_name.setdefault(member.name, []).append(member)
    for same_name in by_name.values():
        for part in plan(same_name):
            source = by_series[part.series].input
            key = (source.id, part.attempt if source.restarts is not Restarts.SERIES else None)
            reach[key] = max(reach.get(key, LOWEST), part.hi)
    parts: list[Part] = []
    for member in iterations:
        for span in member.spans:
            whole = member.input.restarts is not Restarts.SERIES
            hi = reach.get((member.input.id, span.attempt if whole else None))
            if hi is not None and span.min_step < hi:
                parts.append(Part(member.series, span.attempt, LOWEST, hi, span.attempt))
    return parts
