"""One run in this process: who it is, which step comes next, and what waits to be reported."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from .spool import Spool
from .values import numbers


class Channel:
    """`observe` is called by training and takes no lock; everything else belongs to the threads of the
    reporter.

    pending: rows that wait in memory. in_flight: pieces of work that a sender has taken and not finished.
    """

    def __init__(self, identity: dict[str, str], spool: Spool, next_step: int, memory_values: int) -> None:
        self.identity = identity
        self.spool = spool
        self.next_step = next_step
        self.evidence: dict[str, Any] | None = None
        self.pending: deque[tuple[int, float, dict[str, float]]] = deque()
        self.pending_values = 0
        self.finished = False
        self.overflown = 0  # log calls that found the queue full
        self.spool_taken = False  # a sender reads from the spool just now
        self._queue: deque[tuple[int, float, dict[str, float]]] = deque()
        self._queue_limit = memory_values
        self._put = 0
        self._got = 0

    def observe(self, data: Mapping[str, Any], step: Any, commit: Any) -> int:
        """Note what was logged, at the step that wandb gives it: its own count where none is given, an
        earlier step is dropped. Returns how many values wait."""
        at = self.next_step if step is None else int(step)
        if at < self.next_step:
            return self._put - self._got
        self.next_step = at + 1 if commit or (step is None and commit is None) else at
        values = numbers(data)
        if values:
            if self._put - self._got > self._queue_limit:
                self.overflown += 1
            else:
                stamp = data.get("_timestamp")
                seconds = float(stamp) if isinstance(stamp, (int, float)) else time.time()
                self._queue.append((at, seconds, values))
                self._put += len(values)
        return self._put - self._got

    def collect(self) -> list[tuple[int, float, dict[str, float]]]:
        """Everything noted since the last time, in order."""
        rows = [self._queue.popleft() for _ in range(len(self._queue))]
        self._got += sum(len(values) for _, _, values in rows)
        return rows

    @property
    def idle(self) -> bool:
        return not self._queue and not self.pending and self.evidence is None and self.spool.empty


def starting_step(run: Any) -> int:
    """The step of the next log call of a run that nothing was observed of: a resumed run goes on."""
    known = (vars(run).get(name) for name in ("_local_step", "_step", "_starting_step"))
    return max((each for each in known if type(each) is int), default=0)
