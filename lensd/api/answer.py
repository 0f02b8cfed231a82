"""Sends answers: small ones whole, large ones as they are read, packed where the client takes it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import msgspec
from aiohttp import web

from lensd.api.encode import gzipped, in_pieces
from lensd.api.state import SETTINGS, STORE, in_thread
from lensd.store import Reader, ReadTimeout, StoreError

log = logging.getLogger(__name__)

#: Answers up to this size are sent whole, with their length.
WHOLE = 1 << 20
_WORTH_PACKING = 1400
Parts = Callable[[Reader], Iterable[bytes]]


def json_answer(request: web.Request, value: object, headers: dict[str, str] | None = None) -> web.Response:
    """A small answer."""
    return body_answer(request, msgspec.json.encode(value), headers=headers)


def body_answer(
    request: web.Request,
    body: bytes,
    *,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> web.Response:
    """A body that is ready, packed where that is worth it."""
    answer = web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
    if takes_gzip(request) and len(body) >= _WORTH_PACKING:
        answer.body = b"".join(gzipped([body]))
        answer.headers["Content-Encoding"] = "gzip"
    answer.headers.add("Vary", "Accept-Encoding")
    return answer


def takes_gzip(request: web.Request) -> bool:
    for item in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0")
    return False


def etag(request: web.Request, version: int) -> str:
    """Weak, for packing changes the bytes: made of the workload's version and the whole request."""
    asked = hashlib.blake2s(str(request.rel_url).encode(), digest_size=6).hexdigest()
    return f'W/"{version}-{asked}"'


def unchanged(request: web.Request, tag: str) -> web.Response | None:
    """304 if the client has this state of the answer already."""
    known = [each.strip() for each in request.headers.get("If-None-Match", "").split(",")]
    if tag in known or "*" in known:
        return web.Response(status=304, headers={"ETag": tag})
    return None


async def stream(
    request: web.Request, parts: Parts, headers: dict[str, str], content_type: str = "application/json"
) -> web.StreamResponse:
    """Send what `parts` gives, reading on only as fast as the client takes it. A client that goes away ends
    the reading."""
    with ExitStack() as held:
        pieces = await in_thread(request, lambda: _open(request, parts, held))
        first = await in_thread(request, lambda: _first(pieces))
        if len(first) < WHOLE:
            return body_answer(request, first, content_type=content_type, headers=headers)
        rest = _chain(first, pieces)
        answer = web.StreamResponse(headers=headers)
        answer.content_type, answer.charset = content_type, "utf-8"
        answer.headers.add("Vary", "Accept-Encoding")
        if takes_gzip(request):
            rest = gzipped(rest)
            answer.headers["Content-Encoding"] = "gzip"
        await answer.prepare(request)
        if request.method == "HEAD":
            return answer
        try:
            while (piece := await in_thread(request, lambda: next(rest, None))) is not None:
                await answer.write(piece)
        except (ReadTimeout, StoreError) as error:
            # The headers are out: only a broken connection tells the client that this is not all.
            log.warning("%s: %s", request.path, error)
            if request.transport:
                request.transport.abort()
            raise ConnectionResetError from error
        except (ConnectionError, asyncio.CancelledError):
            log.debug("%s: the client went away", request.path)
            raise
        await answer.write_eof()
        return answer


def _open(request: web.Request, parts: Parts, held: ExitStack) -> Iterator[bytes]:
    reader = held.enter_context(request.app[STORE].read(seconds=request.app[SETTINGS].read_seconds))
    return iter(in_pieces(parts(reader)))


def _first(pieces: Iterator[bytes]) -> bytes:
    """Everything where it is little, else a little more than what counts as little."""
    found = []
    length = 0
    for piece in pieces:
        found.append(piece)
        length += len(piece)
        if length >= WHOLE:
            break
    return b"".join(found)


def _chain(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces
