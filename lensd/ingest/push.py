"""Stores data that clients push to lensd, as opposed to inputs that lensd reads.

Pushes go through the same `Store.apply` as inputs, on one thread, and are answered once they are committed.
At most `most` of them wait at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from lensd.ingest.names import Names, TooFast
from lensd.model import Batch, Input, Restarts
from lensd.store import Store
from lensd.store.text import storable

_REMEMBERED = 10_000  # inputs that need not be registered again


class Busy(Exception):
    """The client should try again in a second; the message says why."""


class Stored(NamedTuple):
    """What became of a push. points: how many are new. dropped: names for which there was no room."""

    points: int
    dropped: int


def pushed_input(workload: str, run: str, adapter: str, why: str) -> Input:
    """The input that holds the pushes of one run. A step that is pushed again replaces the previous one."""
    digest = hashlib.blake2s(storable(f"{adapter}\0{workload}\0{run}").encode(), digest_size=8)
    name = f"{adapter}:{run or workload}"
    return Input(
        id=digest.hexdigest(),
        workload=workload,
        data_source="wandb",
        adapter=adapter,
        path=name,
        name=name,
        folder="",
        why=why,
        structured=True,
        restarts=Restarts.NEVER,
    )


class Ingest:
    """Stores pushes in the order of their arrival. wall: seconds since the epoch."""

    def __init__(
        self, store: Store, names: Names, *, most: int = 256, wall: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._names = names
        self._most = most
        self._wall = wall
        self._waiting = 0
        self._registered: dict[str, Input] = {}
        self._thread = ThreadPoolExecutor(1, "lensd-ingest")

    async def put(
        self, input: Input, make: Callable[[bytes | None], Batch | None], *, drop: bool = False
    ) -> Stored:
        """Store the batch that `make` returns for the input's cursor (None at first), if it returns one.

        drop: leave out new names for which there is no room. Raises Busy, StoreError, TooManyNames, and what
        `make` raises.
        """
        if self._waiting >= self._most:
            raise Busy("too many pushes are waiting to be stored; retry")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._apply, input, make, drop)
        except TooFast:
            raise Busy("too many names of metrics are new; retry") from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Store what is waiting, and end the thread."""
        self._thread.shutdown(wait=True)

    def _apply(self, input: Input, make: Callable[[bytes | None], Batch | None], drop: bool) -> Stored:
        registered = self._registered.get(input.id)
        is_new = registered is None
        if registered is None:
            if len(self._registered) > _REMEMBERED:
                self._registered.clear()
            (registered,) = self._store.register([input])
            self._registered[input.id] = registered
        batch = make(self._store.cursor(input.id))
        if batch is None:
            return Stored(0, 0)
        dropped = self._names.admit(registered, batch, drop=drop)
        batch.counts.skipped += dropped
        if is_new:
            batch.facts["seen_live"] = True  # who pushes is running
        return Stored(self._store.apply(registered, batch, at_ms=self._wall() * 1000.0), dropped)
