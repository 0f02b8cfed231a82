"""What handlers share: the store, the configuration, caches, and the threads that blocking work runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from aiohttp import web

from lensd.api.ratelimit import RequestWindow, Sockets
from lensd.config import ApiConfig
from lensd.ingest.push import Ingest
from lensd.query.results import UnreadLines
from lensd.query.rows import RowCache
from lensd.store import Reader, Store

T = TypeVar("T")


class PollerHealth(Protocol):
    """What the API needs of the poller."""

    def ready(self) -> str | None:
        """Why the first look at the folders is not done; None once it is."""

    def unstored(self) -> dict[str, int]:
        """The inputs whose last points could not be stored, and how many bytes of each are not."""

    def follow(self, path: str) -> Callable[[], None]:
        """Read this file often until the returned function is called."""

    def unread(self, input_id: str, most: int) -> list[UnreadLines] | None:
        """Lines of an input that look like metrics and were not read; None where nobody can tell. Reads it
        again, for some seconds at most."""


STORE = web.AppKey("store", Store)
CONFIG = web.AppKey("config", ApiConfig)
ROWS = web.AppKey("rows", RowCache)
THREADS = web.AppKey("threads", ThreadPoolExecutor)
HEALTH: web.AppKey[PollerHealth | None] = web.AppKey("health")
WINDOW = web.AppKey("window", RequestWindow)
SOCKETS = web.AppKey("sockets", Sockets)
#: Stores pushes.
INGEST = web.AppKey("ingest", Ingest)
#: The OpenAPI document.
DOCUMENT: web.AppKey[Callable[[], bytes]] = web.AppKey("document")
#: The clock: seconds since the epoch.
WALL: web.AppKey[Callable[[], float]] = web.AppKey("wall")
#: When this daemon started, in seconds since the epoch.
STARTED = web.AppKey("started", float)
#: Slots for large answers: each holds a reader of the store until its client has taken everything.
STREAMS = web.AppKey("streams", asyncio.Semaphore)
#: The large answers that are being sent.
SENDING: web.AppKey[set[asyncio.Task[None]]] = web.AppKey("sending")


async def in_thread(request: web.Request, work: Callable[[], T]) -> T:
    """Run blocking work off the event loop, on the API's own threads."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(request.app[THREADS], work)


async def ask(request: web.Request, query: Callable[[Reader], T]) -> T:
    """The result of a query function, which gets a reader of its own. Raises ReadTimeout, StoreError."""
    store, seconds = request.app[STORE], request.app[CONFIG].limits.query_seconds

    def work() -> T:
        with store.read(seconds=seconds) as reader:
            return query(reader)

    return await in_thread(request, work)
