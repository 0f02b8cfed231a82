"""When a daemon that accompanies a job has nothing more to wait for: `exit_with`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from lensd import platform

_IDLE = re.compile(r"idle=(\d+(?:\.\d+)?)(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}

#: Says why the job is over, or None while it goes on. To be asked again and again.
Ending = Callable[[], str | None]


def ending_of(
    text: str, activity: Callable[[], object], clock: Callable[[], float] = time.monotonic
) -> Ending:
    """What `exit_with` says: a process id, `idle=10m` (nothing new for so long; s, m or h), or the path of a
    file that will be made.

    activity: differs from its last value when something was read or pushed. clock: in seconds. Raises
    ValueError for a process that is not there.
    """
    if text.isdigit():
        return _process_ends(int(text))
    idle = _IDLE.fullmatch(text)
    if idle:
        return _Idle(float(idle[1]) * _SECONDS[idle[2]], activity, clock)
    if text.startswith("idle="):
        raise ValueError(f"exit_with is {text!r}: write the time as in idle=10m, with s, m or h")
    return lambda: f"{text} is there" if os.path.exists(text) else None


def _process_ends(number: int) -> Ending:
    process = platform.process(number)
    if process is None:
        raise ValueError(
            f"exit_with is {number}, but there is no such process (a file needs its path: ./{number})"
        )
    return lambda: f"process {number} has ended" if platform.has_ended(process) else None


class _Idle:
    def __init__(self, seconds: float, activity: Callable[[], object], clock: Callable[[], float]) -> None:
        self._seconds, self._activity, self._clock = seconds, activity, clock
        self._last: object = None
        self._since = clock()

    def __call__(self) -> str | None:
        current, now = self._activity(), self._clock()
        if current != self._last:
            self._last, self._since = current, now
        silent = now - self._since
        return f"nothing new for {silent:.0f} s" if silent >= self._seconds else None
