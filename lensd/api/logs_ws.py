"""The log stream: the lines of a run's log over a WebSocket, read from the file as it grows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import WSCloseCode, WSMsgType, web

from lensd.api.errors import ApiError
from lensd.api.ratelimit import client
from lensd.api.runs import not_found
from lensd.api.state import CONFIG, HEALTH, SOCKETS, ask, in_thread
from lensd.query.logs import LogSource, log_path
from lensd.tail import (
    LineChunk,
    Position,
    final_state,
    is_progress_bar,
    position_of_line,
    read_lines,
    strip_ansi,
    tail_position,
)

log = logging.getLogger(__name__)

OPEN: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("open_websockets")

BACKLOG = 1000
_POLL_S = 0.2  # between two looks at a log that is followed
_LOOKS = 5  # at the log's file, for one at the database while there is no log yet
_LINGER_S = 30.0  # in which a client that was dropped may still take what is on its way, the reason last
_READ_BYTES = 256 << 10
_LINES = 1000  # that are read from the database at once
_SETTLED_S = 5.0  # a half line that is so old is all that will come, for a client that does not follow


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the log is asked for; tail None means from the beginning."""

    tail: int | None
    after: int | None
    follow: bool
    bars: bool
    colours: bool
    input: str | None


def wanted(request: web.Request) -> Wanted:
    """The parameters of a stream. Raises ApiError."""
    query = request.query
    tail = query.get("tail", "")
    return Wanted(
        tail=None if tail == "all" else _count("tail", tail, BACKLOG, " or all"),
        after=_count("after", query["after"], 0, "") if query.get("after") else None,
        follow=_choice(query.get("follow"), "follow", "1", ("0", "1", "false", "true")) in ("1", "true"),
        bars=_choice(query.get("progress"), "progress", "show", ("show", "hide")) == "show",
        colours=_choice(query.get("ansi"), "ansi", "keep", ("keep", "strip")) == "keep",
        input=query.get("input") or None,
    )


def _count(name: str, text: str, default: int, also: str) -> int:
    if text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ApiError(422, f"{name} is {text!r}; allowed are whole numbers from 0{also}")
    return int(text)


def _choice(text: str | None, name: str, default: str, allowed: tuple[str, ...]) -> str:
    given = text or default
    if given not in allowed:
        raise ApiError(422, f"{name} is {given!r}; allowed are {', '.join(allowed)}")
    return given


async def logs(request: web.Request) -> web.StreamResponse:
    """Send the last lines, then each new line; refusals come before the upgrade."""
    run_id, choice = request.match_info["run_id"], wanted(request)
    source = await ask(request, lambda reader: log_path(reader, run_id, choice.input))
    if source is None:
        raise (
            not_found(run_id)
            if choice.input is None
            else ApiError(404, f"run {run_id} has no log input {choice.input!r}")
        )
    address = client(request)
    sockets = request.app[SOCKETS]
    if not web.WebSocketResponse().can_prepare(request):
        raise ApiError(426, "this is a WebSocket: connect with ws://", headers={"Upgrade": "websocket"})
    sockets.enter(address)
    socket = web.WebSocketResponse(heartbeat=30.0, max_msg_size=4096, compress=False)
    request.app[OPEN].add(socket)
    try:
        await socket.prepare(request)
        tasks = (
            asyncio.create_task(_until_closed(socket)),
            asyncio.create_task(_LogStream(request, socket, run_id, choice).run(source)),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        code = WSCloseCode.OK
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, ConnectionError):
                log.error("the log stream of %s failed", run_id, exc_info=error)
                code = WSCloseCode.INTERNAL_ERROR
        if not socket.closed:
            await socket.close(code=code)
    finally:
        request.app[OPEN].discard(socket)
        sockets.leave(address)
    return socket


async def _until_closed(socket: web.WebSocketResponse) -> None:
    """Messages of the client mean nothing; its going away is noticed at once."""
    async for message in socket:
        if message.type is WSMsgType.ERROR:
            return


async def close_all(app: web.Application) -> None:
    """Tell every client that the daemon goes away; without this, open streams would hold its end up."""
    await asyncio.gather(*(_close(socket, WSCloseCode.GOING_AWAY, b"lensd stops") for socket in app[OPEN]))


async def _close(socket: web.WebSocketResponse, code: WSCloseCode, reason: bytes) -> None:
    """Close without waiting for a client that may not be listening."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(0.5):
            await socket.close(code=code, message=reason, drain=False)


class _LogStream:
    """One client's way through one log."""

    def __init__(
        self, request: web.Request, socket: web.WebSocketResponse, run_id: str, choice: Wanted
    ) -> None:
        self._request = request
        self._socket = socket
        self._run_id = run_id
        self._choice = choice
        self._patience_s = request.app[CONFIG].limits.log_send_seconds

    async def run(self, source: LogSource) -> None:
        found = await self._appearance(source)
        if found is not None and found.path is None and found.stored and found.input_id is not None:
            await self._send_stored(found.input_id)
        if found is None or found.path is None:
            return
        path = found.path
        health = self._request.app[HEALTH]
        release: Callable[[], None] = health.follow(path) if health and self._choice.follow else lambda: None
        try:
            position = await in_thread(self._request, lambda: _begin(path, found, self._choice))
            await self._send(path, position)
        finally:
            release()

    async def _appearance(self, source: LogSource) -> LogSource | None:
        """The log once there is one; None if there is none and nobody wants to wait."""
        current: LogSource | None = source
        while current is not None and current.path is None and not current.stored and self._choice.follow:
            await asyncio.sleep(_LOOKS * _POLL_S)
            current = await ask(
                self._request, lambda reader: log_path(reader, self._run_id, self._choice.input)
            )
        return current

    async def _send(self, path: str, position: Position | None) -> None:
        seen: tuple[int, ...] = ()
        while not self._socket.closed:
            state = await in_thread(self._request, lambda: _state(path))
            if state == seen:
                if not self._choice.follow:
                    return
                await asyncio.sleep(_POLL_S)
                continue
            try:
                chunk, texts = await in_thread(self._request, partial(self._read, path, position))
            except OSError:  # between two rotations, or gone for good: the stream goes on if it comes back
                if not self._choice.follow:
                    return
                await asyncio.sleep(_POLL_S)
                continue
            position = chunk.position
            if not await self._send_texts(texts):
                return
            if not chunk.more:
                seen = state
                if not self._choice.follow:
                    await self._send_rest(chunk)
                    return

    async def _send_stored(self, key: str) -> None:
        """The lines that the database holds, and each new one."""
        choice = self._choice
        if choice.after is not None:
            at = choice.after
        elif choice.tail is None:
            at = 0
        else:
            tail = choice.tail
            at = await ask(self._request, lambda reader: reader.log_line_from_end(key, tail))
        while not self._socket.closed:
            first = at
            lines = await ask(self._request, lambda reader: reader.log_lines(key, first, _LINES))  # noqa: B023 - it is awaited here
            texts = [self._shown(text.encode("utf-8", "surrogateescape")) for _, text in lines]
            if not await self._send_texts([text for text in texts if text is not None]):
                return
            at = lines[-1][0] + 1 if lines else at
            if len(lines) < _LINES:
                if not choice.follow:
                    return
                await asyncio.sleep(_LOOKS * _POLL_S)

    def _read(self, path: str, position: Position | None) -> tuple[LineChunk, list[str]]:
        chunk = read_lines(path, position, _READ_BYTES)
        return chunk, [text for line in chunk.lines if (text := self._shown(line.text)) is not None]

    def _shown(self, raw: bytes) -> str | None:
        """What the client is to see of a line; None for nothing."""
        if not self._choice.bars and is_progress_bar(raw):
            return None
        text = final_state(raw)
        return (text if self._choice.colours else strip_ansi(text)).decode("utf-8", "replace")

    async def _send_rest(self, chunk: LineChunk) -> None:
        """The end of a log whose writer died within a line."""
        if chunk.torn and time.time() * 1000.0 - chunk.mtime_ms > _SETTLED_S * 1000.0:
            text = self._shown(chunk.torn)
            await self._send_texts([] if text is None else [text])

    async def _send_texts(self, texts: list[str]) -> bool:
        """False once there is nobody to send to."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._patience_s) as patience:
                for text in texts:
                    await self._socket.send_str(text)
                    patience.reschedule(now() + self._patience_s)
        except TimeoutError:
            self._drop()
            await _close(self._socket, WSCloseCode.TRY_AGAIN_LATER, b"too slow")
            return False
        except ConnectionError:
            return False
        return True

    def _drop(self) -> None:
        """Let go of a client that does not read, for good in a while."""
        transport = self._request.transport
        if transport is not None:
            asyncio.get_running_loop().call_later(_LINGER_S, transport.abort)


def _begin(path: str, source: LogSource, choice: Wanted) -> Position | None:
    try:
        if choice.after is not None:
            # Lines are counted from 1 by people and from 0 by positions: after N is at N.
            found = position_of_line(path, choice.after, source.marks)
            return found if found is not None else tail_position(path, 0)
        return None if choice.tail is None else tail_position(path, choice.tail)
    except OSError:
        return None


def _state(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return (0,)
    return (status.st_size, status.st_mtime_ns, status.st_ino)
