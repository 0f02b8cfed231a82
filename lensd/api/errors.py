"""Errors of the Lens API and the Runs API, and the middleware that turns every failure into one of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from lensd.query.results import UnreadableRun
from lensd.store import ReadTimeout, StoreError

log = logging.getLogger(__name__)

#: Prefixes of the Lens API. Errors of all other paths have the shape of the Runs API.
LENS_PREFIXES = ("/api/v1", "/lens/v1", "/v1")

_CODES = {
    400: "RequestParameterInvalid", 401: "Unauthorized", 403: "Unauthorized", 404: "NotFound",
    405: "RequestParameterInvalid", 408: "RequestParameterInvalid", 409: "InternalError",
    413: "RequestParameterInvalid", 421: "Unauthorized", 422: "RequestParameterInvalid",
    429: "TooManyRequests",
}  # fmt: skip


class ApiError(Exception):
    """An error to answer with.

    detail: replaces the message in the Runs API. extra: further fields of the body.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        detail: Any = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.detail = detail
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})


def invalid(message: str) -> ApiError:
    """A parameter or body that is not valid: 400."""
    return ApiError(400, message)


def is_lens(path: str) -> bool:
    """Whether a path belongs to the Lens API."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in LENS_PREFIXES)


@web.middleware
async def errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer every exception as an error of the API that the path belongs to."""
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    except ConnectionError:  # the client has disconnected: nobody reads this
        return web.Response(status=499)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _response(request, _of_aiohttp(request, error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
        return _response(request, _of_exception(request, error))


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> ApiError:
    """The error for what aiohttp refuses by itself: unknown paths, wrong methods, large bodies."""
    message = error.reason
    if error.status == 404:
        message = f"no such path: {request.path}"
    elif error.status == 405:
        message = f"{request.method} is not allowed here" if is_lens(request.path) else "Method Not Allowed"
    elif error.status == 413:
        message = "the body is too large"
    headers = {name: value for name, value in error.headers.items() if name in ("Allow", "WWW-Authenticate")}
    return ApiError(error.status, message, headers=headers)


def _of_exception(request: web.Request, error: Exception) -> ApiError:
    """The error for an exception. Logs what is not the client's fault, and shows no details of it."""
    where = f"{request.method} {request.rel_url.raw_path}"
    if isinstance(error, ApiError):
        return error
    if isinstance(error, UnreadableRun):
        return ApiError(500, str(error))
    if isinstance(error, ReadTimeout):
        log.warning("%s: %s", where, error)
        return ApiError(500, f"{error}; ask for less, or set downsample")
    if isinstance(error, StoreError):
        log.error("%s: %s", where, error)
        return ApiError(500, "database query failed")
    log.error("%s failed", where, exc_info=error)
    return ApiError(500, "internal error; the daemon's log has the details")


def _response(request: web.Request, error: ApiError) -> web.Response:
    """The error in the shape of its API. Some clients show only the reason phrase: it holds the message."""
    body: dict[str, Any]
    if is_lens(request.path):
        body = {"code": _CODES.get(error.status, "InternalError"), "message": error.message}
    else:
        body = {"detail": error.message if error.detail is None else error.detail}
    reason = "".join(c if " " <= c <= "~" else "?" for c in error.message)[:120]
    return web.Response(
        status=error.status,
        reason=reason or None,
        body=msgspec.json.encode(body | error.extra),
        content_type="application/json",
        charset="utf-8",
        headers=error.headers,
    )
