"""The live socket: one a tab of the page, which says when runs have changed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec
from aiohttp import web

from lensd.api.errors import ApiError
from lensd.api.state import STARTED, THREADS
from lensd.query.workloads import status_of, summary_of
from lensd.store import Reader, ReadTimeout, Store, StoreError

T = TypeVar("T")

LOOK_S = 0.25  #: seconds between two looks at the store's version
#: Seconds between two looks at the runs that were running: time alone ends them.
STATUS_S = 5.0
_SEND_SECONDS = 10.0  # for a client that does not read


class Change(msgspec.Struct):
    """What the live socket sends: when the daemon started (UTC ms), the newest version of its database, and
    the runs that changed since the message before, also those whose status time alone has changed. Another
    start may mean another database."""

    started: int
    version: int
    runs: list[str]


class Changes:
    """Tells sockets of new data. The store is looked at only while somebody listens. clock: seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._sockets: dict[web.WebSocketResponse, set[str]] = {}  # with runs whose status has changed since
        self._watcher: asyncio.Task[None] | None = None
        self._version = -1
        self._running: set[str] = set()
        self._looked = 0.0
        self._changed = asyncio.Event()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Send changes over one socket until it closes."""
        socket = web.WebSocketResponse(heartbeat=30.0)
        await socket.prepare(request)
        self._sockets[socket] = set()
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch(request.app))
        sender = asyncio.create_task(self._send(socket, request.app))
        try:
            async for _ in socket:
                pass  # the client has nothing to say
        finally:
            self._sockets.pop(socket, None)
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
                newest, ended = await self._read(app, self._look)
                for runs in self._sockets.values():
                    runs.update(ended)
                if newest != self._version or ended:
                    self._version = newest
                    self._changed.set()
                    self._changed = asyncio.Event()
            await asyncio.sleep(LOOK_S)

    def _look(self, reader: Reader) -> tuple[int, set[str]]:
        """The newest version, and the runs that time alone has ended since the last look."""
        newest, changed = changes_since(reader, self._version)
        looks = self._clock() - self._looked >= STATUS_S
        if looks:
            self._looked = self._clock()
        due = self._running | set(changed) if looks else set(changed)
        running = {uid for uid in due if _is_running(reader, uid)}
        ended = (self._running & due) - running - set(changed)
        self._running = (self._running - due) | running
        return newest, ended

    async def _send(self, socket: web.WebSocketResponse, app: web.Application) -> None:
        version = -1
        while True:
            changed = self._changed
            try:
                newest, runs = await self._read(app, partial(changes_since, version=version))
            except (StoreError, ReadTimeout):  # a busy store: the change is still to be sent
                await asyncio.sleep(LOOK_S)
                continue
            ended = self._sockets.get(socket, set())
            if newest != version or ended:
                version = newest
                change = Change(int(app[STARTED] * 1000), newest, sorted({*runs, *ended}))
                ended.clear()
                try:
                    async with asyncio.timeout(_SEND_SECONDS):
                        await socket.send_str(msgspec.json.encode(change).decode())
                except (ConnectionError, TimeoutError):
                    await socket.close(code=1008, message=b"the client does not read")
                    return
            await changed.wait()

    async def _read(self, app: web.Application, query: Callable[[Reader], T]) -> T:
        def look() -> T:
            with self._store.read(seconds=5.0) as reader:
                return query(reader)

        return await asyncio.get_running_loop().run_in_executor(app[THREADS], look)


def changes_since(reader: Reader, version: int) -> tuple[int, list[str]]:
    """The newest version, and the runs that have changed since the one given."""
    newest = reader.version()
    if newest == version:
        return newest, []
    return newest, [workload.uid for workload in reader.workloads() if workload.version > version]


def _is_running(reader: Reader, uid: str) -> bool:
    workload = reader.workload(uid)
    return workload is not None and status_of(summary_of(reader, workload)) == "running"


CHANGES = web.AppKey("changes", Changes)


async def live(request: web.Request) -> web.StreamResponse:
    """A socket that says when runs have changed."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise ApiError(426, "this is a WebSocket: connect with ws://", headers={"Upgrade": "websocket"})
    return await request.app[CHANGES].serve(request)


async def close_all(app: web.Application) -> None:
    """Close the live sockets when the daemon stops."""
    await app[CHANGES].close()
