"""The web application: the router, middlewares, and what lives as long as they do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import aiohttp
from aiohttp import web

from lensd.api import live, logs_ws
from lensd.api.access import access, add_cors
from lensd.api.clusters import CLIENT
from lensd.api.door import DOOR, Door, door
from lensd.api.errors import errors
from lensd.api.openapi import document
from lensd.api.ratelimit import RequestWindow, Sockets
from lensd.api.received import BODIES, Bodies, bodies
from lensd.api.request_metrics import REQUESTS, Requests, measured
from lensd.api.routes import ROUTES
from lensd.api.state import (
    CONFIG,
    DOCUMENT,
    HEALTH,
    INGEST,
    ROWS,
    SENDING,
    SOCKETS,
    STARTED,
    STORE,
    STREAMS,
    THREADS,
    WALL,
    WINDOW,
    PollerHealth,
)
from lensd.api.streaming import abort_all
from lensd.config import ApiConfig
from lensd.ingest.names import Names
from lensd.ingest.push import Ingest
from lensd.platform import file_limit
from lensd.query.rows import RowCache
from lensd.store import Store

_THREADS = 8
#: Files that the daemon opens beside connections: the database for each reader, inputs, libraries.
_OTHER_FILES = 200

#: Large answers that are sent at a time. Each holds a reader of the store, of which there are 16.
LARGE_ANSWERS = 8


def make_app(
    store: Store,
    config: ApiConfig | None = None,
    health: PollerHealth | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> web.Application:
    """The application over an open store, which the caller closes.

    health: the poller; None if nothing is being read. clock: monotonic seconds, for limits.
    wall: seconds since the epoch.
    """
    config = config or ApiConfig()
    limits, rates = config.limits, config.rate_limits
    openapi: Callable[[], bytes] = cache(lambda: document(ROUTES))
    app = web.Application(middlewares=[door, measured, errors, bodies, access])
    app[STORE] = store
    app[CONFIG] = config
    app[HEALTH] = health
    app[ROWS] = RowCache(max_bytes=limits.cache_bytes)
    app[WINDOW] = RequestWindow(rates.requests, rates.window_seconds, rates.exempt_loopback, clock)
    app[SOCKETS] = Sockets(rates.websockets, rates.exempt_loopback)
    app[logs_ws.OPEN] = set()
    app[REQUESTS] = Requests()
    app[STREAMS] = asyncio.Semaphore(LARGE_ANSWERS)
    app[SENDING] = set()
    app[STARTED] = wall()
    app[WALL] = wall
    names = Names(store, most=limits.names, a_second=limits.new_names, clock=clock)
    app[INGEST] = Ingest(store, names, wall=wall)
    app[BODIES] = Bodies(limits.bodies_bytes)
    spare = file_limit()
    app[DOOR] = Door(min(limits.connections, max(spare - _OTHER_FILES, spare // 2)))
    app[DOCUMENT] = openapi
    app.cleanup_ctx.append(_threads)
    app.cleanup_ctx.append(_client)
    app[live.CHANGES] = live.Changes(store, clock)
    app.on_shutdown.append(logs_ws.close_all)
    app.on_shutdown.append(live.close_all)
    app.on_shutdown.append(abort_all)
    app.on_response_prepare.append(add_cors)
    app.on_response_prepare.append(_refuse_ranges)
    _add_routes(app.router)
    return app


async def _refuse_ranges(request: web.Request, answer: web.StreamResponse) -> None:
    """Answers change between two requests: parts of them do not fit together. Files of the page do."""
    if not isinstance(answer, web.FileResponse):
        answer.headers["Accept-Ranges"] = "none"


def _add_routes(router: web.UrlDispatcher) -> None:
    for route in ROUTES:
        path = route.path.replace("{uid}", "{uid:[^/]*}")  # an empty uid is 400, not 404
        for prefix in route.surface.prefixes:
            # A GET route of aiohttp answers HEAD as well.
            add = router.add_get if route.method == "GET" else partial(router.add_route, route.method)
            add(prefix + path, route.handler)


async def _threads(app: web.Application) -> AsyncIterator[None]:
    app[THREADS] = ThreadPoolExecutor(_THREADS, "lensd-api")
    yield
    app[THREADS].shutdown(wait=False, cancel_futures=True)
    await asyncio.to_thread(app[INGEST].close)


async def _client(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        app[CLIENT] = client
        yield
