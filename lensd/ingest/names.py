"""How many names of metrics pushes may add: each costs memory and time for as long as the database lives."""

from __future__ import annotations

import time
from collections.abc import Callable

from lensd.model import Batch, Input
from lensd.store import Store


class TooManyNames(Exception):
    """A push has more new names than will ever be taken; the message is one sentence."""


class TooFast(Exception):
    """Too many names were new within a second; the client should try again in one."""


class Names:
    """most: names of one workload. a_second: new names of all pushes together. clock: monotonic seconds."""

    def __init__(
        self, store: Store, *, most: int, a_second: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._most = most
        self._a_second = a_second
        self._clock = clock
        self._counts: dict[str, int] = {}  # names by workload
        self._second, self._new = clock(), 0

    def admit(self, input: Input, batch: Batch, *, drop: bool) -> int:
        """Count the new names of a batch. Returns how many of them were dropped from it.

        drop: take as many as there is room for, instead of refusing all. Raises TooManyNames, TooFast.
        """
        new = self._store.new_names(input, batch.series)
        if not new:
            return 0
        if self._clock() - self._second >= 1.0:
            self._second, self._new = self._clock(), 0
        room, now = self._room(input.workload, len(new)), self._a_second - self._new
        if now < len(new) <= min(room, self._a_second):
            raise TooFast
        taken = min(room, now, len(new))
        if taken < len(new) and not drop:
            limit = f"{room} more" if room < len(new) else f"{self._a_second} in a second"
            raise TooManyNames(f"{len(new)} names of metrics are new; {input.workload} may have {limit}")
        for name in new[taken:]:
            del batch.series[name]
        self._new += taken
        self._counts[input.workload] += taken
        return len(new) - taken

    def _room(self, workload: str, wanted: int) -> int:
        """How many names may be added to a workload. Counted anew where it seems full: some may not have been
        stored after all."""
        count = self._counts.get(workload)
        if count is None or count + wanted > self._most:
            count = self._counts[workload] = self._store.count_names(workload)
        return max(0, self._most - count)
