"""Whether the processes that write an input have ended, so that nothing more will come.

Only a process that was seen with the file open for writing can be found to have ended. Nothing is said of a
file that a process of another machine, user or container writes, or one that is opened for each line.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from lensd import platform

#: Looking at all processes takes at most this share of one core, and happens no more often than this.
_LOOK_SHARE = 0.003
_LOOK_SECONDS = 5.0


@dataclass(slots=True)
class Written:
    """Who writes an input. processes: those that were seen. since: the number of looks when it grew, or when
    these processes had ended; the next look shows who writes it now. is_over: nobody does any more."""

    processes: frozenset[platform.Process] = frozenset()
    since: int | None = None
    is_over: bool = False


class Writers:
    """Looks for the processes that write files. clock: in seconds. names: gives the names of these files."""

    def __init__(self, clock: Callable[[], float], names: Callable[[], Collection[str]]) -> None:
        self._clock, self._names = clock, names
        self._lock = threading.Lock()  # guards what follows
        self._looks = 0
        self._next = float("-inf")
        self._writers: dict[tuple[int, int], frozenset[platform.Process]] = {}

    def has_grown(self, path: str, written: Written) -> None:
        """Find out who writes a file that has just grown."""
        if written.is_over:  # somebody else goes on
            written.processes, written.is_over = frozenset(), False
        if not written.processes:
            written.processes = self._of(path) or frozenset()
        written.since = None
        if not written.processes:
            written.since = self._looks
            self.have_ended(path, written)

    def have_ended(self, path: str, written: Written) -> bool:
        """Whether all processes that were seen writing a file have ended, and no other one writes it."""
        if written.is_over or not all(map(platform.has_ended, written.processes)):
            return written.is_over
        if written.since is None and written.processes:
            written.since = self._looks
        if written.since is not None:
            processes = self._of(path, after=written.since)
            if processes is not None:
                written.is_over = bool(written.processes) and not processes
                written.processes, written.since = processes or written.processes, None
        return written.is_over

    def _of(self, path: str, after: int = -1) -> frozenset[platform.Process] | None:
        """Who had the file open for writing in the last look. None if it is too early for one after the look
        of the number `after`."""
        with self._lock:
            if self._looks <= after and self._clock() >= self._next:
                began = time.thread_time()
                self._writers = platform.writers(self._names())
                self._looks += 1
                cost = time.thread_time() - began
                self._next = self._clock() + max(_LOOK_SECONDS, cost / _LOOK_SHARE)
            if self._looks <= after:
                return None
            try:
                file = os.stat(path)
            except OSError:
                return frozenset()
            return self._writers.get((file.st_dev, file.st_ino), frozenset())
