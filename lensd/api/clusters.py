"""Requests for another cluster, passed on to the lensd that serves it."""

from __future__ import annotations

import contextlib
import functools

import aiohttp
from aiohttp import web
from yarl import URL

from lensd.api.description import Handler
from lensd.api.errors import ApiError, invalid
from lensd.api.params import chosen_by
from lensd.api.state import CONFIG
from lensd.api.streaming import abort

CLIENT = web.AppKey("client", aiohttp.ClientSession)
_PASSED_ON = "X-Lensd-Passed-On"  # stops two daemons that name each other from passing a request on for ever
_REQUEST_HEADERS = ("Accept", "Accept-Encoding", "If-None-Match")
_ANSWER_HEADERS = ("Content-Type", "Content-Encoding", "ETag", "Cache-Control", "Retry-After", "Vary")


def per_cluster(handler: Handler) -> Handler:
    """Pass a request on to the cluster that it names, or that is the default; else call the handler."""

    @functools.wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await _pass_on(request)
        return answer if answer is not None else await handler(request)

    return handle


async def _pass_on(request: web.Request) -> web.StreamResponse | None:
    """The other daemon's answer, or None if the request is for this one. Raises ApiError."""
    config = request.app[CONFIG]
    names = chosen_by(request, "cluster")
    if names is not None and len(names) != 1:
        raise invalid(f"cluster is {request.query['cluster']!r}; it must be one name")
    name = next(iter(names)) if names else config.default_cluster
    if not name or (_PASSED_ON in request.headers and names is None):
        return None
    peer = config.clusters.get(name)
    if peer is None:
        choices = ", ".join(sorted(config.clusters)) or "none (see [clusters] in the configuration)"
        raise invalid(f"cluster is {name!r}; known are {choices}")
    if _PASSED_ON in request.headers:
        raise invalid(f"cluster {name!r}: the request has been passed on once already")
    query = request.rel_url.query.copy()
    query.popall("cluster", None)
    # The answer's bytes are passed on as they are, so ask only for an encoding that this client accepts.
    headers = {_PASSED_ON: "1", "Accept-Encoding": "identity"}
    headers |= {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
    if peer.token:
        headers["Authorization"] = f"Bearer {peer.token}"
    url = URL(peer.url.rstrip("/") + request.rel_url.raw_path, encoded=True).with_query(query)
    timeout = aiohttp.ClientTimeout(total=None, connect=peer.timeout, sock_read=peer.timeout)
    answer: web.StreamResponse | None = None
    try:
        async with request.app[CLIENT].request(
            request.method, url, headers=headers, timeout=timeout, allow_redirects=False
        ) as theirs:
            kept = {key: theirs.headers[key] for key in _ANSWER_HEADERS if key in theirs.headers}
            answer = web.StreamResponse(status=theirs.status, reason=theirs.reason, headers=kept)
            await answer.prepare(request)
            async for chunk in theirs.content.iter_chunked(1 << 16):
                await answer.write(chunk)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        if answer is not None and answer.prepared:
            abort(request)
            return answer
        reason = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        raise ApiError(500, f"cluster {name} cannot be reached: {reason}") from error
    with contextlib.suppress(ConnectionError):
        await answer.write_eof()
    return answer
