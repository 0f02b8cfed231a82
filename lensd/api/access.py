"""Access control: the token, and requests from web pages of other origins (CORS)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from lensd.api.errors import ApiError
from lensd.api.state import CONFIG

#: Routes that need no token: probes, and the files of the page, which hold no data.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/", "/assets/{name}"})
_EXPOSED = (
    "X-Row-Count, X-Total-Count, X-Last-Step, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset,"
    " ETag, Retry-After"
)


@web.middleware
async def access(request: web.Request, handler: Any) -> web.StreamResponse:
    """Check origin and token. Raises ApiError (401, 403)."""
    config = request.app[CONFIG]
    origin = request.headers.get("Origin")
    allowed = _allowed(origin, config.origins)
    if origin and not allowed and not _same_host(origin, request.host) and _changes_state(request):
        raise ApiError(403, f"requests from pages of {origin} are refused; name it in `origins` to allow it")
    if request.method == "OPTIONS" and allowed:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
                "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match",
                "Access-Control-Max-Age": "600",
            },
        )
    if config.token and not _is_open(request) and not _holds(request, config.token):
        raise ApiError(
            401,
            "a valid token is required: Authorization: Bearer TOKEN",
            headers={"WWW-Authenticate": "Bearer"},
        )
    answer: web.StreamResponse = await handler(request)
    return answer


def _is_open(request: web.Request) -> bool:
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical in OPEN_PATHS


async def add_cors(request: web.Request, answer: web.StreamResponse) -> None:
    """Add the CORS headers for pages of allowed origins.

    A signal handler, so that errors and streamed answers get them as well.
    """
    origin = request.headers.get("Origin")
    if origin and _allowed(origin, request.app[CONFIG].origins):
        answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Access-Control-Expose-Headers"] = _EXPOSED
        varies = answer.headers.get("Vary")
        answer.headers["Vary"] = f"{varies}, Origin" if varies else "Origin"


def _allowed(origin: str | None, origins: Sequence[str]) -> bool:
    return origin is not None and ("*" in origins or origin in origins)


def _changes_state(request: web.Request) -> bool:
    upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
    return upgrade or request.method not in ("GET", "HEAD", "OPTIONS")


def _same_host(origin: str, host: str) -> bool:
    return urlsplit(origin).netloc.lower() == host.lower()


def _holds(request: web.Request, token: str) -> bool:
    """Whether the request carries the token, compared in constant time.

    As `Bearer`; as the password of basic authentication, which W&B clients send; or as `?token=` of a
    WebSocket, on which browsers cannot set headers.
    """
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
        except ValueError:  # not base64, or not UTF-8 inside
            return False
    elif scheme.lower() != "bearer":
        credentials = ""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            credentials = request.query.get("token", "")
    # aiohttp decodes header bytes that are not UTF-8 as lone surrogates.
    return hmac.compare_digest(credentials.strip().encode("utf-8", "surrogateescape"), token.encode())
