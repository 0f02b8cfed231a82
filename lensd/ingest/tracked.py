"""What the poller remembers about one input: when it polls it next, how far it is read, and its health."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lensd.adapter import Adapter, InputDead, InputGone, ReadError
from lensd.config import Polling
from lensd.discovery import Roots
from lensd.ingest.writers import Written
from lensd.model import Batch, Input

#: (size, mtime_ns, ctime_ns, inode) of each file of an input; () for a file that is not there.
Signature = tuple[tuple[int, ...], ...]

#: Seconds between two polls of a file that has been quiet for an hour: a scan sees when it changes.
_QUIET_SECONDS = 60.0
_QUIET_AFTER_SECONDS = 3600.0
#: The longest wait between two attempts at an input that keeps failing.
_LONGEST_WAIT_S = 300.0
#: What is written this much later than the times in it may be a copy.
_COPY_LAG_MS = 300_000.0


@dataclass(slots=True)
class ReadProgress:
    """How much has been read and is left to read, over all inputs."""

    inputs: int = 0
    points: int = 0
    done_bytes: int = 0
    left_bytes: int = 0


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
    """How far an input is read. more, waits, lag_bytes: as the last batch reported them. seen_live: it grew
    between two reads, and not by copying. last_ms: the last time in it. behind_ms: how long after that it was
    written."""

    cursor: bytes | None = None
    cursor_loaded: bool = False  # from the store
    signature: Signature | None = None  # of the last poll
    more: bool = True
    waits: bool = False
    lag_bytes: int = 0
    seen_live: bool = False
    last_ms: float | None = None
    behind_ms: float = 0.0

    def is_idle(self, signature: Signature) -> bool:
        """Whether a read would find nothing new."""
        return not self.more and not self.waits and signature == self.signature

    def look_live(self, batch: Batch, signature: Signature, *, final: bool) -> bool:
        """Whether what has just been read shows whether somebody is writing the input; sets `seen_live`.

        A copy is no sign of life: its times are old and go on faster than the clock, or the time at which it
        was written is set to that of the original. What a final read adds is a last half line, which may be
        of any age. signature: of the file before the read.
        """
        before = self.seen_live
        mtime_ms = _mtime_ms(signature)
        if before and mtime_ms:
            self.seen_live = _mtime_ms(self.signature or ()) - mtime_ms < _COPY_LAG_MS
        elif batch.counts.bytes and not final:
            keeps_pace = self._keeps_pace(batch, mtime_ms)
            self.seen_live = keeps_pace and not self.more
        return self.seen_live != before

    def _keeps_pace(self, batch: Batch, mtime_ms: float) -> bool:
        times = [float(series.points.ts_ms[-1]) for series in batch.series.values() if len(series.points)]
        if not times or batch.time_inferred:
            return self.last_ms is None or self.behind_ms < _COPY_LAG_MS
        last_ms, behind_ms = self.last_ms, self.behind_ms
        self.last_ms = max(times)
        self.behind_ms = mtime_ms - self.last_ms
        if self.behind_ms < _COPY_LAG_MS:
            return True
        # The clock of a training may be hours behind ours, and stays so.
        return last_ms is not None and behind_ms - self.behind_ms < (self.last_ms - last_ms) / 2


@dataclass(slots=True)
class Health:
    """How the last polls of an input went."""

    state: Literal["new", "ok", "waiting", "gone", "dead"] = "new"
    failures: int = 0  # in a row
    unstored: str | None = None  # why the last batch could not be stored

    @property
    def patience(self) -> int:
        """How many times longer to wait than after the first failure."""
        return 2 ** min(self.failures - 1, 10) if self.state == "waiting" else 1


@dataclass(slots=True)
class Tracked:
    """One input, the adapter that reads it, and what the poller remembers about it. discovered: the input as
    the adapter found it, before it was registered. is_aligned, compared:
    see Alignment; the numbers of points at the last comparison."""

    input: Input
    adapter: Adapter
    discovered: Input
    schedule: Schedule = field(default_factory=Schedule)
    reading: ReadState = field(default_factory=ReadState)
    health: Health = field(default_factory=Health)
    written: Written = field(default_factory=Written)
    is_aligned: bool = False
    compared: Sequence[int] = (0, 0)

    def read_anew(self) -> None:
        """Begin at the start of the input, of which nothing is stored."""
        self.reading = ReadState(seen_live=self.reading.seen_live, lag_bytes=size(self.input.path))
        self.schedule.due = 0.0

    def schedule_next(self, polling: Polling, now: float, wall_s: float, *, soon: bool) -> None:
        """Decide when it is polled next. now: of the poller's clock. wall_s: seconds since the epoch."""
        if self.reading.more:
            self.schedule.at_once(now, polling.fastest_seconds)
        elif soon:
            self.schedule.soon(now, polling.fastest_seconds)
        else:
            self.schedule.later(now, self.slowest(polling.slowest_seconds, wall_s))

    def slowest(self, seconds: float, now_s: float) -> float:
        """The longest interval between two polls while it does not change: `seconds`, more for a file that
        has not been written for long. now_s: seconds since the epoch."""
        signature = self.reading.signature
        if not signature or not signature[0] or self.input.companions:
            return seconds
        is_quiet = now_s - signature[0][1] / 1e9 > _QUIET_AFTER_SECONDS
        return max(seconds, _QUIET_SECONDS) if is_quiet else seconds

    def unread_bytes(self) -> int:
        """Bytes of its file that are not stored."""
        signature, now = self.reading.signature, size(self.input.path)
        if not signature or not signature[0]:
            return now
        return self.reading.lag_bytes + max(0, now - signature[0][0])

    @property
    def can_be_read(self) -> bool:
        """False for an input that is gone or dead."""
        return self.health.state not in ("gone", "dead")

    def is_elsewhere(self, discovered: Input) -> bool:
        """Whether the input, which no thread reads, belongs to another workload now, or has other names."""
        before = self.discovered
        moved = (before.workload, before.prefix) != (discovered.workload, discovered.prefix)
        return moved and not self.schedule.busy


def is_abandoned(input: Tracked, inputs: Iterable[Tracked]) -> bool:
    """Whether nobody writes this input any more, nor any other of its workload."""
    return input.written.is_over and all(
        other.written.is_over
        for other in inputs
        if other.input.workload == input.input.workload and other.reading.seen_live
    )


def poll_changed(inputs: Iterable[Tracked], walks: Iterable[Roots]) -> None:
    """Let the next poll come at once for inputs whose file a walk saw changed."""
    by_path = {tracked.input.path: tracked for tracked in inputs if tracked.reading.signature}
    for roots in walks if by_path else ():
        for file in roots.files():
            tracked = by_path.get(file.path)
            signature = tracked.reading.signature if tracked is not None else None
            if tracked is not None and signature and signature[0][:2] != (file.size, file.mtime_ns):
                tracked.schedule.due = 0.0


def signature(input: Input) -> Signature:
    """Changes whenever a file of the input does. Costs one `stat` per file."""
    return tuple(_stat(path) for path in (input.path, *input.companions))


def state_after(error: ReadError) -> Literal["gone", "dead", "waiting"]:
    """The state of an input whose poll failed."""
    if isinstance(error, InputGone):
        return "gone"
    return "dead" if isinstance(error, InputDead) else "waiting"


def size(path: str) -> int:
    """Bytes of a file; 0 if it is not there."""
    return (_stat(path) or (0,))[0]


def _mtime_ms(signature: Signature) -> float:
    return signature[0][1] / 1e6 if signature and signature[0] else 0.0


def _stat(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
