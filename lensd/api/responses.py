"""Answers whose body is ready: JSON, gzip where the client accepts it, ETag and 304.

`streaming.py` sends what is too large for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from aiohttp import web

from lensd.api.description import CSV, JSON
from lensd.api.encode import for_spreadsheets, gzipped
from lensd.api.state import STARTED, in_thread

_MIN_GZIP_BYTES = 1400  # a smaller body fits one packet anyway
_MIN_THREAD_BYTES = 32 << 10  # a smaller body is compressed faster than a thread takes over


async def json_answer(
    request: web.Request, value: object, headers: dict[str, str] | None = None, status: int = 200
) -> web.Response:
    """A value, encoded as JSON by msgspec."""
    return await body_answer(request, msgspec.json.encode(value), headers=headers, status=status)


async def body_answer(
    request: web.Request,
    body: bytes,
    *,
    content_type: str = JSON,
    headers: dict[str, str] | None = None,
    compressed: bytes | None = None,
    status: int = 200,
) -> web.Response:
    """An encoded body. compressed: the same body as gzip, if the caller has it already."""
    answer = web.Response(status=status, content_type=content_type, charset="utf-8", headers=headers)
    answer.headers["Vary"] = "Accept-Encoding"
    if accepts_gzip(request) and len(body) >= _MIN_GZIP_BYTES:
        if compressed is None and len(body) >= _MIN_THREAD_BYTES:
            compressed = await in_thread(request, lambda: compress(body))
        answer.headers["Content-Encoding"] = "gzip"
        answer.body = compress(body) if compressed is None else compressed
    else:
        answer.body = body
    return answer


def for_reader(request: web.Request, content_type: str, parts: Iterable[bytes]) -> Iterable[bytes]:
    """The parts of an answer as who reads it needs them: CSV without formulas, with `spreadsheet=1`."""
    is_sheet = content_type == CSV and request.query.get("spreadsheet") in ("1", "true")
    return for_spreadsheets(parts) if is_sheet else parts


def compress(body: bytes) -> bytes:
    """A body as gzip."""
    return b"".join(gzipped([body]))


def accepts_gzip(request: web.Request) -> bool:
    """Whether the client accepts gzip (RFC 9110, 12.5.3). `*` counts only if gzip is not named."""
    weights = {}
    for item in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, weight = item.partition(";")
        weights[name.strip()] = weight.replace(" ", "").rstrip("0.") != "q="
    return weights.get("gzip", weights.get("*", False))


def etag(request: web.Request, version: int) -> str:
    """The tag of an answer to this request while the workload has this version.

    Weak, because gzip changes the bytes. It contains the time this daemon started: the next one may serve
    another database, whose versions are counted anew.
    """
    key = f"{request.app[STARTED]} {request.rel_url}"
    return f'W/"{version}-{hashlib.blake2s(key.encode(), digest_size=6).hexdigest()}"'


def without_body(
    request: web.Request, headers: dict[str, str], content_type: str = JSON
) -> web.StreamResponse | None:
    """304 if the client already has the answer with the ETag in `headers`; for HEAD the headers alone, before
    anything is read for a body; None if the body is needed."""
    tags = [tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")]
    if headers["ETag"] in tags or "*" in tags:
        return web.Response(status=304, headers=headers)
    return headers_only(request, headers, content_type)


def headers_only(
    request: web.Request, headers: dict[str, str], content_type: str = JSON
) -> web.StreamResponse | None:
    """The answer to a HEAD request, without the length of a body that nobody made; else None."""
    if request.method != "HEAD":
        return None
    answer = web.StreamResponse(headers=headers | {"Vary": "Accept-Encoding"})
    answer.content_type, answer.charset = content_type, "utf-8"
    return answer
