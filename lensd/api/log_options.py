"""How a client wants the log of a run streamed: the query parameters of the log's WebSocket, parsed."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from lensd.api.description import Parameter
from lensd.api.errors import ApiError
from lensd.api.params import ANSI, BACKLOG, FOLLOW, PROGRESS


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How a client wants a log. tail: lines of the backlog, None for all. after: the number of the line to
    start after, counted from 1; it overrides tail."""

    tail: int | None
    after: int | None
    follow: bool
    show_progress_bars: bool
    keep_colours: bool
    input: str | None


def log_options(request: web.Request) -> LogOptions:
    """The parameters of a log stream. Raises ApiError (422)."""
    query = request.query
    tail, after = query.get("tail") or str(BACKLOG), query.get("after")
    return LogOptions(
        tail=None if tail == "all" else _line_count("tail", tail, " or all"),
        after=_line_count("after", after) if after else None,
        follow=_choice(request, FOLLOW, ("0", "1", "false", "true")) in ("1", "true"),
        show_progress_bars=_choice(request, PROGRESS, ("show", "hide")) == "show",
        keep_colours=_choice(request, ANSI, ("keep", "strip")) == "keep",
        input=query.get("input") or None,
    )


def _line_count(name: str, text: str, alternative: str = "") -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ApiError(422, f"{name} is {text!r}; allowed are whole numbers from 0{alternative}")
    return int(text)


def _choice(request: web.Request, parameter: Parameter, allowed: tuple[str, ...]) -> str:
    text = request.query.get(parameter.name) or str(parameter.schema["default"])
    if text not in allowed:
        raise ApiError(422, f"{parameter.name} is {text!r}; allowed are {', '.join(allowed)}")
    return text
