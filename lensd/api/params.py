"""Query parameters: how they are described, and how they are parsed.

Each refusal names the parameter, the value, and what is allowed.
"""

from __future__ import annotations

import math
import re
from typing import Any

from aiohttp import web

from lensd.api.description import Parameter
from lensd.api.errors import ApiError, invalid
from lensd.query.results import Attempt, Selection

MIN_DOWNSAMPLE, MAX_DOWNSAMPLE = 100, 50_000
ALL_STEPS = (-(1 << 62), 1 << 62)
FORMATS = ("json", "csv", "ndjson", "wide", "wide-csv")
#: What stands for all names, beside an empty value; Grafana sends the first ones.
ALL = frozenset({"$__all", ".*", "*", "all"})
BACKLOG = 1000
AXES = ("step", "time", "relative")
MAX_BINS, MAX_RUNS, MAX_LINES, MAX_SAMPLES = 2000, 5000, 5000, 20
_SECONDS, _MILLISECONDS = 10**8, 10**11  # what times of today are above, in seconds and in milliseconds
_INTEGER = re.compile(r"[+-]?\d{1,4000}\Z", re.ASCII)  # int() refuses more digits than that


def _choice_of(*allowed: str) -> dict[str, Any]:
    """The JSON schema of a choice whose first value is the default."""
    return {"type": "string", "enum": list(allowed), "default": allowed[0]}


_INT64 = {"type": "integer", "format": "int64"}
SEARCH = Parameter("q", "Only workloads whose uid or name contains this, in any case")
STATUS = Parameter("status", "Only workloads with this status; `a,b` and `{a,b}` are lists")
WHERE = Parameter(
    "where",
    "`NAME=VALUE`: only workloads with this value of their configuration, a label (`project`, `group`, ...)"
    " or `tag`; repeat it for several",
    {"type": "string", "pattern": "^[^=]+=.*$"},
)
DATA_SOURCE = Parameter("data_source", "Only this data source")
DATA_SOURCES = Parameter(
    "data_source", "Only these data sources: `a,b` or `{a,b}`; empty or `all`: every one"
)
METRICS = Parameter(
    "metrics", "Names as `a,b` or `{a,b}`, or one name each time it is repeated; empty or `all`: every metric"
)
START = Parameter("start", "UTC milliseconds, inclusive; requires `end`", _INT64)
END = Parameter("end", "UTC milliseconds, inclusive; requires `start`", _INT64)
CLUSTER = Parameter("cluster", "Pass the request on to this `[clusters.NAME]` of the configuration")
DOWNSAMPLE = Parameter(
    "downsample",
    "At most this many points of each series, or rows",
    {"type": "integer", "minimum": MIN_DOWNSAMPLE, "maximum": MAX_DOWNSAMPLE},
)
SINCE = Parameter(
    "since",
    "`next` of an earlier answer: only what was stored after it",
    {"type": "string", "pattern": r"^\d+$"},
)
ATTEMPT = Parameter(
    "attempt",
    "`current`, `all`, or the number of one attempt, counted from 1",
    {"type": "string", "pattern": r"^(current|all|[1-9]\d*)$", "default": "current"},
)
INPUT = Parameter("input", "Only this input; `lensd sources` lists the ids")
FORMAT = Parameter(
    "format",
    "The format of the answer; `wide`: rows by time with a column for each series",
    _choice_of(*FORMATS),
)
SPREADSHEET = Parameter(
    "spreadsheet", "`1`: text in CSV that a spreadsheet would take for a formula has an apostrophe before it",
    _choice_of("0", "1"),
)  # fmt: skip
LIST_FORMAT = Parameter("format", "The format of the answer", _choice_of("json", "csv"))
LIST_LIMIT = Parameter("limit", "At most this many entries", {"type": "integer", "minimum": 1})
OFFSET = Parameter("offset", "Leave out so many of the first entries", {"type": "integer", "minimum": 0})
_WORKLOAD_ORDERS = ("uid", "name", "status", "iteration", "created_at", "updated_at")
WORKLOAD_ORDER = Parameter(
    "order",
    "What to sort by; `-` before it: the greatest first",
    _choice_of(*_WORKLOAD_ORDERS, *(f"-{name}" for name in _WORKLOAD_ORDERS)),
)
RUN_ORDER = Parameter(
    "order", "What to sort by; `-` before it: the newest first", _choice_of("-created_time", "created_time")
)
ORDER = Parameter("order", "`time`: all points in order of time", _choice_of("name", "time"))
EVENT_FORMAT = Parameter(
    "format",
    "The format of the answer; `annotations`: as Grafana takes them",
    _choice_of("json", "csv", "annotations"),
)
EVENT_METRICS = Parameter(
    "metrics",
    "Metrics to look for spikes and NaN in, as `a,b` or `{a,b}`; by default the main metric is looked through"
    " for spikes, and every metric for NaN",
)
METRIC_NAMES = Parameter("metric_names", METRICS.description)
STEP_RANGE = Parameter(
    "step_range",
    "`min:max`, both inclusive; either may be left out",
    {"type": "string", "pattern": r"^-?\d*:-?\d*$"},
)
TAIL = Parameter(
    "tail",
    "How many of the last lines come first: a number, or `all`",
    {"type": "string", "pattern": r"^(\d+|all)$", "default": str(BACKLOG)},
)
AFTER = Parameter(
    "after", "Start after this line, counted from 1; overrides `tail`", {"type": "integer", "minimum": 0}
)
FOLLOW = Parameter(
    "follow", "`0` or `false`: close at the end of the log", _choice_of("1", "0", "false", "true")
)
PROGRESS = Parameter("progress", "`hide`: leave out progress bars", _choice_of("show", "hide"))
ANSI = Parameter("ansi", "`strip`: remove colours", _choice_of("keep", "strip"))
TOKEN = Parameter("token", "The token, for browsers, which cannot set headers on a WebSocket")
RUNS = Parameter("runs", "Uids as `a,b`, or one uid each time it is repeated")
PANEL_METRICS = Parameter("metrics", "Names as `a,b`, or one name each time it is repeated")
AXIS = Parameter(
    "x", "The x axis: steps, UTC milliseconds, or seconds since the run began", _choice_of(*AXES)
)
LOW = Parameter("lo", "The start of the range of x, inclusive", {"type": "number"})
HIGH = Parameter("hi", "The end of the range of x, inclusive", {"type": "number"})
BINS = Parameter(
    "bins", "Bins of the grid", {"type": "integer", "minimum": 1, "maximum": MAX_BINS, "default": 300}
)
SMOOTH = Parameter(
    "smooth",
    "The weight of an exponential moving average over all points, as in TensorBoard",
    {"type": "number", "minimum": 0, "maximum": 0.9999, "default": 0},
)
LIMIT = Parameter(
    "limit", "At most this many runs", {"type": "integer", "minimum": 1, "maximum": MAX_RUNS, "default": 500}
)
ONLY = Parameter("runs", "Only these runs: uids as `a,b`, or one uid each time it is repeated")
FIRST_LINE = Parameter(
    "from",
    "The number of the first line, from 1; without it the last lines come",
    {"type": "integer", "minimum": 1},
)
LINES = Parameter(
    "count",
    "At most this many lines",
    {"type": "integer", "minimum": 1, "maximum": MAX_LINES, "default": 200},
)
AT_STEP = Parameter("at_step", "The lines around the one that prints this step", _INT64)
AT_TIME = Parameter(
    "at_time", "The lines around what was printed at this time, UTC milliseconds", {"type": "number"}
)
TEXT = Parameter(
    "q", "The text to look for, in any case", {"type": "string", "minLength": 1, "maxLength": 500}
)
REGEX = Parameter(
    "regex",
    "`1`: `q` is a regular expression, in which only single characters are repeated",
    _choice_of("0", "1"),
)
SEARCH_FROM = Parameter(
    "from", "The number of the line to begin with, from 1", {"type": "integer", "minimum": 1, "default": 1}
)
HITS = Parameter(
    "limit",
    "At most this many lines",
    {"type": "integer", "minimum": 1, "maximum": MAX_LINES, "default": 500},
)
WORKLOAD = Parameter("workload", "Only the inputs of this workload")
SAMPLES = Parameter(
    "samples",
    "How many kinds of lines that look like metrics and were not read to show of each input; reads it again",
    {"type": "integer", "minimum": 0, "maximum": MAX_SAMPLES, "default": 0},
)
FILE = Parameter("file", "The name of the file")


def uid(request: web.Request) -> str:
    """The workload's uid in the path. Raises ApiError (400) if it is blank."""
    uid = request.match_info["uid"]
    if not uid.strip():
        raise invalid("workload_uid is required")
    return uid


def conditions(request: web.Request) -> list[tuple[str, str]]:
    """(name, value) of each `where`. Raises ApiError (400)."""
    pairs = []
    for text in filter(None, request.query.getall("where", [])):
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise invalid(f"where is {text!r}; it must be NAME=VALUE")
        pairs.append((name, value))
    return pairs


def selection(request: web.Request) -> Selection:
    """The points that a request to `metrics/data` or `iteration-times` selects. Raises ApiError (400)."""
    query = request.query
    start_ms, end_ms = times(request)
    return Selection(
        data_sources=chosen_by(request, "data_source"),
        metrics=chosen_by(request, "metrics"),
        start_ms=start_ms,
        end_ms=end_ms,
        attempt=_attempt(query.get("attempt")),
        input=query.get("input") or None,
        downsample=_lens_downsample(query.get("downsample")),
        since=_since(query.get("since")),
    )


def page(request: web.Request) -> slice:
    """The entries of a list that `offset` and `limit` choose. Raises ApiError (400)."""
    offset, limit = whole(request, OFFSET) or 0, whole(request, LIST_LIMIT)
    return slice(offset, None if limit is None else offset + limit)


def refuse_seconds(end_ms: int | None, last_ms: float) -> None:
    """Raise ApiError (400) if a range is given in seconds. last_ms: the time of the last point there is."""
    if end_ms is not None and _SECONDS <= end_ms < _MILLISECONDS <= last_ms:
        raise invalid(f"end is {end_ms}: seconds given where milliseconds are expected")


def names(values: list[str]) -> list[str]:
    """Names out of `a,b`, or of a parameter that is repeated, whose values may then hold commas."""
    texts = values if len(values) > 1 else [name.strip() for name in "".join(values).split(",")]
    return list(dict.fromkeys(text for text in texts if text))


def chosen(values: list[str]) -> frozenset[str] | None:
    """The names in the values of a parameter; None means all.

    One value is a list: `a,b`, or `{a,b}` as Grafana writes it. A parameter that is repeated holds one whole
    name in each value, so that names may contain commas.
    """
    if len(values) > 1:
        names = {text.strip() for text in values}
        return None if any(name.lower() in ALL for name in names) else frozenset(names - {""})
    text = values[0].strip() if values else ""
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    names = {name.strip() for name in text.split(",")}
    if names == {""} or all(name.lower() in ALL for name in names):
        return None
    return frozenset(names - {""})


def chosen_by(request: web.Request, name: str) -> frozenset[str] | None:
    """The names in a query parameter; None means all."""
    return chosen(request.query.getall(name, []))


def runs_downsample(request: web.Request) -> int | None:
    """`downsample` of the Runs API. Raises ApiError (422) with the body that Runicorn's server answers."""
    values = request.query.getall("downsample", [])
    if not values:
        return None
    text = values[-1]
    if not _INTEGER.match(text.strip()):
        raise _unprocessable(
            "int_parsing", "Input should be a valid integer, unable to parse string as an integer", text
        )
    number = int(text)
    if number < MIN_DOWNSAMPLE:
        message = f"Input should be greater than or equal to {MIN_DOWNSAMPLE}"
        raise _unprocessable("greater_than_equal", message, text, {"ge": MIN_DOWNSAMPLE})
    if number > MAX_DOWNSAMPLE:
        message = f"Input should be less than or equal to {MAX_DOWNSAMPLE}"
        raise _unprocessable("less_than_equal", message, text, {"le": MAX_DOWNSAMPLE})
    return number


def step_range(request: web.Request) -> tuple[int, int] | None:
    """The ends of `step_range=min:max`, both inclusive; an end that is left out is that of ALL_STEPS."""
    text = request.query.get("step_range")
    if not text:
        return None
    low, colon, high = text.partition(":")
    if not colon or not all(part == "" or _is_int64(part) for part in (low, high)):
        raise ApiError(400, "Invalid step_range format, use 'min:max'")
    return (int(low) if low else ALL_STEPS[0], int(high) if high else ALL_STEPS[1])


def _unprocessable(kind: str, message: str, text: str, context: dict[str, int] | None = None) -> ApiError:
    detail: dict[str, Any] = {"type": kind, "loc": ["query", "downsample"], "msg": message, "input": text}
    if context:
        detail["ctx"] = context
    return ApiError(422, f"downsample: {message}", detail=[detail])


def _is_int64(text: str) -> bool:
    return bool(_INTEGER.match(text)) and -(1 << 63) <= int(text) < 1 << 63


def times(request: web.Request) -> tuple[int | None, int | None]:
    """`start` and `end`, UTC ms, both or neither. Raises ApiError (400)."""
    start, end = request.query.get("start"), request.query.get("end")
    for name, text in (("start", start), ("end", end)):
        if text and not _is_int64(text):
            raise invalid(
                f"Invalid {name} time format: {name} is {text!r}, allowed are whole milliseconds (int64)"
            )
    if bool(start) != bool(end):
        missing, present = ("end", f"start={start}") if start else ("start", f"end={end}")
        raise invalid(f"start and end must be given together: {present} came without {missing}")
    if not start or not end:
        return None, None
    start_ms, end_ms = int(start), int(end)
    if start_ms > end_ms:
        raise invalid(f"start is {start_ms}, after end {end_ms}; allowed is start <= end")
    return start_ms, end_ms


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
    if not _INTEGER.match(text) or not MIN_DOWNSAMPLE <= int(text) <= MAX_DOWNSAMPLE:
        raise invalid(
            f"downsample is {text!r}; allowed are whole numbers from {MIN_DOWNSAMPLE} to {MAX_DOWNSAMPLE}"
        )
    return int(text)


def _since(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise invalid(f"since is {text!r}; allowed is the `next` of an earlier answer")
    return int(text)


def number(request: web.Request, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
    """A finite number from low to high; None if it is not given. Raises ApiError (400)."""
    text = request.query.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high or math.isinf(value):
        raise invalid(f"{name} is {text!r}; it must be a number from {low:g} to {high:g}")
    return value


def whole(request: web.Request, parameter: Parameter) -> int | None:
    """A whole number as the parameter describes it, else its default. Raises ApiError (400)."""
    schema, text = parameter.schema, request.query.get(parameter.name)
    if not text:
        default: int | None = schema.get("default")
        return default
    low, high = schema.get("minimum", ALL_STEPS[0]), schema.get("maximum", ALL_STEPS[1])
    if not _INTEGER.match(text) or not low <= int(text) <= high:
        raise invalid(f"{parameter.name} is {text!r}; allowed are whole numbers from {low} to {high}")
    return int(text)


def choice(request: web.Request, parameter: Parameter) -> str:
    """One of the values that the parameter allows, else its default. Raises ApiError (400)."""
    text = request.query.get(parameter.name) or str(parameter.schema["default"])
    if text not in parameter.schema["enum"]:
        raise invalid(f"{parameter.name} is {text!r}; allowed are {', '.join(parameter.schema['enum'])}")
    return text
