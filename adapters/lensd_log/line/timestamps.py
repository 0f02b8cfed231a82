"""Timestamps at the beginning of a line, as logging libraries print them.

Only reads what is printed. The year or day of a partial timestamp is decided in `clock`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple

_DAY_MS = 86_400_000
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_TIME = r"(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"

# No word or number may follow directly, but a bracket may.
_END = r"(?:\]|(?=[\s|:,>\[-]|\Z))"

# `2025-04-13 23:41:20`, `20251121 12:10:29`, `2023/01/02 03:07:48`, `2024-01-01T00:00:00.123456Z`
_FULL = re.compile(
    rf"\[?(\d{{4}})([-/.]?)(\d\d)\2(\d\d)[T_ ,]\s?{_TIME}(?:\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)(?!\w))?{_END}"
)
# `07/18/2023 18:02:26` and, without a year, `11/18 18:14:12` (detectron2, mmengine), `11/18 06:14:12 PM`
# (DARTS)
_SLASH = re.compile(rf"\[?(\d\d)/(\d\d)(?:/(\d{{4}}))? {_TIME}(?: ([AP]M))?{_END}")
# glog and absl: `I0706 16:50:26.230209`
_GLOG = re.compile(rf"[IWEF](\d\d)(\d\d) {_TIME}{_END}")
# syslog: `Jul  6 16:50:26`
_SYSLOG = re.compile(rf"({'|'.join(_MONTHS)}) ([ \d]\d) {_TIME}{_END}")
# mpirun and `date`: `Tue Mar  4 05:06:00 2025`
_CTIME = re.compile(rf"\[?[A-Z][a-z]{{2}} ({'|'.join(_MONTHS)}) ([ \d]\d) {_TIME} (\d{{4}}){_END}")
# `20:42:03 |` (Runicorn), `[16:50:26]` (XGBoost)
_CLOCK = re.compile(rf"\[?{_TIME}{_END}")
# `1704067200.123`
_EPOCH = re.compile(r"\[?(1\d{9})(?:\.(\d{1,9}))?(?=\]?[\s|:])\]?")


class Timestamp(NamedTuple):
    """A printed time: milliseconds of the day, with as much of the date as is printed.

    `ms` is UTC milliseconds, if all but the zone is printed; a missing zone is the configured one.
    """

    day_ms: float = 0.0
    month: int = 0
    day: int = 0
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class FullTimestamp:
    """A timestamp with its whole date, at its place in a text.

    parts: year, month, day, hour, minute, second, and the digits of the fraction if there is one. spans:
    their ranges in the text. solid: the date is printed without separators. offset_ms: of the printed zone,
    east of UTC; None without one. end: where the timestamp ends.
    """

    parts: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    solid: bool
    offset_ms: float | None
    end: int

    def stamp(self, zone: tzinfo | None) -> Timestamp:
        """`zone` is used where none is printed; None means UTC."""
        y, mo, d, h, mi, s, *f = self.parts
        return _stamp(y, mo, d, _of_day(h, mi, s, f[0] if f else None), self.offset_ms, zone)


def full_timestamp(text: str, at: int) -> FullTimestamp | None:
    """The timestamp with year, month, day and time that begins at `at`."""
    match = _FULL.match(text, at)
    if match is None:
        return None
    groups = [1, 3, 4, 5, 6, 7, 8] if match[8] else [1, 3, 4, 5, 6, 7]
    return FullTimestamp(
        tuple(match[group] for group in groups),
        tuple(match.span(group) for group in groups),
        not match[2],
        _offset(match[9]),
        match.end(),
    )


def timestamp_at(text: str, at: int, zone: tzinfo | None) -> tuple[Timestamp, int] | None:
    """The timestamp that begins at `at`, and where it ends. `zone` None means UTC."""
    first = text[at : at + 1]
    if first == "[":
        first = text[at + 1 : at + 2]
    if first.isdigit():
        match = _FULL.match(text, at)
        if match:
            y, _, mo, d, h, mi, s, f, offset = match.groups()
            return _stamp(y, mo, d, _of_day(h, mi, s, f), _offset(offset), zone), match.end()
        match = _SLASH.match(text, at)
        if match:
            mo, d, y, h, mi, s, f, half = match.groups()
            if half:
                h = str(int(h) % 12 + (12 if half == "PM" else 0))
            if y:
                day_ms = _of_day(h, mi, s, f)
                return Timestamp(
                    day_ms, int(mo), int(d), utc_ms(int(y), int(mo), int(d), day_ms, zone)
                ), match.end()
            return Timestamp(_of_day(h, mi, s, f), int(mo), int(d)), match.end()
        match = _CLOCK.match(text, at)
        if match:
            return Timestamp(_of_day(*match.groups())), match.end()
        match = _EPOCH.match(text, at)
        if match:
            return Timestamp(ms=int(match[1]) * 1000.0 + _fraction(match[2])), match.end()
    elif first in "IWEF":
        match = _GLOG.match(text, at)
        if match:
            mo, d, h, mi, s, f = match.groups()
            return Timestamp(_of_day(h, mi, s, f), int(mo), int(d)), match.end()
    if first.isupper():
        match = _CTIME.match(text, at)
        if match:
            mon, d, h, mi, s, f, y = match.groups()
            day_ms, month = _of_day(h, mi, s, f), _MONTHS.index(mon) + 1
            return Timestamp(day_ms, month, int(d), utc_ms(int(y), month, int(d), day_ms, zone)), match.end()
        match = _SYSLOG.match(text, at)
        if match:
            mon, d, h, mi, s, f = match.groups()
            return Timestamp(_of_day(h, mi, s, f), _MONTHS.index(mon) + 1, int(d)), match.end()
    return None


def _stamp(y: str, mo: str, d: str, day_ms: float, offset_ms: float | None, zone: tzinfo | None) -> Timestamp:
    ms = utc_ms(int(y), int(mo), int(d), day_ms, zone if offset_ms is None else None)
    return Timestamp(day_ms, int(mo), int(d), None if ms is None else ms - (offset_ms or 0.0))


def utc_ms(year: int, month: int, day: int, day_ms: float, zone: tzinfo | None) -> float | None:
    """UTC milliseconds of a local time; None for a date that does not exist."""
    try:
        start = _day_start(year, month, day)
    except ValueError:
        return None
    if zone is None:
        return start + day_ms
    return start + day_ms - _offset_ms(zone, year, month, day, int(day_ms // 3_600_000) % 24)


def parse_iso(text: str, zone: tzinfo | None) -> float | None:
    """A whole string as a time: ISO 8601 and its relatives, or epoch seconds."""
    timestamp = timestamp_at(text, 0, zone)
    return timestamp[0].ms if timestamp and timestamp[1] == len(text) else None


def _offset(zone: str | None) -> float | None:
    """Milliseconds east of UTC that a printed zone stands for."""
    if zone is None or zone[0] not in "+-":
        return None if zone is None else 0.0
    digits = zone[1:].replace(":", "")
    away = (int(digits[:2]) * 60 + int(digits[2:])) * 60_000.0
    return -away if zone[0] == "-" else away


def _of_day(h: str, mi: str, s: str, f: str | None) -> float:
    return (int(h) * 3600 + int(mi) * 60 + int(s)) * 1000.0 + _fraction(f)


def _fraction(digits: str | None) -> float:
    return round(int(digits) / 10 ** len(digits) * 1000, 3) if digits else 0.0


@lru_cache(maxsize=1024)
def _day_start(year: int, month: int, day: int) -> float:
    return float((date(year, month, day).toordinal() - 719_163) * _DAY_MS)


@lru_cache(maxsize=4096)
def _offset_ms(zone: tzinfo, year: int, month: int, day: int, hour: int) -> float:
    offset = datetime(year, month, day, hour, tzinfo=zone).utcoffset()
    return offset.total_seconds() * 1000 if offset else 0.0
