"""Parameters of requests. Every refusal names the parameter, what was given, and what is allowed."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from lensd.api.errors import ApiError, invalid
from lensd.query.results import Attempt, Selection

LEAST, MOST = 100, 50_000
ALL_STEPS = (-(1 << 62), 1 << 62)
_INTEGER = re.compile(r"[+-]?\d{1,4000}\Z", re.ASCII)  # int() refuses more digits than that
FORMATS = ("json", "csv", "ndjson")


def uid(request: web.Request) -> str:
    """The workload's uid in the path."""
    found = request.match_info["uid"]
    if not found.strip():
        raise invalid("workload_uid is required")
    return found


def selection(request: web.Request) -> Selection:
    """Everything that `metrics/data` and `iteration-times` may be asked for."""
    query = request.query
    start, end = _times(query.get("start"), query.get("end"))
    return Selection(
        data_source=query.get("data_source") or None,
        metrics=metric_names(query.getall("metrics", [])),
        start_ms=start,
        end_ms=end,
        attempt=_attempt(query.get("attempt")),
        input=query.get("input") or None,
        downsample=_lens_downsample(query.get("downsample")),
        since=_since(query.get("since")),
    )


def form(request: web.Request) -> str:
    """The format asked for: json, csv or ndjson."""
    given = request.query.get("format") or "json"
    if given not in FORMATS:
        raise invalid(f"format is {given!r}; allowed are {', '.join(FORMATS)}")
    return given


def metric_names(given: list[str]) -> frozenset[str] | None:
    """Names out of `a,b`, `{a,b}` (Grafana) or a parameter that is repeated, whose values are taken whole so
    that names may hold commas. None means all."""
    if len(given) > 1:
        names = {text.strip() for text in given}
        return None if any(name.lower() == "all" for name in names) else frozenset(names - {""})
    text = given[0].strip() if given else ""
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    names = {name.strip() for name in text.split(",")}
    if names == {""} or {name.lower() for name in names} == {"all"}:
        return None
    return frozenset(names - {""})


def runs_downsample(request: web.Request) -> int | None:
    """`downsample` of the Runs dialect, refused as its reference server refuses it (422)."""
    values = request.query.getall("downsample", [])
    if not values:
        return None
    text = values[-1]
    if not _INTEGER.match(text.strip()):
        raise _unprocessable(
            "int_parsing", "Input should be a valid integer, unable to parse string as an integer", text
        )
    number = int(text)
    if number < LEAST:
        raise _unprocessable(
            "greater_than_equal", f"Input should be greater than or equal to {LEAST}", text, {"ge": LEAST}
        )
    if number > MOST:
        raise _unprocessable(
            "less_than_equal", f"Input should be less than or equal to {MOST}", text, {"le": MOST}
        )
    return number


def step_range(request: web.Request) -> tuple[int, int] | None:
    """`step_range=min:max`, both ends included and either left out for no bound."""
    text = request.query.get("step_range")
    if not text:
        return None
    low, colon, high = text.partition(":")
    if not colon or not all(part == "" or _is_int64(part) for part in (low, high)):
        raise ApiError(400, "Invalid step_range format, use 'min:max'")
    return (int(low) if low else ALL_STEPS[0], int(high) if high else ALL_STEPS[1])


def _unprocessable(kind: str, message: str, given: str, context: dict[str, int] | None = None) -> ApiError:
    detail: dict[str, Any] = {"type": kind, "loc": ["query", "downsample"], "msg": message, "input": given}
    if context:
        detail["ctx"] = context
    return ApiError(422, f"downsample: {message}", detail=[detail])


def _is_int64(text: str) -> bool:
    return bool(_INTEGER.match(text)) and -(1 << 63) <= int(text) < 1 << 63


def _times(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    if start and not _is_int64(start):
        raise invalid(
            f"Invalid start time format: start is {start!r}, allowed are whole milliseconds (int64)"
        )
    if end and not _is_int64(end):
        raise invalid(f"Invalid end time format: end is {end!r}, allowed are whole milliseconds (int64)")
    if bool(start) != bool(end):
        missing, given = ("end", f"start={start}") if start else ("start", f"end={end}")
        raise invalid(f"start and end must be given together: {given} came without {missing}")
    if not start or not end:
        return None, None
    low, high = int(start), int(end)
    if low > high:
        raise invalid(f"start is {low}, after end {high}; allowed is start <= end")
    return low, high


def _attempt(text: str | None) -> Attempt:
    if text in (None, "", "current"):
        return "current"
    if text == "all":
        return "all"
    if text and text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31:
        return int(text)
    raise invalid(f"attempt is {text!r}; allowed are current, all, or a number from 1")


def _lens_downsample(text: str | None) -> int | None:
    if not text:
        return None
    if not _INTEGER.match(text) or not LEAST <= int(text) <= MOST:
        raise invalid(f"downsample is {text!r}; allowed are whole numbers from {LEAST} to {MOST}")
    return int(text)


def _since(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise invalid(f"since is {text!r}; allowed is the `next` of an earlier answer")
    return int(text)
