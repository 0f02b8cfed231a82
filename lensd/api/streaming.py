"""Answers of any size: sent whole if they turn out small, else chunk by chunk while they are read.

Never blocks the event loop: chunks are read and compressed on the API's threads, one at a time and only as
fast as the client takes them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager

from aiohttp import web

from lensd.api.description import JSON
from lensd.api.encode import gzipped, in_chunks
from lensd.api.errors import ApiError
from lensd.api.responses import accepts_gzip, body_answer, for_reader, headers_only
from lensd.api.state import CONFIG, SENDING, STORE, STREAMS, in_thread
from lensd.store import Reader, ReadTimeout, StoreError

log = logging.getLogger(__name__)

#: Answers up to this size are sent whole, with a Content-Length.
WHOLE = 1 << 20
_GRACE_S = 0.7  # for large answers to end when the daemon stops

#: Encodes an answer from a reader of the store.
Encode = Callable[[Reader], Iterable[bytes]]


async def stream_read(
    request: web.Request, encode: Encode, headers: dict[str, str], content_type: str = JSON
) -> web.StreamResponse:
    """Send what `encode` reads from the store. Reading stops when the client disconnects."""
    seconds = request.app[CONFIG].limits.query_seconds

    def open_source(resources: ExitStack) -> tuple[Iterable[bytes], Reader | None]:
        reader = resources.enter_context(request.app[STORE].read(seconds=seconds))
        return for_reader(request, content_type, encode(reader)), reader

    return await _stream(request, lambda: _Source(open_source, seconds), headers, content_type)


async def stream_made(
    request: web.Request,
    encode: Callable[[], Iterable[bytes]],
    headers: dict[str, str],
    content_type: str = JSON,
) -> web.StreamResponse:
    """Send what `encode` makes of data that is in memory."""

    def open_source(_: ExitStack) -> tuple[Iterable[bytes], Reader | None]:
        return for_reader(request, content_type, encode()), None

    return await _stream(request, lambda: _Source(open_source, 0.0), headers, content_type)


class _Source:
    """The chunks of one answer. Its methods block: call them on a worker thread.

    The lock is for a client that disconnects while a chunk is being read: `close` waits until the reader is
    not in use.
    """

    def __init__(
        self, open_source: Callable[[ExitStack], tuple[Iterable[bytes], Reader | None]], seconds: float
    ) -> None:
        self._open = open_source
        self._seconds = seconds
        self._resources = ExitStack()
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._chunks: Iterator[bytes] = iter(())

    def start(self) -> tuple[bytes, bool]:
        """(the whole answer, True) if it is smaller than WHOLE, else (at least WHOLE bytes of it, False)."""
        with self._lock:
            parts, self._reader = self._open(self._resources)
            self._chunks = in_chunks(parts)
            chunks, size = [], 0
            for chunk in self._chunks:
                chunks.append(chunk)
                size += len(chunk)
                if size >= WHOLE:
                    return b"".join(chunks), False
            return b"".join(chunks), True

    def resume(self, first: bytes, *, gzip: bool) -> None:
        """Make `next` return `first`, which came from `start`, and then the rest."""
        chunks = itertools.chain([first], self._chunks)
        self._chunks = gzipped(chunks) if gzip else chunks

    def next(self) -> bytes | None:
        """The next chunk; None at the end."""
        with self._lock:
            if self._reader:
                # The time limit is for each chunk: the time that the client takes does not count.
                self._reader.allow(self._seconds)
            return next(self._chunks, None)

    def close(self) -> None:
        with self._lock:
            self._chunks = iter(())
            self._resources.close()


async def _stream(
    request: web.Request, make: Callable[[], _Source], headers: dict[str, str], content_type: str
) -> web.StreamResponse:
    short = headers_only(request, headers, content_type)
    if short is not None:
        return short
    async with _opened(request, make()) as source:
        first, complete = await in_thread(request, source.start)
        if not complete and not request.app[STREAMS].locked():
            async with request.app[STREAMS]:  # free, so this does not wait
                return await _send(request, source, first, headers, content_type)
    if complete:
        return await body_answer(request, first, content_type=content_type, headers=headers)
    # All slots are taken. Wait without a source, because it holds one of the store's readers; then read anew.
    async with _slot(request), _opened(request, make()) as source:
        first, _ = await in_thread(request, source.start)
        return await _send(request, source, first, headers, content_type)


@asynccontextmanager
async def _opened(request: web.Request, source: _Source) -> AsyncIterator[_Source]:
    """Close the source at the end, on a worker thread."""
    try:
        yield source
    finally:
        try:
            await asyncio.shield(in_thread(request, source.close))
        except RuntimeError:  # the daemon stops, and its threads have ended
            source.close()


@asynccontextmanager
async def _slot(request: web.Request) -> AsyncIterator[None]:
    """Hold a slot for a large answer. Raises ApiError (429) if none becomes free in time."""
    seconds = request.app[CONFIG].limits.query_seconds
    try:
        async with asyncio.timeout(seconds):
            await request.app[STREAMS].acquire()
    except TimeoutError as error:
        message = f"too many large answers are being sent; none ended in {seconds:g} s"
        raise ApiError(429, message, headers={"Retry-After": "5"}) from error
    try:
        yield
    finally:
        request.app[STREAMS].release()


async def _send(
    request: web.Request, source: _Source, first: bytes, headers: dict[str, str], content_type: str
) -> web.StreamResponse:
    """Send a large answer. If it fails half-way the connection is aborted: it must not look complete."""
    answer = web.StreamResponse(headers=headers)
    answer.content_type, answer.charset = content_type, "utf-8"
    answer.headers["Vary"] = "Accept-Encoding"
    gzip = accepts_gzip(request)
    if gzip:
        answer.headers["Content-Encoding"] = "gzip"
    source.resume(first, gzip=gzip)
    sending = asyncio.create_task(_write(request, answer, source))
    request.app[SENDING].add(sending)
    sending.add_done_callback(request.app[SENDING].discard)
    path = request.rel_url.raw_path
    try:
        await sending
    except asyncio.CancelledError:  # the daemon stops
        sending.cancel()
        abort(request)
    except ConnectionError:
        log.debug("%s: the client disconnected", path)
    except TimeoutError:
        log.warning("%s: the client accepted no data in time", path)
        abort(request)
    except (ReadTimeout, StoreError) as error:
        log.error("%s failed half-way: %s", path, error)
        abort(request)
    except Exception:
        log.exception("%s failed half-way", path)
        abort(request)
    return answer


async def _write(request: web.Request, answer: web.StreamResponse, source: _Source) -> None:
    """Raises TimeoutError if the client accepts no data for `send_seconds`."""
    send_seconds = request.app[CONFIG].limits.send_seconds
    await answer.prepare(request)
    while request.method != "HEAD" and (chunk := await in_thread(request, source.next)) is not None:
        async with asyncio.timeout(send_seconds):
            await answer.write(chunk)
    await answer.write_eof()


async def abort_all(app: web.Application) -> None:
    """Abort the large answers that do not end in a moment, so that the daemon stops without waiting."""
    sending = app[SENDING].copy()
    if sending:
        _, late = await asyncio.wait(sending, timeout=_GRACE_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_GRACE_S)


def abort(request: web.Request) -> None:
    """Break the connection: once the headers are sent, nothing else says that the answer is incomplete."""
    if request.transport:
        request.transport.abort()
