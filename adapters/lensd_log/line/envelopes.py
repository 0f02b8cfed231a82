"""Lines inside the JSON records of log collectors and JSON loggers.

    {"timestamp": 1741064760000, "message": "step 10 loss 2.9", "ingestionTime": 1741064761000}
    {"insertId": "x", "textPayload": "step 10 loss 2.9", "timestamp": "2025-03-04T05:06:00Z"}
    {"date": 1741064760.0, "log": "step 10 loss 2.9", "stream": "stdout"}
    {"MESSAGE": "step 10 loss 2.9", "__REALTIME_TIMESTAMP": "1741064760000000"}
    {"labels": {"pod": "x"}, "line": "step 10 loss 2.9", "timestamp": "2025-03-04T05:06:00Z"}
    {"asctime": "2025-03-04 05:06:00,123", "levelname": "INFO", "message": "step 10 loss 2.9"}

These are of CloudWatch, GKE, fluent-bit, journald, Loki's logcli and python-json-logger.
A record with numbers of training of its own (`{"message": "saved", "step": 10, "loss": 2.9}`) is no envelope.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import tzinfo

import msgspec

from lensd_log.line.timestamps import parse_iso

_LINE_KEYS = ("textPayload", "MESSAGE", "message", "log", "msg", "line", "event")
_TIME_KEYS = (
    "timestamp time @timestamp date ts asctime datetime created"
    " __REALTIME_TIMESTAMP _SOURCE_REALTIME_TIMESTAMP"
).split()
# A message with none of these beside it may be an example of a data set.
_LOGGED = {*_TIME_KEYS, *"level levelname severity stream PRIORITY log.level".split()}
_ANY_LINE_KEY = re.compile(rb'"(?:%s)"[ \t]{0,4}:' % "|".join(_LINE_KEYS).encode())
_OWN = re.compile(
    r"(?:^|[^a-z])(?:(?:global_)?steps?|epochs?|iter|iteration|lr|acc|ppl)(?![a-z])"
    r"|loss|acc(?:uracy|_)|reward|learning.?rate|perplexity|grad",
    re.IGNORECASE,
)
_UNITS = ((1e-6, 1e17), (1e-3, 1e14), (1.0, 1e11), (1000.0, 1e8))  # ms in a tick; ticks since 1970 are more
_decoder = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Envelope:
    """The line in a record. ts_ms: UTC ms of the record; None where it prints no time that can be read."""

    text: bytes
    ts_ms: float | None
    rank: int | None


def open_envelope(line: bytes, zone: tzinfo | None) -> Envelope | None:
    """The one string of a JSON record that is a line of a log. None for any other line."""
    if not _ANY_LINE_KEY.search(line):
        return None
    body = line.strip().removesuffix(b",")  # of an array with a record a line
    if not (body.startswith(b"{") and body.endswith(b"}")):
        return None
    try:
        row = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(row, dict) or _LOGGED.isdisjoint(row) or _has_numbers(row):
        return None
    inner = row.get("jsonPayload")  # GKE, where the program prints JSON
    if isinstance(inner, dict):
        if _has_numbers(inner):
            return None
        row = {**row, **inner}
    for key in _LINE_KEYS:
        text = _text(row.get(key))
        if text is not None:
            return Envelope(text, _time(row, zone), _rank(row))
    return None


def _text(value: object) -> bytes | None:
    """journald exports what is not plain text as a list of bytes."""
    if isinstance(value, str):
        return value.rstrip("\r\n").encode("utf-8", "replace")
    if isinstance(value, list) and value and all(type(byte) is int and 0 <= byte < 256 for byte in value):
        return bytes(value).rstrip(b"\r\n")
    return None


def _has_numbers(row: dict[str, object], depth: int = 2) -> bool:
    """Are there numbers of training under the record's own names?"""
    for name, value in row.items():
        if isinstance(value, dict) and depth and _has_numbers(value, depth - 1):
            return True
        if isinstance(value, int | float) and not isinstance(value, bool) and _OWN.search(name):
            return True
    return False


def _time(row: dict[str, object], zone: tzinfo | None) -> float | None:
    for key in _TIME_KEYS:
        value = row.get(key)
        if isinstance(value, str):
            ms = _ticks_ms(float(value)) if value.isdecimal() and len(value) < 30 else parse_iso(value, zone)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            ms = _ticks_ms(value)
        else:
            continue
        if ms is not None:
            return ms
    return None


def _ticks_ms(ticks: float) -> float | None:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size."""
    if not math.isfinite(ticks) or ticks > 1e20:
        return None
    return next((round(ticks * scale, 3) for scale, least in _UNITS if ticks > least), None)


def _rank(row: dict[str, object]) -> int | None:
    rank = row.get("rank")
    return rank if type(rank) is int and 0 <= rank < 10**6 else None
