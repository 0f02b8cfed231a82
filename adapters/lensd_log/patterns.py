"""The user's own patterns, asked before all log formats.

A pattern is a regular expression with named groups, or a map of the fields of logfmt or JSON lines. `step`,
`total`, `epoch`, `epochs`, `batch`, `rank` and `time` place a point; every other group or field is a metric.
A regex with a step is as fast as a built-in log format: templates are learnt from both. Records without a
step get theirs as those of the structural reader do (`structure.steps`).
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import msgspec

from lensd_log.formats.json_text import decode
from lensd_log.line.numbers import json_number, json_step, measure, number
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State
from lensd_log.line.timestamps import parse_iso
from lensd_log.structure.naming import scaled
from lensd_log.structure.sketch import FRACTION
from lensd_log.structure.words import EPOCH, GLOBAL

_LONGEST = 2000  # characters of a line that a pattern is tried on
_SLOW_S = 0.005
_LOGFMT = re.compile(r'(?<!\S)([^\s="]{1,200})=(?:"((?:[^"\\]|\\.){0,1000})"|(\S{0,200}))')


class Pattern(msgspec.Struct, forbid_unknown_fields=True):
    """One `[[pattern]]` block.

    regex: searched for in a line that is stripped of its prefixes and containers. format: read fields
    instead. step, total, epoch, epochs, batch, rank, time: the groups or fields that hold these. A step
    counts through the run, a batch within its epoch; total is what either of them is out of. metrics: group
    or field to metric name; without it, every other one that holds a number is a metric of its name.
    """

    name: str = ""
    regex: str | None = None
    format: Literal["logfmt", "json"] | None = None
    step: str = "step"
    total: str = "total"
    epoch: str = "epoch"
    epochs: str = "epochs"
    batch: str = "batch"
    rank: str = "rank"
    time: str = "time"
    metrics: dict[str, str] = msgspec.field(default_factory=dict)

    def places(self) -> set[str]:
        """The groups or fields that place a record."""
        return {self.step, self.total, self.epoch, self.epochs, self.batch, self.rank, self.time}


#: The fields of a line, or None where it does not match.
_Fields = Callable[[str], Mapping[str, object] | None]


def log_formats(blocks: object) -> tuple[LogFormat, ...]:
    """The log formats of `[[pattern]]` blocks. Raises ValueError, a sentence that names the pattern."""
    try:
        patterns = msgspec.convert(blocks, list[Pattern])
    except msgspec.ValidationError as error:
        unknown = re.search(r"unknown field `(\w+)`", str(error))
        if unknown is None:
            raise ValueError(f"pattern: {error}") from None
        near = difflib.get_close_matches(unknown[1], Pattern.__struct_fields__, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"its keys: {', '.join(Pattern.__struct_fields__)}"
        raise ValueError(f"pattern: unknown key {unknown[1]!r}; {hint}") from None
    return tuple(_log_format(pattern, number) for number, pattern in enumerate(patterns, 1))


def _log_format(pattern: Pattern, number: int) -> LogFormat:
    name = pattern.name or f"pattern-{number}"
    if (pattern.regex is None) == (pattern.format is None):
        raise ValueError(f"pattern {name}: give either a regex or a format (logfmt, json)")
    fields: _Fields = _json if pattern.format == "json" else _logfmt
    columns, is_header = None, False
    if pattern.regex is not None:
        fields, named = _groups(name, pattern)
        is_header = not named - pattern.places()
        plain = pattern.step in named and pattern.rank not in named and not is_header
        columns = EVERY_LINE if plain else None

    def parse(entry: Entry, state: State) -> Parsed:
        if not entry.complete or len(entry.text) > _LONGEST:
            return None
        records: dict[object, Record] = {}
        for text in entry.states if len(entry.states) > 1 else (entry.text,):
            printed = fields(text)
            record = _record(pattern, printed, state) if printed else None
            if record is not None and (record.values or (is_header and record.counters)):
                records[(record.step, record.rank, repr(record.counters))] = record
        return tuple(records.values()) or None

    return LogFormat(name, parse, columns=columns)


def _groups(name: str, pattern: Pattern) -> tuple[_Fields, set[str]]:
    """What finds the groups of a regex, and their names."""
    try:
        regex = re.compile(pattern.regex or "")
    except (re.error, OverflowError) as error:
        raise ValueError(f"pattern {name}: {error} in {pattern.regex!r}") from None
    named = set(regex.groupindex)
    if not named - {pattern.total, pattern.epochs, pattern.time}:
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

    return fields, named


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
            # Twice, for the clock may be coarse.
            if _search_s(regex, text) > _SLOW_S and _search_s(regex, text) > _SLOW_S:
                return True
    return False


def _search_s(regex: re.Pattern[str], text: str) -> float:
    begun = time.thread_time()  # of the processor: the machine may be busy
    regex.search(text)
    return time.thread_time() - begun


def _record(pattern: Pattern, fields: Mapping[str, object], scales: State) -> Record:
    """scales: the unit of each series, which its first value set."""
    special = pattern.places()
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
            number, unit = scaled(scales, name, quantity.value, quantity.unit)
            values.append((name, number))
            if unit:
                units[name] = unit
        elif (value := json_number(printed)) is not None:
            values.append((name, value))
    step, total = _step(fields.get(pattern.step)), _step(fields.get(pattern.total))
    counters = None
    if step is None or not values:
        numbers = (
            (GLOBAL, step, total),
            (EPOCH, _step(fields.get(pattern.epoch)), _step(fields.get(pattern.epochs))),
        )
        batch = (FRACTION, _step(fields.get(pattern.batch)), total)
        counters = [(kind, value, of) for kind, value, of in (*numbers, batch) if value is not None]
    ts_ms, printed_time = _time(fields.get(pattern.time))
    return Record(
        values,
        step,
        ts_ms=ts_ms,
        printed_time=printed_time,
        target=total,
        units=units,
        counters=counters,
        rank=_step(fields.get(pattern.rank)),
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
