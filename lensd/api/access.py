"""Who may ask: tokens, and requests that come from web pages of other origins."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from lensd.api.errors import ApiError, response
from lensd.api.state import SETTINGS

#: Open to probes whatever the token is.
_OPEN = frozenset({"/healthz", "/readyz"})
_EXPOSED = (
    "X-Row-Count, X-Total-Count, X-Last-Step, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset,"
    " ETag, Retry-After"
)


@web.middleware
async def access(request: web.Request, handler: Any) -> web.StreamResponse:
    """Check origin and token; add CORS headers for the origins that are named."""
    settings = request.app[SETTINGS]
    origin = request.headers.get("Origin")
    allowed = origin is not None and ("*" in settings.origins or origin in settings.origins)
    try:
        if origin and not allowed and not _same_host(origin, request.host) and _changes(request):
            raise ApiError(
                403, f"requests from pages of {origin} are refused; name it in `origins` to allow it"
            )
        if request.method == "OPTIONS" and origin and allowed:
            return web.Response(
                status=204,
                headers=_cors(origin)
                | {
                    "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
                    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match",
                    "Access-Control-Max-Age": "600",
                },
            )
        if settings.token and request.path not in _OPEN and not _holds(request, settings.token):
            raise ApiError(
                401,
                "a valid token is required: Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )
    except ApiError as error:
        return response(request.path, error)
    answer: web.StreamResponse = await handler(request)
    if origin and allowed and not answer.prepared:
        answer.headers.update(_cors(origin))
    return answer


def _cors(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }


async def add_cors(request: web.Request, answer: web.StreamResponse) -> None:
    """Signal handler: streamed answers send their headers before the middleware sees them again."""
    origin = request.headers.get("Origin")
    origins = request.app[SETTINGS].origins
    if origin and ("*" in origins or origin in origins):
        answer.headers.update(_cors(origin))


def _changes(request: web.Request) -> bool:
    upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
    return upgrade or request.method not in ("GET", "HEAD", "OPTIONS")


def _same_host(origin: str, host: str) -> bool:
    return urlsplit(origin).netloc.lower() == host.lower()


def _holds(request: web.Request, token: str) -> bool:
    """Bearer, W&B's way (basic, any user), or `?token=` for WebSockets, whose clients in browsers can set no
    headers. Compared in constant time."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif kind.lower() != "bearer":
        given = ""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            given = request.query.get("token", "")
    return hmac.compare_digest(given.strip().encode(), token.encode())
