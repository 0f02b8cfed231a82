"""One run in this process: its identity, the step of its next log call, and what waits to be reported."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from .spool import Spool
from .spool_format import Row, count_values
from .values import TIMESTAMP, numbers


class Channel:
    """What one run has logged and not yet reported.

    Training calls `observe`, which takes no lock; the threads of the reporter use everything else.

    detection: the body about the run and its framework until it is sent. axes: the metrics that
    `define_metric` gave an axis, and that axis. pending: rows in memory, holding
    `pending_values` values. overflowed: log calls that found the queue full and were lost.
    """

    def __init__(self, identity: dict[str, str], spool: Spool, next_step: int, memory_values: int) -> None:
        self.identity = identity
        self.spool = spool
        self.next_step = next_step
        self.detection: dict[str, Any] | None = None
        self.axes: list[tuple[str, str]] = []
        self.pending: deque[Row] = deque()
        self.pending_values = 0
        self.finished = False
        self.overflowed = 0
        self.spool_in_use = False  # a sender is reading the spool
        self._queue: deque[Row] = deque()
        self._queue_limit = memory_values
        # Two counters instead of one, as each is written by one thread only.
        self._values_queued = 0
        self._values_collected = 0

    @property
    def queued_values(self) -> int:
        """How many values wait in the queue between training and the collector."""
        return self._values_queued - self._values_collected

    @property
    def idle(self) -> bool:
        return not self._queue and not self.pending and self.detection is None and self.spool.empty

    def observe(self, data: Mapping[str, Any], step: Any, commit: Any) -> None:
        """Queue what was logged, at the step that wandb gives it.

        Without a step wandb counts by itself; it drops what is logged at an earlier step.
        """
        row_step = self.next_step if step is None else int(step)
        if row_step < self.next_step:
            return
        self.next_step = row_step + 1 if commit or (step is None and commit is None) else row_step
        values = numbers(data)
        if not values:
            return
        if self.queued_values > self._queue_limit:
            self.overflowed += 1
            return
        timestamp = data.get(TIMESTAMP)
        wall_s = float(timestamp) if isinstance(timestamp, (int, float)) else time.time()
        self._queue.append(Row(row_step, wall_s, values))
        self._values_queued += len(values)

    def collect(self) -> None:
        """Move everything in the queue to `pending`, in order."""
        rows = [self._queue.popleft() for _ in range(len(self._queue))]
        values = count_values(rows)
        self.pending.extend(rows)
        self.pending_values += values
        self._values_collected += values


def starting_step(run: Any) -> int:
    """The step of a run's next log call, before any was observed: a resumed run does not start at 0."""
    steps = (vars(run).get(name) for name in ("_local_step", "_step", "_starting_step"))
    return max((step for step in steps if type(step) is int), default=0)
