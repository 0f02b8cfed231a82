"""Access control: what a request may call the daemon, tokens, and web pages of other origins (CORS)."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import socket
from typing import Any
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from lensd.api.errors import ApiError
from lensd.api.state import CONFIG
from lensd.config import ApiConfig

#: Routes of probes, which call the daemon by any name.
PROBES = frozenset({"/healthz", "/readyz"})
#: Routes that need no token: probes, and the files of the page, which hold no data.
OPEN_PATHS = PROBES | {"/", "/assets/{name}"}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_EXPOSED = (
    "X-Row-Count, X-Total-Count, X-Last-Step, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset,"
    " ETag, Retry-After"
)


@web.middleware
async def access(request: web.Request, handler: Any) -> web.StreamResponse:
    """Check host, origin and token. Raises ApiError (401, 403, 421)."""
    config = request.app[CONFIG]
    if not config.has_token and not _is_one_of(request, PROBES):
        _check_host(request, config)
    allowed = _is_named(request.headers.get("Origin"), config)
    if not allowed and _changes_state(request):
        _check_origin(request, config)
    if request.method == "OPTIONS" and allowed:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
                "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match",
                "Access-Control-Max-Age": "600",
            },
        )
    if config.has_token and not _is_one_of(request, OPEN_PATHS):
        _check_token(request, config)
    answer: web.StreamResponse = await handler(request)
    return answer


async def add_cors(request: web.Request, answer: web.StreamResponse) -> None:
    """Add the CORS headers for pages of allowed origins.

    A signal handler, so that errors and streamed answers get them as well.
    """
    origin = request.headers.get("Origin")
    if origin and _is_named(origin, request.app[CONFIG]):
        answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Access-Control-Expose-Headers"] = _EXPOSED
        varies = answer.headers.get("Vary")
        answer.headers["Vary"] = f"{varies}, Origin" if varies else "Origin"


def _is_one_of(request: web.Request, paths: frozenset[str]) -> bool:
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical in paths


def _changes_state(request: web.Request) -> bool:
    return _is_upgrade(request) or request.method not in _READING


def _is_upgrade(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


# The name that a request uses. A page of any site may have its own name lead to this machine (DNS rebinding):
# for a browser, the daemon then is that site. So without a token, names are believed only if they are ours.


def _check_host(request: web.Request, config: ApiConfig) -> None:
    """Raises ApiError (421). A request without the header comes from no browser."""
    for host in request.headers.getall("Host", ()):
        name = _hostname(f"//{host}")
        if not _is_ours(name, config):
            raise ApiError(
                421,
                f"this daemon is not known as {name!r}: call it by its address, name it in `hosts`"
                " (LENSD_HOSTS), or set a token",
            )


def _is_ours(name: str, config: ApiConfig) -> bool:
    if "*" in config.hosts or name in config.hosts:
        return True
    machine = socket.gethostname().lower()
    return name in ("localhost", machine, machine.partition(".")[0]) or _is_address(name)


def _is_address(name: str) -> bool:
    """Whether it is an IP address, which no name server can lead elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _parts(url: str) -> SplitResult:
    """A URL taken apart; without a host if it is none."""
    try:
        return urlsplit(url.lower())
    except ValueError:  # brackets around what is no address
        return SplitResult("", "", "", "", "")


def _hostname(url: str) -> str:
    """The host of a URL in lower case, without its port and without the dot that may end it; or nothing."""
    return (_parts(url).hostname or "").removesuffix(".")


# The page that a browser sends a request for.


def _is_named(origin: str | None, config: ApiConfig) -> bool:
    """Whether `origins` has it."""
    return origin is not None and ("*" in config.origins or origin in config.origins)


def _check_origin(request: web.Request, config: ApiConfig) -> None:
    """Raises ApiError (403) for a page that is neither at our own address nor at a name of `hosts`.

    Our own address is one that `_check_host` has let in; with a token, an address lets nobody in. A proxy may
    send us another address than that of the page, which then is in `hosts`.
    """
    if request.headers.get("Sec-Fetch-Site", "").lower() == "cross-site":
        raise ApiError(403, "requests from pages of other sites are refused; name the page in `origins`")
    origin = request.headers.get("Origin")
    if origin is None or _hostname(origin) in config.hosts:
        return
    if _parts(origin).netloc != request.host.lower():
        raise ApiError(403, f"requests from pages of {origin} are refused; name it in `origins` to allow it")


def _check_token(request: web.Request, config: ApiConfig) -> None:
    """Raises ApiError (401) without a token, and 403 if what it may do is something else."""
    credentials = _credentials(request)
    reads = request.method in _READING
    right, other = (config.read_token, config.push_token) if reads else (config.push_token, config.read_token)
    if _is(credentials, config.token) | _is(credentials, right):
        return
    if _is(credentials, other):
        raise ApiError(403, "this token may only push" if reads else "this token may only read")
    raise ApiError(
        401, "a valid token is required: Authorization: Bearer TOKEN", headers={"WWW-Authenticate": "Bearer"}
    )


def _is(credentials: bytes, token: str | None) -> bool:
    """Compares in constant time."""
    return token is not None and hmac.compare_digest(credentials, token.encode())


def _credentials(request: web.Request) -> bytes:
    """The token that a request carries, or nothing.

    As `Bearer`; as the password of basic authentication, which W&B clients send; or as `?token=` of a
    WebSocket, on which browsers cannot set headers.
    """
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
        except ValueError:  # not base64, or not UTF-8 inside
            return b""
    elif scheme.lower() != "bearer":
        credentials = request.query.get("token", "") if _is_upgrade(request) else ""
    # aiohttp decodes header bytes that are not UTF-8 as lone surrogates.
    return credentials.strip().encode("utf-8", "surrogateescape")
