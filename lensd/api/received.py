"""Bodies of requests: how large one may be, how long it may take, and how much memory all take together."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from lensd.api.errors import ApiError
from lensd.api.state import CONFIG

#: A body that comes more slowly than this, in bytes a second, is not waited for.
_SLOWEST = 16 << 10
#: Larger bodies become many times as large when they are decoded, so they are, one after the other.
_LARGE = 1 << 20
_HELD = web.RequestKey("held_bytes", int)
_IS_LARGE = web.RequestKey("is_large", bool)
_CLOSE = {"Connection": "close"}


class Bodies:
    """What is in memory of bodies. most: in bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        self.large = asyncio.Lock()


BODIES = web.AppKey("bodies", Bodies)


@web.middleware
async def bodies(request: web.Request, handler: Any) -> web.StreamResponse:
    """Count the body of a request until it is answered."""
    all_bodies = request.app[BODIES]
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    finally:
        held = request.get(_HELD, 0)
        all_bodies.held -= held
        if _IS_LARGE in request:
            all_bodies.large.release()


async def read_body(request: web.Request, most: int, *, keep: bool = True) -> bytearray:
    """The body, of at most `most` bytes; nothing of it unless it is to be kept.

    Raises ApiError: 400 if it cannot be unpacked, 408 if it comes too slowly, 413 if it is too large, 429 if
    there are too many others.
    """
    loop, seconds = asyncio.get_running_loop(), request.app[CONFIG].limits.body_seconds
    data, size, began = bytearray(), 0, loop.time()
    _check_size(request.content_length or 0, most)
    try:
        async with asyncio.timeout(seconds) as patience:
            async for chunk in request.content.iter_any():
                size += len(chunk)
                _check_size(size, most)
                if keep:
                    _hold(request, len(chunk))
                    data += chunk
                patience.reschedule(began + seconds + size / _SLOWEST)
    except TimeoutError:
        raise ApiError(408, "the body did not come in time", headers=_CLOSE) from None
    except RequestPayloadError as error:  # for one, Content-Encoding says gzip and it is not
        reason = str(error).split("message:")[-1].strip()
        request.content.feed_eof()  # else aiohttp reads on after the answer, and logs the same error again
        raise ApiError(400, f"the body cannot be read: {reason}", headers=_CLOSE) from None
    if len(data) >= _LARGE:
        await request.app[BODIES].large.acquire()
        request[_IS_LARGE] = True
    return data


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ApiError(413, f"the body is too large: {most} bytes are allowed", headers=_CLOSE)


def _hold(request: web.Request, size: int) -> None:
    all_bodies = request.app[BODIES]
    if all_bodies.held + size > all_bodies.most:
        raise ApiError(
            429, "too many large bodies are being received; retry", headers=_CLOSE | {"Retry-After": "1"}
        )
    all_bodies.held += size
    request[_HELD] = request.get(_HELD, 0) + size
