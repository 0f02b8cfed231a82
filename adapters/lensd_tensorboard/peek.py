"""A look at the ends of an event file: its first and last steps, and when it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lensd.tail.binary import Snapshot
from lensd.tail.protobuf import WireError
from lensd_tensorboard.event import Event, parse
from lensd_tensorboard.frames import FRAME, LONG, FrameState, frame_at, next_sound, payload_at

_WINDOW = 1 << 18  # bytes to look at, at either end
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
        head = list(_events(file.read(0, _WINDOW), 0))
        tail = head
        if file.size > _WINDOW:
            data = file.read(file.size - _WINDOW, _WINDOW)
            tail = list(_events(data, next_sound(data, 0))) or head
    if not head:
        return None
    steps = [event.step for event in head if event.values]
    last = [event.step for event in tail if event.values]
    later = next((step for step in steps if step != steps[0]), None)
    named = _NAME.search(name)
    return Peek(
        head[0].wall_s or (float(named[1]) if named else 0.0),
        tail[-1].wall_s,
        steps[0] if steps else None,
        max(last) if last else None,
        abs(later - steps[0]) if later is not None else 1,
        f"{named[2]} {named[3] or ''}" if named else "",
    )


def _events(data: bytes, at: int | None) -> Iterator[Event]:
    while at is not None:
        state, length = frame_at(data, at)
        if state is not FrameState.WHOLE:
            return
        payload = payload_at(data, at, length) if length <= LONG else None
        at += FRAME + length
        if payload is not None:
            try:
                yield parse(payload)
            except WireError:
                continue
