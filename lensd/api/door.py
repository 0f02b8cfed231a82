"""The connections of the daemon: never more than it can hold, and those that wait make room for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web


class Door:
    """Lets connections in, at most `most` at a time.

    Beyond that, the one that has waited longest without a request is closed. If all have requests, the new
    one is.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0
        self._waiting: dict[asyncio.BaseTransport, None] = {}  # the longest waiting first

    def guard(self, make: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """A protocol factory that counts the connections of another."""
        return lambda: _Counted(self, make())

    def enter(self, transport: asyncio.Transport) -> None:
        self.open += 1
        if self.open > self.most:
            oldest = next(iter(self._waiting), transport)
            self._waiting.pop(oldest, None)
            assert isinstance(oldest, asyncio.Transport)
            oldest.abort()
        if not transport.is_closing():
            self._waiting[transport] = None

    def leave(self, transport: asyncio.Transport) -> None:
        self.open -= 1
        self._waiting.pop(transport, None)

    def begin(self, request: web.Request) -> None:
        """The connection has a request."""
        if request.transport is not None:
            self._waiting.pop(request.transport, None)

    def end(self, request: web.Request) -> None:
        """The connection waits for the next request."""
        if request.transport is not None and not request.transport.is_closing():
            self._waiting[request.transport] = None


DOOR = web.AppKey("door", Door)


@web.middleware
async def door(request: web.Request, handler: Any) -> web.StreamResponse:
    """Say which connections have requests."""
    request.app[DOOR].begin(request)
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    finally:
        request.app[DOOR].end(request)


class _Counted(asyncio.Protocol):
    """Passes everything on to aiohttp's protocol, and counts the connection."""

    def __init__(self, door: Door, inner: asyncio.Protocol) -> None:
        self._door = door
        self._inner = inner
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._inner.connection_made(transport)
        self._door.enter(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._door.leave(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
