"""Requests for another cluster, passed on to the lensd that serves it."""

from __future__ import annotations

import contextlib

import aiohttp
from aiohttp import web
from yarl import URL

from lensd.api.errors import ApiError, invalid
from lensd.api.responses import abort
from lensd.api.state import SETTINGS

CLIENT = web.AppKey("client", aiohttp.ClientSession)
_HOPS = "X-Lensd-Passed-On"  # so that two daemons that name each other do not pass a request on for ever
_ASKED = ("Accept", "Accept-Encoding", "If-None-Match")
_KEPT = ("Content-Type", "Content-Encoding", "ETag", "Cache-Control", "Retry-After", "Vary")


async def passed_on(request: web.Request) -> web.StreamResponse | None:
    """The other daemon's answer, or None where the request is for this one. Raises ApiError."""
    settings = request.app[SETTINGS]
    name = request.query.get("cluster") or settings.default_cluster
    if not name or (_HOPS in request.headers and "cluster" not in request.query):
        return None
    peer = settings.clusters.get(name)
    if peer is None:
        known = ", ".join(sorted(settings.clusters)) or "none (see [clusters] in the configuration)"
        raise invalid(f"cluster is {name!r}; known are {known}")
    if _HOPS in request.headers:
        raise invalid(f"cluster {name!r}: the request has been passed on once already")
    query = request.rel_url.query.copy()
    query.popall("cluster", None)
    # The bytes are passed on as they come, so only what this client takes may be asked for.
    headers = {_HOPS: "1", "Accept-Encoding": "identity"}
    headers |= {name: request.headers[name] for name in _ASKED if name in request.headers}
    if peer.token:
        headers["Authorization"] = f"Bearer {peer.token}"
    url = URL(peer.url + request.rel_url.raw_path, encoded=True).with_query(query)
    timeout = aiohttp.ClientTimeout(total=None, connect=peer.timeout_s, sock_read=peer.timeout_s)
    answer: web.StreamResponse | None = None
    try:
        async with request.app[CLIENT].request(
            request.method, url, headers=headers, timeout=timeout, allow_redirects=False
        ) as theirs:
            kept = {key: theirs.headers[key] for key in _KEPT if key in theirs.headers}
            answer = web.StreamResponse(status=theirs.status, reason=theirs.reason, headers=kept)
            await answer.prepare(request)
            async for piece in theirs.content.iter_chunked(1 << 16):
                await answer.write(piece)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        if answer is not None and answer.prepared:
            abort(request)
            return answer
        raise ApiError(500, f"cluster {name} cannot be reached: {_reason(error)}") from error
    with contextlib.suppress(ConnectionError):
        await answer.write_eof()
    return answer


def _reason(error: BaseException) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
