"""Errors of both dialects, and the middleware that turns everything that goes wrong into one of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from lensd.query.results import UnreadableRun
from lensd.store import ReadTimeout, StoreError

log = logging.getLogger(__name__)

#: Prefixes of the Lens log format; everything else answers in the Runs log format.
LENS_PREFIXES = ("/api/v1", "/lens/v1", "/v1")

_CODES = {
    400: "RequestParameterInvalid", 401: "Unauthorized", 403: "Unauthorized", 404: "NotFound",
    405: "RequestParameterInvalid", 413: "RequestParameterInvalid", 422: "RequestParameterInvalid",
    429: "TooManyRequests",
}  # fmt: skip


class ApiError(Exception):
    """An answer that is no success. `detail` replaces the message in the Runs dialect where it is a list."""

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
    """400 of the Lens dialect."""
    return ApiError(400, message)


def is_lens(path: str) -> bool:
    """Whether a path belongs to the Lens dialect."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in LENS_PREFIXES)


def response(path: str, error: ApiError) -> web.Response:
    """The error in the dialect of the path. The reason phrase carries the message, for some clients show
    nothing else."""
    body: dict[str, Any]
    if is_lens(path):
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


@web.middleware
async def errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """No request ends in anything but an answer of its dialect; what is not the client's fault is logged."""
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    except ApiError as error:
        return response(request.path, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        message = {
            404: f"no such path: {request.path}",
            405: "Method Not Allowed"
            if not is_lens(request.path)
            else f"{request.method} is not allowed here",
            413: "the body is too large",
        }.get(error.status, error.reason)
        kept = {name: value for name, value in error.headers.items() if name in ("Allow", "WWW-Authenticate")}
        return response(request.path, ApiError(error.status, message, headers=kept))
    except UnreadableRun as error:
        return response(request.path, ApiError(500, str(error)))
    except ReadTimeout as error:
        log.warning("%s %s: %s", request.method, request.rel_url.raw_path, error)
        return response(request.path, ApiError(500, f"{error}; ask for less, or thin with downsample"))
    except StoreError as error:
        log.error("%s %s: %s", request.method, request.rel_url.raw_path, error)
        return response(request.path, ApiError(500, "database query failed"))
    except asyncio.CancelledError:
        raise
    except ConnectionError:  # the client went away: nobody reads this
        return web.Response(status=499)
    except Exception:
        log.exception("%s %s failed", request.method, request.rel_url.raw_path)
        return response(request.path, ApiError(500, "internal error; the daemon's log has the details"))
