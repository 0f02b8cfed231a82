"""The log stream: the lines of a run's log over a WebSocket, one message a line.

Owns connections: refusals, clients that leave or do not read, closing. `log_lines.py` reads the lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from aiohttp import WSCloseCode, WSMsgType, web

from lensd.api.errors import ApiError
from lensd.api.log_lines import LogLines
from lensd.api.log_options import LogOptions, log_options
from lensd.api.ratelimit import client
from lensd.api.runs import not_found
from lensd.api.state import CONFIG, SOCKETS, ask
from lensd.query.logs import LogSource, log_source

log = logging.getLogger(__name__)

OPEN: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("open_websockets")

#: Seconds that a client that was dropped has to take what is already sent, the reason last.
LINGER_S = 30.0
_CLOSE_S = 0.5


async def logs(request: web.Request) -> web.StreamResponse:
    """Send the last lines, then each new line. Every refusal comes before the upgrade."""
    run_id, options = request.match_info["run_id"], log_options(request)
    source = await ask(request, lambda reader: log_source(reader, run_id, options.input))
    if source is None:
        if options.input is None:
            raise not_found(run_id)
        raise ApiError(404, f"run {run_id} has no log input {options.input!r}")
    if not web.WebSocketResponse().can_prepare(request):
        raise ApiError(426, "this is a WebSocket: connect with ws://", headers={"Upgrade": "websocket"})
    address, sockets = client(request), request.app[SOCKETS]
    sockets.enter(address)
    socket = web.WebSocketResponse(heartbeat=30.0, max_msg_size=4096, compress=False)
    request.app[OPEN].add(socket)
    try:
        await socket.prepare(request)
        code = await _run(request, socket, source, options)
        if not socket.closed:
            await socket.close(code=code)
    finally:
        request.app[OPEN].discard(socket)
        sockets.leave(address)
    return socket


async def _run(
    request: web.Request, socket: web.WebSocketResponse, source: LogSource, options: LogOptions
) -> WSCloseCode:
    """Send lines until there are no more or the client is gone; returns the code to close with."""
    run_id = request.match_info["run_id"]
    tasks = (
        asyncio.create_task(_receive(socket)),
        asyncio.create_task(_send(request, socket, LogLines(request, run_id, options), source)),
    )
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, ConnectionError):
            log.error("the log stream of %s failed", run_id, exc_info=result)
            return WSCloseCode.INTERNAL_ERROR
    return WSCloseCode.OK


async def _receive(socket: web.WebSocketResponse) -> None:
    """Ignore the client's messages until it leaves."""
    async for message in socket:
        if message.type is WSMsgType.ERROR:
            return


async def _send(
    request: web.Request, socket: web.WebSocketResponse, lines: LogLines, source: LogSource
) -> None:
    """Send every line, and drop a client that takes none for `log_send_seconds`."""
    patience_s = request.app[CONFIG].limits.log_send_seconds
    now = asyncio.get_running_loop().time
    async with contextlib.aclosing(lines.batches(source)) as batches:
        async for batch in batches:
            try:
                async with asyncio.timeout(patience_s) as patience:
                    for text in batch:
                        await socket.send_str(text)
                        patience.reschedule(now() + patience_s)
            except TimeoutError:
                if request.transport is not None:
                    asyncio.get_running_loop().call_later(LINGER_S, request.transport.abort)
                await _close(socket, WSCloseCode.TRY_AGAIN_LATER, b"too slow")
                return


async def close_all(app: web.Application) -> None:
    """Close every stream; the daemon's end would otherwise wait for them."""
    await asyncio.gather(*(_close(socket, WSCloseCode.GOING_AWAY, b"lensd stops") for socket in app[OPEN]))


async def _close(socket: web.WebSocketResponse, code: WSCloseCode, reason: bytes) -> None:
    """Close without waiting for a client that does not read."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await socket.close(code=code, message=reason, drain=False)
