"""What the poller remembers about one input: when it polls it next, how far it is read, and its health."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from lensd.adapter import Adapter
from lensd.discovery import Roots
from lensd.model import Input

#: (size, mtime_ns, ctime_ns, inode) of each file of an input; () for a file that is not there.
Signature = tuple[tuple[int, ...], ...]

#: Seconds between two polls of a file that has been quiet for an hour: a scan sees when it changes.
_QUIET_SECONDS = 60.0
_QUIET_AFTER_SECONDS = 3600.0
#: The longest wait between two attempts at an input that keeps failing.
_LONGEST_WAIT_S = 300.0


@dataclass(slots=True)
class Schedule:
    """When an input is polled next. Seconds of the poller's clock."""

    due: float = 0.0
    interval: float = 0.2
    busy: bool = False  # a thread is polling it

    def at_once(self, now: float, fastest: float) -> None:
        """There is more to read."""
        self.due, self.interval = now, fastest

    def soon(self, now: float, fastest: float) -> None:
        """It grew, or somebody follows it."""
        self.due, self.interval = now + fastest, fastest

    def later(self, now: float, slowest: float) -> None:
        """Nothing changed: poll it less and less often."""
        self.interval = min(slowest, self.interval * 1.5)
        self.due = now + self.interval

    def back_off(self, now: float, wait: float) -> None:
        """The poll failed."""
        self.due = now + min(wait, _LONGEST_WAIT_S)


@dataclass(slots=True)
class ReadState:
    """How far an input is read. more, waits, lag_bytes: as the last batch reported them."""

    cursor: bytes | None = None
    cursor_loaded: bool = False  # from the store
    signature: Signature | None = None  # of the last poll
    more: bool = True
    waits: bool = False
    lag_bytes: int = 0
    seen_live: bool = False  # it grew between two reads

    def is_idle(self, signature: Signature) -> bool:
        """Whether a read would find nothing new."""
        return not self.more and not self.waits and signature == self.signature


@dataclass(slots=True)
class Health:
    """How the last polls of an input went."""

    state: Literal["new", "ok", "waiting", "gone", "dead"] = "new"
    failures: int = 0  # in a row
    unstored: str | None = None  # why the last batch could not be stored


@dataclass(slots=True)
class Tracked:
    """One input, the adapter that reads it, and what the poller remembers about it. found: the input as the
    adapter found it, before it was registered."""

    input: Input
    adapter: Adapter
    found: Input
    schedule: Schedule = field(default_factory=Schedule)
    reading: ReadState = field(default_factory=ReadState)
    health: Health = field(default_factory=Health)

    def slowest(self, seconds: float, now_s: float) -> float:
        """The longest interval between two polls while it does not change: `seconds`, more for a file that
        has not been written for long. now_s: seconds since the epoch."""
        signature = self.reading.signature
        if not signature or not signature[0] or self.input.companions:
            return seconds
        is_quiet = now_s - signature[0][1] / 1e9 > _QUIET_AFTER_SECONDS
        return max(seconds, _QUIET_SECONDS) if is_quiet else seconds

    @property
    def can_be_read(self) -> bool:
        """False for an input that is gone or dead."""
        return self.health.state not in ("gone", "dead")


def poll_changed(inputs: Iterable[Tracked], walks: Iterable[Roots]) -> None:
    """Let the next poll come at once for inputs whose file a walk saw changed."""
    tracked = {each.input.path: each for each in inputs if each.reading.signature}
    for roots in walks if tracked else ():
        for file in roots.files():
            each = tracked.get(file.path)
            signature = each.reading.signature if each is not None else None
            if each is not None and signature and signature[0][:2] != (file.size, file.mtime_ns):
                each.schedule.due = 0.0


def signature(input: Input) -> Signature:
    """Changes whenever a file of the input does. Costs one `stat` per file."""
    return tuple(_stat(path) for path in (input.path, *input.companions))


def size(path: str) -> int:
    """Bytes of a file; 0 if it is not there."""
    return (_stat(path) or (0,))[0]


def _stat(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
