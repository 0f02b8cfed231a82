"""The user's own patterns, asked before all log formats.

A pattern is a regular expression with named groups, or a map of the fields of logfmt or JSON lines. `step`,
`total`, `epoch` and `time` place a point; every other group or field is a metric. Templates are learnt from
regular expressions as they are from the built-in log formats, so these are as fast.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from lensd_log.formats.json_text import decode
from lensd_log.line.numbers import json_number, json_step, measure, number
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State
from lensd_log.line.timestamps import parse_iso

_LONGEST = 2000  # characters of a line that a pattern is tried on
_SLOW_S = 0.005
_LOGFMT = re.compile(r'(?<!\S)([^\s="]{1,200})=(?:"((?:[^"\\]|\\.){0,1000})"|(\S{0,200}))')


class Pattern(msgspec.Struct, forbid_unknown_fields=True):
    """One `[[pattern]]` block.

    regex: searched for in a line that is stripped of its prefixes and containers. format: read fields
    instead. step, total, epoch, time: the groups or fields that hold these. metrics: group or field to
    metric name; without it, every other group or field that holds a number is a metric of its name.
    """

    name: str = ""
    regex: str | None = None
    format: Literal["logfmt", "json"] | None = None
    step: str = "step"
    total: str = "total"
    epoch: str = "epoch"
    time: str = "time"
    metrics: dict[str, str] = msgspec.field(default_factory=dict)


#: The fields of a line, or None where it does not match.
_Fields = Callable[[str], Mapping[str, object] | None]


def log_formats(blocks: object) -> tuple[LogFormat, ...]:
    """The log formats of `[[pattern]]` blocks. Raises ValueError, a sentence that names the pattern."""
    try:
        patterns = msgspec.convert(blocks, list[Pattern])
    except msgspec.ValidationError as error:
        raise ValueError(f"pattern: {error}") from None
    return tuple(_log_format(pattern, number) for number, pattern in enumerate(patterns, 1))


def _log_format(pattern: Pattern, number: int) -> LogFormat:
    name = pattern.name or f"pattern-{number}"
    if (pattern.regex is None) == (pattern.format is None):
        raise ValueError(f"pattern {name}: give either a regex or a format (logfmt, json)")
    fields: _Fields = _json if pattern.format == "json" else _logfmt
    if pattern.regex is not None:
        fields = _groups(name, pattern)

    def parse(entry: Entry, state: State) -> Parsed:
        if not entry.complete or len(entry.text) > _LONGEST:
            return None
        printed = fields(entry.text)
        record = _record(pattern, printed) if printed else None
        return None if record is None else (record,)

    columns = EVERY_LINE if pattern.regex is not None else None
    return LogFormat(name, parse, columns=columns)


def _groups(name: str, pattern: Pattern) -> _Fields:
    try:
        regex = re.compile(pattern.regex or "")
    except (re.error, OverflowError) as error:
        raise ValueError(f"pattern {name}: {error} in {pattern.regex!r}") from None
    named = set(regex.groupindex)
    special = {pattern.step, pattern.total, pattern.epoch, pattern.time}
    if not named - special:
        raise ValueError(f"pattern {name}: name at least one metric, as in 'loss (?P<loss>\\S+)'")
    unknown = set(pattern.metrics) - named
    if unknown:
        raise ValueError(f"pattern {name}: the regex has no group {min(unknown)!r}")
    if _is_slow(regex):
        raise ValueError(
            f"pattern {name}: {pattern.regex!r} can take forever on some lines; no part of it should match"
            " the same text in two ways, as (a+)+ does"
        )

    def fields(text: str) -> Mapping[str, object] | None:
        match = regex.search(text)
        return None if match is None else {k: v for k, v in match.groupdict().items() if v is not None}

    return fields


def _is_slow(regex: re.Pattern[str]) -> bool:
    """Does a short hostile line take long already?"""
    literal = "".join(dict.fromkeys(re.sub(r"\(\?P<\w+>|\\.", "", regex.pattern)))[:24]
    for unit in ("a", "1", " ", "=", ".", "1.", "a ", "1 ", "a=1 ", "a:1,", literal or "a"):
        for length in (
            12,
            18,
            24,
            60,
            250,
        ):  # in steps so small that an exponential pattern is noticed before it takes forever
            text = (unit * length)[:length] + "\x00"
            # Twice, for the machine may have been busy.
            if _search_s(regex, text) > _SLOW_S and _search_s(regex, text) > _SLOW_S:
                return True
    return False


def _search_s(regex: re.Pattern[str], text: str) -> float:
    begun = time.perf_counter()
    regex.search(text)
    return time.perf_counter() - begun


def _record(pattern: Pattern, fields: Mapping[str, object]) -> Record | None:
    special = {pattern.step, pattern.total, pattern.epoch, pattern.time}
    values: list[tuple[str, float]] = []
    units: dict[str, str] = {}
    for field, printed in fields.items():
        if field in special or (pattern.metrics and field not in pattern.metrics):
            continue
        name = pattern.metrics.get(field, field)
        if isinstance(printed, str):
            quantity = measure(printed.strip(" ,;|"))
            if quantity is None:
                continue
            values.append((name, quantity.value))
            if quantity.unit:
                units[name] = quantity.unit
        elif (value := json_number(printed)) is not None:
            values.append((name, value))
    if not values:
        return None
    step, epoch = _step(fields.get(pattern.step)), _step(fields.get(pattern.epoch))
    ts_ms, printed_time = _time(fields.get(pattern.time))
    return Record(
        values,
        epoch if step is None else step,
        ts_ms=ts_ms,
        printed_time=printed_time,
        target=_step(fields.get(pattern.total)),
        units=units,
    )


def _step(printed: object) -> int | None:
    return json_step(printed.replace(",", "") if isinstance(printed, str) else printed)


def _time(printed: object) -> tuple[float | None, str | None]:
    """UTC ms of a number since the epoch, or a date and time as it is printed."""
    if isinstance(printed, str) and parse_iso(printed, None) is not None:
        return None, printed
    value = number(printed) if isinstance(printed, str) else json_number(printed)
    for scale, low in ((1e-6, 1e17), (1e-3, 1e14), (1.0, 1e11), (1000.0, 1e8)):
        if value is not None and value > low:
            return round(value * scale, 3), None
    return None, None


def _logfmt(text: str) -> Mapping[str, object] | None:
    return {m[1]: m[3] if m[2] is None else m[2] for m in _LOGFMT.finditer(text)} or None


def _json(text: str) -> Mapping[str, object] | None:
    row = decode(text)
    return dict(_flat(row, "")) if isinstance(row, dict) else None


def _flat(row: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    """Nested fields as `outer.inner`."""
    for name, value in row.items():
        if isinstance(value, dict):
            if prefix.count(".") < 8:
                yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def propose(lines: Sequence[str]) -> str | None:
    """A regular expression for lines like the first of these. None where it has no named number."""
    sample = lines[0][:_LONGEST]
    segments, at, names = [], 0, set[str]()
    for match in _NAMED_NUMBER.finditer(sample):
        name = re.sub(r"\W+", "_", match["name"].strip()).strip("_").lower() or "value"
        last = name.rpartition("_")[2]
        if last in _STEPS:
            name = "step"
        elif last in ("ep", "epoch"):
            name = "epoch"
        elif name[0].isdigit() or name in ("time", "total"):
            name = f"the_{name}"
        if name in names:
            continue
        names.add(name)
        begin, end = match.span("number")
        digits = r"\d+" if name in ("step", "epoch") else r"[^\s,;|]+"
        segments += [_loose(sample[at:begin]), f"(?P<{name}>{digits})"]
        at = end
    if not names - {"step", "epoch"}:
        return None
    return "".join(segments)


_STEPS = ("step", "iter", "iteration", "global_step", "it", "batch", "update")
_NAMED_NUMBER = re.compile(
    r"(?P<name>[A-Za-z_][\w./-]{0,60}(?: [A-Za-z_][\w./-]{0,30})?)(?:\s?[:=]\s{0,4}|\s)"
    r"(?P<number>[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf))(?![\w.]*[A-Za-z_]\w*[:=])"
)


def _loose(text: str) -> str:
    """Literal text as a pattern, in which other numbers and the width of gaps may vary."""
    escaped = re.escape(text[-60:])
    return re.sub(r"(?:\\ )+", r"\\s+", re.sub(r"\d+(?:\\\.\d+)?", lambda _: r"[\d.]+", escaped))
