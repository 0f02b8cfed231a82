"""Sends answers: small ones whole, large ones as they are read, packed where the client takes it.

Owns the way of bytes to the client; what is in them is made elsewhere. Never blocks the event loop: pieces
are made and packed on the API's threads, one at a time and only as fast as the client takes them.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import msgspec
from aiohttp import web

from lensd.api.encode import gzipped, in_pieces
from lensd.api.errors import ApiError
from lensd.api.state import CONFIG, SENDING, STARTED, STORE, STREAMS, in_thread
from lensd.store import Reader, ReadTimeout, StoreError

log = logging.getLogger(__name__)

#: Answers up to this size are sent whole, with their length.
WHOLE = 1 << 20
_WORTH_PACKING = 1400
_WORTH_A_THREAD = 32 << 10
_GRACE_S = 0.7  # for large answers to end when the daemon stops

JSON = "application/json"


async def json_answer(
    request: web.Request, value: object, headers: dict[str, str] | None = None, status: int = 200
) -> web.Response:
    """A small answer."""
    return await body_answer(request, msgspec.json.encode(value), headers=headers, status=status)


async def body_answer(
    request: web.Request,
    body: bytes,
    *,
    content_type: str = JSON,
    headers: dict[str, str] | None = None,
    packed: bytes | None = None,
    status: int = 200,
) -> web.Response:
    """A body that is ready, packed where that is worth it. packed: the same as gzip, where that is known."""
    answer = web.Response(status=status, content_type=content_type, charset="utf-8", headers=headers)
    answer.headers["Vary"] = "Accept-Encoding"
    if takes_gzip(request) and len(body) >= _WORTH_PACKING:
        if packed is None:
            packed = (
                pack(body) if len(body) < _WORTH_A_THREAD else await in_thread(request, lambda: pack(body))
            )
        answer.headers["Content-Encoding"] = "gzip"
        body = packed
    answer.body = body
    return answer


def pack(body: bytes) -> bytes:
    """A body as gzip."""
    return b"".join(gzipped([body]))


def takes_gzip(request: web.Request) -> bool:
    """Whether the client takes gzip (RFC 9110, 12.5.3); a `*` speaks for it only where it is not named."""
    weights = {}
    for item in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, weight = item.partition(";")
        weights[name.strip()] = weight.replace(" ", "").rstrip("0.") != "q="
    return weights.get("gzip", weights.get("*", False))


def etag(request: web.Request, version: int) -> str:
    """Weak, for packing changes the bytes: made of the workload's version, the whole request, and the time
    this daemon began, for another one may count the versions of another database."""
    asked = f"{request.app[STARTED]} {request.rel_url}"
    return f'W/"{version}-{hashlib.blake2s(asked.encode(), digest_size=6).hexdigest()}"'


def unchanged(request: web.Request, headers: dict[str, str]) -> web.Response | None:
    """304 if the client has the state of the answer that its headers (with ETag) tell."""
    known = [each.strip() for each in request.headers.get("If-None-Match", "").split(",")]
    if headers["ETag"] in known or "*" in known:
        return web.Response(status=304, headers=headers)
    return None


async def stream_read(
    request: web.Request,
    parts: Callable[[Reader], Iterable[bytes]],
    headers: dict[str, str],
    content_type: str = JSON,
) -> web.StreamResponse:
    """Send what `parts` reads from the store. A client that goes away ends the reading."""
    seconds = request.app[CONFIG].limits.query_seconds

    def make(held: ExitStack) -> tuple[Iterable[bytes], Reader]:
        reader = held.enter_context(request.app[STORE].read(seconds=seconds))
        return parts(reader), reader

    return await _stream(request, lambda: _Making(make, seconds), headers, content_type)


async def stream_made(
    request: web.Request, parts: Callable[[], Iterable[bytes]], headers: dict[str, str]
) -> web.StreamResponse:
    """Send what `parts` makes of something that is in memory already."""
    return await _stream(request, lambda: _Making(lambda _: (parts(), None), 0.0), headers, JSON)


class _Making:
    """Pieces of one answer in the making. Methods block and belong on a worker thread.

    The lock is for the client that goes away while a piece is being read: the reader is let go of only when
    nobody uses it any more.
    """

    def __init__(
        self, make: Callable[[ExitStack], tuple[Iterable[bytes], Reader | None]], seconds: float
    ) -> None:
        self._make = make
        self._seconds = seconds
        self._held = ExitStack()
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._pieces: Iterator[bytes] = iter(())

    def begin(self) -> tuple[bytes, bool]:
        """Everything where it is little, else a little more than what counts as little, and whether that is
        all."""
        with self._lock:
            parts, self._reader = self._make(self._held)
            self._pieces = iter(in_pieces(parts))
            found, length = [], 0
            for piece in self._pieces:
                found.append(piece)
                length += len(piece)
                if length >= WHOLE:
                    return b"".join(found), False
            return b"".join(found), True

    def go_on(self, first: bytes, packed: bool) -> None:
        """Make `next` begin with the bytes that `begin` gave."""
        every = itertools.chain([first], self._pieces)
        self._pieces = gzipped(every) if packed else every

    def next(self) -> bytes | None:
        """The next piece; None at the end."""
        with self._lock:
            if self._reader:
                # Every piece may take that long; the time that the client takes for them does not count.
                self._reader.allow(self._seconds)
            return next(self._pieces, None)

    def end(self) -> None:
        with self._lock:
            self._pieces = iter(())
            self._held.close()


async def _stream(
    request: web.Request, make: Callable[[], _Making], headers: dict[str, str], content_type: str
) -> web.StreamResponse:
    making = make()
    slots = request.app[STREAMS]
    has_slot = False
    try:
        first, complete = await in_thread(request, making.begin)
        if complete:
            await _end(request, making)
            return await body_answer(request, first, content_type=content_type, headers=headers)
        if slots.locked():
            # The store has so many readers and no more: whoever waits for a slot must not hold one.
            await _end(request, making)
            await _slot(request)
            has_slot = True
            making = make()
            first, _ = await in_thread(request, making.begin)
        else:
            await slots.acquire()
            has_slot = True
        return await _send(request, making, first, headers, content_type)
    finally:
        if has_slot:
            slots.release()
        await _end(request, making)


async def _slot(request: web.Request) -> None:
    seconds = request.app[CONFIG].limits.query_seconds
    try:
        async with asyncio.timeout(seconds):
            await request.app[STREAMS].acquire()
    except TimeoutError as error:
        message = f"too many large answers are being sent; none ended in {seconds:g} s"
        raise ApiError(429, message, headers={"Retry-After": "5"}) from error


async def _end(request: web.Request, making: _Making) -> None:
    try:
        await asyncio.shield(in_thread(request, making.end))
    except RuntimeError:  # the daemon stops, and its threads have ended
        making.end()


async def abort_all(app: web.Application) -> None:
    """End the large answers that a moment is not enough for, so that the daemon's end waits for no client."""
    sending = app[SENDING].copy()
    if sending:
        _, late = await asyncio.wait(sending, timeout=_GRACE_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_GRACE_S)


async def _send(
    request: web.Request, making: _Making, first: bytes, headers: dict[str, str], content_type: str
) -> web.StreamResponse:
    answer = web.StreamResponse(headers=headers)
    answer.content_type, answer.charset = content_type, "utf-8"
    answer.headers["Vary"] = "Accept-Encoding"
    packed = takes_gzip(request)
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    making.go_on(first, packed)
    path, patience = request.rel_url.raw_path, request.app[CONFIG].limits.send_seconds

    async def send() -> None:
        await answer.prepare(request)
        while request.method != "HEAD" and (piece := await in_thread(request, making.next)) is not None:
            async with asyncio.timeout(patience):
                await answer.write(piece)
        await answer.write_eof()

    sending = asyncio.create_task(send())
    request.app[SENDING].add(sending)
    sending.add_done_callback(request.app[SENDING].discard)
    try:
        await sending
    except asyncio.CancelledError:  # the daemon stops
        sending.cancel()
        abort(request)
    except ConnectionError:
        log.debug("%s: the client went away", path)
    except TimeoutError:
        log.warning("%s: the client took nothing for %g s", path, patience)
        abort(request)
    except (ReadTimeout, StoreError) as error:
        log.error("%s ended half-way: %s", path, error)
        abort(request)
    except Exception:  # whatever it is, the answer must not look complete
        abort(request)
        log.exception("%s ended half-way", path)
    return answer


def abort(request: web.Request) -> None:
    """Once the headers are out only a broken connection tells the client that this is not all."""
    if request.transport:
        request.transport.abort()
