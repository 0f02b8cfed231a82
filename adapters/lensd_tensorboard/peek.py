"""A look at the ends of an event file: its first and last steps, and when it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lensd.tail.binary import Snapshot
from lensd.tail.protobuf import WireError
from lensd_tensorboard.event import Event, parse
from lensd_tensorboard.frames import FRAME, LONG, FrameState, frame_at, next_sound, payload_at

_WINDOW = 1 << 16  # bytes to look at, at either end
#: Writers put the time, the host and mostly the process into the name of a file.
_NAME = re.compile(r"tfevents\.(\d{10})\.(.+?)(?:\.(\d+)\.\d+(?:\.v2)?)?$")


@dataclass(frozen=True, slots=True)
class Peek:
    """began_s, ended_s: when the first and the last record were written, seconds since the epoch. first,
    last: steps of scalars, None where there is none. interval: between the first two that differ. writer:
    host and process, as far as the name tells them."""

    began_s: float
    ended_s: float
    first: int | None
    last: int | None
    interval: int
    writer: str


def peek(path: str, name: str) -> Peek | None:
    """What the ends of a file tell; None for one without a sound record. Raises OSError."""
    with open(path, "rb", buffering=0) as opened:
        file = Snapshot(opened)
        data = file.read(0, _WINDOW)
        head = _head(data)
        if not head:
            return None
        at: int | None = 0
        if file.size > _WINDOW:
            data = file.read(file.size - _WINDOW, _WINDOW)
            at = next_sound(data, 0)
        tail = _tail(data, at)
    steps = [event.step for event in head if event.values]
    named = _NAME.search(name)
    return Peek(
        head[0].wall_s or (float(named[1]) if named else 0.0),
        (tail or head[-1]).wall_s,
        steps[0] if steps else None,
        tail.step if tail else steps[-1] if steps else None,
        abs(steps[-1] - steps[0]) or 1 if steps else 1,
        f"{named[2]} {named[3] or ''}" if named else "",
    )


def _head(data: bytes) -> list[Event]:
    """The events up to the second step of scalars."""
    events: list[Event] = []
    for record in _payloads(data, 0):
        event = _event(record)
        if event is not None:
            events.append(event)
            first = next((e.step for e in events if e.values), None)
            if first is not None and event.values and event.step != first:
                break
    return events


def _tail(data: bytes, at: int | None) -> Event | None:
    """The last event with scalars."""
    if at is not None:
        for record in reversed(list(_payloads(data, at))):
            event = _event(record)
            if event is not None and event.values:
                return event
    return None


def _payloads(data: bytes, at: int) -> Iterator[tuple[int, int, bytes]]:
    """(where it begins, its length, the data) of each whole record."""
    while True:
        state, length = frame_at(data, at)
        if state is not FrameState.WHOLE:
            return
        yield at, length, data
        at += FRAME + length


def _event(record: tuple[int, int, bytes]) -> Event | None:
    at, length, data = record
    payload = payload_at(data, at, length) if length <= LONG else None
    try:
        return parse(payload) if payload is not None else None
    except WireError:
        return None
