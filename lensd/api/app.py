"""The web application: routes, middlewares, and what lives as long as it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp import web

from lensd.api import lens, logs_ws, ops, push, runs, wandb_online
from lensd.api.access import access, add_cors
from lensd.api.clusters import CLIENT
from lensd.api.errors import LENS_PREFIXES, errors
from lensd.api.ratelimit import RequestWindow, Sockets
from lensd.api.request_metrics import REQUESTS, Requests, measured
from lensd.api.responses import abort_all
from lensd.api.settings import Settings
from lensd.api.state import (
    HEALTH,
    INGEST,
    ROWS,
    SENDING,
    SETTINGS,
    SOCKETS,
    STARTED,
    STORE,
    STREAMS,
    THREADS,
    WALL,
    WINDOW,
    PollerHealth,
)
from lensd.ingest.push import Ingest
from lensd.query.rows import RowCache
from lensd.store import Store

_THREADS = 8


def make_app(
    store: Store,
    settings: Settings | None = None,
    health: PollerHealth | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> web.Application:
    """The application over an open store, which stays the caller's to close.

    health: what the poller tells; None where nothing is being read. clock: seconds, for rate limits.
    wall: seconds since the epoch.
    """
    settings = settings or Settings()
    app = web.Application(middlewares=[measured, errors, access], client_max_size=settings.max_body)
    app[STORE] = store
    app[SETTINGS] = settings
    app[HEALTH] = health
    app[ROWS] = RowCache(settings.cached_tables, settings.cached_bytes)
    app[WINDOW] = RequestWindow(settings.requests, settings.window_s, settings.exempt_loopback, clock)
    app[SOCKETS] = Sockets(settings.websockets, settings.exempt_loopback)
    app[logs_ws.OPEN] = set()
    app[REQUESTS] = Requests()
    app[STREAMS] = asyncio.Semaphore(settings.streams)
    app[SENDING] = set()
    app[STARTED] = wall()
    app[WALL] = wall
    app[INGEST] = Ingest(store, wall=wall)
    app.cleanup_ctx.append(_threads)
    app.cleanup_ctx.append(_client)
    app.on_shutdown.append(logs_ws.close_all)
    app.on_shutdown.append(abort_all)
    app.on_response_prepare.append(add_cors)
    _add_routes(app.router)
    return app


def _add_routes(router: web.UrlDispatcher) -> None:
    for prefix in LENS_PREFIXES:
        workload = prefix + "/workloads/{uid:[^/]*}"
        for path, handler in (
            (prefix + "/workloads", lens.workloads),
            (workload + "/metrics/sources", lens.sources),
            (workload + "/metrics/available", lens.available),
            (workload + "/metrics/data", lens.data),
            (workload + "/metrics/iteration-times", lens.iteration_times),
            (workload + "/framework-detection", lens.framework_detection),
        ):
            router.add_get(path, lens.here_or_there(handler))
        for path, taker in (
            (prefix + "/wandb/detection", push.detection),
            (prefix + "/wandb/metrics", push.metrics),
            (prefix + "/wandb/logs", push.logs),
            (prefix + "/wandb/batch", push.batch),
        ):
            router.add_post(path, taker)
    for address in ("", "/for/{workload}"):
        stream = address + "/files/{entity}/{project}/{run}"
        router.add_post(address + "/graphql", wandb_online.graphql)
        router.add_post(stream + "/file_stream", wandb_online.file_stream)
        router.add_put(stream + "/upload", wandb_online.upload)
        router.add_get(address + "/{entity}/{project}/runs/{run}", wandb_online.page)
    for path, handler in (
        ("/api/runs", runs.list_runs),
        ("/api/runs/{run_id}", runs.one_run),
        ("/api/runs/{run_id}/metrics", runs.metrics),
        ("/api/runs/{run_id}/metrics_step", runs.metrics_step),
        ("/api/runs/{run_id}/progress", runs.progress),
        ("/api/runs/{run_id}/logs/ws", logs_ws.logs),
        ("/api/metrics/cache/stats", runs.cache_stats),
        ("/api/v2/experiments/{run_id}/metrics/fast", runs.fast),
        ("/api/health", ops.healthz),
        ("/api/version", ops.version),
        ("/healthz", ops.healthz),
        ("/readyz", ops.readyz),
        ("/metrics", ops.own_metrics),
        ("/openapi.json", ops.openapi),
    ):
        router.add_get(path, handler)


async def _threads(app: web.Application) -> AsyncIterator[None]:
    app[THREADS] = ThreadPoolExecutor(_THREADS, "lensd-api")
    yield
    app[THREADS].shutdown(wait=False, cancel_futures=True)
    await asyncio.to_thread(app[INGEST].close)


async def _client(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        app[CLIENT] = client
        yield
