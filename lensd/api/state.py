"""What handlers share: the store, the settings, caches, and worker threads to ask the store on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from aiohttp import web

from lensd.api.ratelimit import RequestWindow, Sockets
from lensd.api.settings import Settings
from lensd.ingest.push import Ingest
from lensd.query.rows import RowCache
from lensd.store import Reader, Store

T = TypeVar("T")


class PollerHealth(Protocol):
    """What the poller tells the API."""

    def ready(self) -> str | None: ...

    def follow(self, path: str) -> Callable[[], None]: ...


STORE = web.AppKey("store", Store)
SETTINGS = web.AppKey("settings", Settings)
ROWS = web.AppKey("rows", RowCache)
THREADS = web.AppKey("threads", ThreadPoolExecutor)
HEALTH: web.AppKey[PollerHealth | None] = web.AppKey("health")
WINDOW = web.AppKey("window", RequestWindow)
SOCKETS = web.AppKey("sockets", Sockets)
#: Data that is pushed.
INGEST = web.AppKey("ingest", Ingest)
#: The clock: seconds since the epoch.
WALL: web.AppKey[Callable[[], float]] = web.AppKey("wall")
#: When this daemon began, seconds since the epoch.
STARTED = web.AppKey("started", float)
#: Large answers that are being sent; each holds a reader of the store as long as its client takes.
STREAMS = web.AppKey("streams", asyncio.Semaphore)
SENDING: web.AppKey[set[asyncio.Task[None]]] = web.AppKey("sending")


async def in_thread(request: web.Request, work: Callable[[], T]) -> T:
    """Run blocking work off the event loop, on the API's own threads."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(request.app[THREADS], work)


async def ask(request: web.Request, question: Callable[[Reader], T]) -> T:
    """The answer of a query function on a reader of its own."""
    store, seconds = request.app[STORE], request.app[SETTINGS].read_seconds

    def work() -> T:
        with store.read(seconds=seconds) as reader:
            return question(reader)

    return await in_thread(request, work)
