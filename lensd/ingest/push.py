"""Data that is pushed to lensd instead of read by it: what a push belongs to, and storing it.

Every push ends in the same `Store.apply` that readers use, on one thread of its own, and is answered when it
is committed. No more than `most` pushes wait at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lensd.model import Batch, Input, Restarts
from lensd.store import Store
from lensd.store.text import storable


class Busy(Exception):
    """Too many pushes wait already; the sender should come again in a second."""


def pushed_input(workload: str, run: str, adapter: str, why: str) -> Input:
    """The input that the pushes of one run make up. Steps that are pushed again replace what was there."""
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
    """Stores pushes, in the order they came."""

    def __init__(self, store: Store, *, most: int = 256, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._most = most
        self._wall = wall
        self._waiting = 0
        self._known: dict[str, Input] = {}
        self._thread = ThreadPoolExecutor(1, "lensd-ingest")

    async def put(self, input: Input, make: Callable[[bytes | None], Batch | None]) -> int:
        """Store what `make` gives for the input's cursor (None: nothing was stored yet); nothing where it
        gives None. Returns how many points are new. Raises Busy, StoreError, and what `make` raises."""
        if self._waiting >= self._most:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._apply, input, make)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Store what waits, and end the thread."""
        self._thread.shutdown(wait=True)

    def _apply(self, input: Input, make: Callable[[bytes | None], Batch | None]) -> int:
        known = self._known.get(input.id)
        if known is None:
            if len(self._known) > 10_000:
                self._known.clear()
            (known,) = self._store.register([input])
            self._known[input.id] = known
        batch = make(self._store.cursor(input.id))
        return 0 if batch is None else self._store.apply(known, batch, at_ms=self._wall() * 1000.0)
