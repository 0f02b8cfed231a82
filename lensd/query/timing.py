"""Whose times count in a workload: those that a source wrote down come before those that were inferred."""

from __future__ import annotations

from collections.abc import Sequence

from lensd.model import DATA_SOURCES
from lensd.store.columns import earliest, joined
from lensd.store.plan import Member, Span, plan_iterations
from lensd.store.reader import Reader
from lensd.store.step_clock import StepClock

#: Inputs whose last steps differ by more than this factor do not count the same thing: one counts epochs.
_FACTOR = 2


def take_times(reader: Reader, workload_id: int, data_source: str | None = None) -> None:
    """Make the reader show points with inferred times at the times that a timed input of the workload has for
    their steps. Reads nothing where all times were written down, or none. data_source: what will be read."""
    if not reader.has_mixed_times(workload_id, data_source):
        return
    members = reader.members(workload_id)
    timed = [member for member in members if not member.input.time_inferred]
    steps = [member for member in timed if member.kind == "iteration"]
    sources = sorted({member.input.data_source for member in steps}, key=_rank)
    clock = next(filter(None, (_clock(reader, timed, source) for source in sources)), None)
    if clock is None:
        return
    last = int(clock.step[-1])
    counting_alike = {
        member.input.id
        for member in members
        if member.kind == "iteration"
        and member.input.time_inferred
        and last <= _FACTOR * _last_step(member)
        and _last_step(member) <= _FACTOR * last
    }
    reader.clocks |= {member.series: clock for member in members if member.input.id in counting_alike}


def times_of(reader: Reader, member: Member, span: Span) -> tuple[float, float]:
    """The range of the times at which the points of a span are shown, UTC milliseconds."""
    clock = reader.clocks.get(member.series)
    if clock is None:
        return span.min_ts, span.max_ts
    return clock.span(span.min_step, span.max_step, span.min_ts, span.max_ts)


def steps_per_second(members: Sequence[Member]) -> float | None:
    """How fast the last attempt goes, by the one input that is furthest on, if possible one whose times were
    written down; None where that is not known."""
    steps = [member for member in members if member.kind == "iteration" and member.spans]
    timed = [member for member in steps if not member.input.time_inferred] or steps
    if not timed:
        return None
    last = max(timed, key=_last_step).spans[-1]
    seconds = (last.max_ts - last.min_ts) / 1000.0
    return (last.max_step - last.min_step) / seconds if seconds > 0 and last.points > 1 else None


def _clock(reader: Reader, members: Sequence[Member], source: str) -> StepClock | None:
    of_source = [member for member in members if member.input.data_source == source]
    parts = plan_iterations(
        [member for member in of_source if member.kind == "metric"],
        [member for member in of_source if member.kind == "iteration"],
    )
    return StepClock.of(earliest(joined([reader.read(part, kind="iteration") for part in parts])))


def _last_step(member: Member) -> int:
    return max(span.max_step for span in member.spans)


def _rank(source: str) -> tuple[int, str]:
    return (DATA_SOURCES.index(source) if source in DATA_SOURCES else len(DATA_SOURCES), source)
