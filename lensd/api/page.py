"""The page: its files, and the routes that it asks. Each route is useful without the page, too."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
from aiohttp import web

from lensd.api import params
from lensd.api.errors import ApiError, invalid
from lensd.api.responses import etag, json_answer, unchanged
from lensd.api.state import STARTED, THREADS, ask
from lensd.query.panels import PanelQuestion, panels
from lensd.query.run_table import run_table
from lensd.store import Reader, ReadTimeout, Store, StoreError

#: Where the build puts the page (see `web/`).
FOLDER = Path(__file__).parents[1] / "page"

_MOST_RUNS, _MOST_METRICS = 200, 100  # in one request for panels
_LOOK_SECONDS = 0.25  # between two looks at the store's version
_SEND_SECONDS = 10.0  # for a client that does not read

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; style-src 'self'"
        " 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
#: Not asked of the system, whose tables differ.
_TYPES = {".js": "text/javascript", ".css": "text/css"}
_NOT_BUILT = (
    "lensd is running; its page was not built into this installation. The data is at /api/v1/workloads.\n"
)


async def index(request: web.Request) -> web.StreamResponse:
    """The page itself. It holds no data, so it needs no token."""
    file = FOLDER / "index.html"
    if not file.is_file():
        return web.Response(text=_NOT_BUILT, headers=_HEADERS)
    headers = {"Cache-Control": "no-cache", "Content-Type": "text/html; charset=utf-8"}
    return web.FileResponse(file, headers=_HEADERS | headers)


async def asset(request: web.Request) -> web.StreamResponse:
    """A file of the page, whose name changes with its content."""
    file = FOLDER / "assets" / request.match_info["name"]
    if not file.is_file():
        raise ApiError(404, "no such file of the page")
    kind = _TYPES.get(file.suffix, "application/octet-stream")
    forever = {"Cache-Control": "public, max-age=31536000, immutable", "Content-Type": kind}
    return web.FileResponse(file, headers=_HEADERS | forever)


async def panel_curves(request: web.Request) -> web.StreamResponse:
    """Curves of many runs, one grid a metric."""
    question = _question(request)
    version = await ask(request, lambda reader: reader.version())
    headers = {"ETag": etag(request, version), "Cache-Control": "no-cache"}
    return unchanged(request, headers) or await json_answer(
        request, await ask(request, lambda reader: panels(reader, question)), headers
    )


async def table(request: web.Request) -> web.StreamResponse:
    """The list of runs."""
    limit = int(params.number(request, "limit", 1, params.MAX_RUNS) or 500)
    q = request.query.get("q") or None
    version = await ask(request, lambda reader: reader.version())
    headers = {"ETag": etag(request, version), "Cache-Control": "no-cache"}
    return unchanged(request, headers) or await json_answer(
        request, await ask(request, lambda reader: run_table(reader, q, limit)), headers
    )


def _question(request: web.Request) -> PanelQuestion:
    query = request.query
    runs, metrics = params.names(query.getall("runs", [])), params.names(query.getall("metrics", []))
    if not runs or not metrics:
        raise invalid("name runs and metrics: ?runs=exp1,exp2&metrics=loss")
    if len(runs) > _MOST_RUNS or len(metrics) > _MOST_METRICS:
        raise invalid(f"at most {_MOST_RUNS} runs and {_MOST_METRICS} metrics in one request")
    x = query.get("x") or "step"
    if x not in params.AXES:
        raise invalid(f"x is {x!r}; allowed are {', '.join(params.AXES)}")
    lo, hi = (params.number(request, name) for name in ("lo", "hi"))
    if lo is not None and hi is not None and lo > hi:
        raise invalid("lo is greater than hi")
    bins = int(params.number(request, "bins", 1, params.MAX_BINS) or 300)
    smooth = params.number(request, "smooth", 0.0, 0.9999) or 0.0
    return PanelQuestion(runs, metrics, x, lo, hi, bins, smooth)


class Change(msgspec.Struct):
    """What the live socket sends: when the daemon started (UTC ms), the newest version of its database, and
    the runs that changed since the message before. Another start may mean another database."""

    started: int
    version: int
    runs: list[str]


class Changes:
    """Tells sockets of new data. The store is looked at only while somebody listens."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sockets: set[web.WebSocketResponse] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._version = -1
        self._changed = asyncio.Event()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Send changes over one socket until it closes."""
        socket = web.WebSocketResponse(heartbeat=30.0)
        await socket.prepare(request)
        self._sockets.add(socket)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch(request.app))
        sender = asyncio.create_task(self._send(socket, request.app))
        try:
            async for _ in socket:
                pass  # the client has nothing to say
        finally:
            self._sockets.discard(socket)
            sender.cancel()
        return socket

    async def close(self) -> None:
        for socket in list(self._sockets):
            await socket.close(code=1001, message=b"the daemon stops")
        if self._watcher:
            self._watcher.cancel()

    async def _watch(self, app: web.Application) -> None:
        while self._sockets:
            with contextlib.suppress(StoreError, ReadTimeout):
                newest, _ = await self._since(app, self._version)
                if newest != self._version:
                    self._version = newest
                    self._changed.set()
                    self._changed = asyncio.Event()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _send(self, socket: web.WebSocketResponse, app: web.Application) -> None:
        version = -1
        while True:
            changed = self._changed
            try:
                newest, runs = await self._since(app, version)
            except (StoreError, ReadTimeout):  # a busy store: the change is still to be sent
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            if newest != version:
                version = newest
                encoded = msgspec.json.encode(Change(int(app[STARTED] * 1000), newest, runs))
                try:
                    async with asyncio.timeout(_SEND_SECONDS):
                        await socket.send_str(encoded.decode())
                except (ConnectionError, TimeoutError):
                    await socket.close(code=1008, message=b"the client does not read")
                    return
            await changed.wait()

    async def _since(self, app: web.Application, version: int) -> tuple[int, list[str]]:
        def look() -> tuple[int, list[str]]:
            with self._store.read(seconds=5.0) as reader:
                return changes_since(reader, version)

        return await asyncio.get_running_loop().run_in_executor(app[THREADS], look)


def changes_since(reader: Reader, version: int) -> tuple[int, list[str]]:
    """The newest version, and the runs that have changed since the one given."""
    newest = reader.version()
    if newest == version:
        return newest, []
    return newest, [workload.uid for workload in reader.workloads() if workload.version > version]


CHANGES = web.AppKey("changes", Changes)


async def live(request: web.Request) -> web.StreamResponse:
    """A socket that says when runs have changed."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise ApiError(426, "this is a WebSocket: connect with ws://", headers={"Upgrade": "websocket"})
    return await request.app[CHANGES].serve(request)


async def close_all(app: web.Application) -> None:
    """Close the live sockets when the daemon stops."""
    await app[CHANGES].close()
