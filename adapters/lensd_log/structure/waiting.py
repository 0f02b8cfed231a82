"""Lines whose shape has not proved itself yet, kept in the cursor until it has or others need the room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lensd_log.line.record import State
from lensd_log.structure.sketch import Value
from lensd_log.structure.steps import Place, place_of_pair
from lensd_log.structure.words import is_strong

MOST = 64  #: lines that wait at once
#: Flags. What else lets a line go: proved lines beside it; the end of a file with nothing else in it.
READY, RESULT = 1, 2
_MOST_BYTES = 20_000  # of what they hold
_MOST_VALUES = 40  # of one line


@dataclass(slots=True)
class Composed:
    """A line with its place. number: its ordinal in the input. ts_ms: UTC, where it prints a time. phase,
    word: of the line; the word as printed."""

    key: str
    number: int
    ts_ms: float | None
    rank: int | None
    place: Place
    phase: str | None
    word: str
    values: list[Value]
    ready: int = 0


def put(state: State, line: Composed) -> None:
    """Let a line wait. The oldest one makes room."""
    waiting = state.setdefault("waiting", [])
    values = [[v.name, v.value, v.unit, v.signed, v.phase] for v in line.values[:_MOST_VALUES]]
    line_state = [
        line.key,
        line.number,
        line.ts_ms,
        line.rank,
        list(line.place),
        line.phase,
        line.word,
        values,
    ]
    waiting.append([*line_state, line.ready, _size(values)])
    size = sum([entry[9] for entry in waiting])
    while len(waiting) > MOST or size > _MOST_BYTES:
        size -= waiting[0][9]
        state["lost"] = state.get("lost", 0) + _names_metric(waiting.pop(0))


def take_lost(state: State) -> int:
    """How many lines that name a metric had to make room, since this was asked last."""
    return int(state.pop("lost", 0))


def metric_like(state: State) -> int:
    """How many lines wait that name a metric."""
    return sum(_names_metric(entry) for entry in state.get("waiting", ()))


def looks_measured(name: str, number: float) -> bool:
    """Is it likely a value of training? Whole numbers of such names are counts (`Map: 1000/1000`)."""
    return is_strong(name) and not number.is_integer()


def _names_metric(entry: list[Any]) -> bool:
    return any(looks_measured(name, number) for name, number, *_ in entry[7])


def _size(values: list[list[Any]]) -> int:
    """About the length in the cursor of a line that holds these."""
    return 80 + 50 * len(values) + sum([len(value[0]) for value in values])


def set_time(state: State, number: int, ts_ms: float | None) -> None:
    """Note the time (UTC ms) of the line `number`, which waits."""
    for entry in state.get("waiting", ()):
        if entry[1] == number and entry[2] is None:
            entry[2] = ts_ms
    box = state.get("box")
    if box is not None and box["line"] == number:
        box["ts"] = ts_ms


def has(state: State, number: int) -> bool:
    """Does the line `number` wait?"""
    box = state.get("box")
    if box is not None and box["line"] == number:
        return True
    return any(entry[1] == number for entry in reversed(state.get("waiting", ())))


def take(state: State, key: str, ready_since: int | None = None) -> list[Composed]:
    """The lines of this shape that wait, in order, and those of any shape that are ready and no older than
    `ready_since`. They wait no more."""
    taken: list[list[Any]] = []
    rest: list[list[Any]] = []
    for entry in state.get("waiting", ()):
        ready = entry[8] & READY and entry[4][4] is None
        ready = ready and ready_since is not None and entry[1] >= ready_since
        (taken if entry[0] == key or ready else rest).append(entry)
    if taken:
        state["waiting"] = rest
    return [_composed(entry) for entry in taken]


def results(state: State, since: int) -> list[Composed]:
    """The results without any step that wait, no older than the line `since`."""
    waiting = state.get("waiting", ())
    return [_composed(entry) for entry in waiting if entry[8] & RESULT and entry[1] >= since]


def settle_pairs(state: State, at: State) -> Iterator[tuple[str, int]]:
    """Place the lines whose `a/b` has turned out to be batch b of epoch a, or batch a of b. Gives the shape
    and the step of each."""
    for entry in state.get("waiting", ()):
        pair = entry[4][4]
        if pair is None:
            continue
        if at.get("ratio") == "epoch":
            entry[4] = list(place_of_pair((pair[0], pair[1]), at))
        else:
            entry[4] = [pair[0], True, False, pair[1], None]
        yield entry[0], entry[4][0]


def names(state: State) -> list[tuple[str, str | None]]:
    """The names that wait and have no phase of their own, with the phase of their line."""
    return [
        (value[0], entry[5]) for entry in state.get("waiting", ()) for value in entry[7] if value[4] is None
    ]


def _composed(entry: list[Any]) -> Composed:
    key, number, ts_ms, rank, place, phase, word, values, ready, _ = entry
    step, own, evaluation, target, _ = place
    return Composed(
        key,
        number,
        ts_ms,
        rank,
        Place(step, own, evaluation, target),
        phase,
        word,
        [Value(*value) for value in values],
        ready,
    )
