"""Looks ahead in an input before its first point, for times that are not printed in full.

Bounded: the last 256 KiB for the last record, the first 32 MiB for clocks that pass midnight.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from lensd.tail import Position, read_lines, tail_position
from lensd_log.clock import LastRecord, Midnights
from lensd_log.line.record import Record

_MIDNIGHTS_BYTES = 32 << 20
_TAIL_LINES = 100
_LINES_AT_ONCE = 25  # of these, from the end; the few last ones are mostly enough
_TAIL_BYTES = 1 << 18
_CLOCK = re.compile(rb"\[?(\d\d):(\d\d):(\d\d)")


def last_record(
    path: str, parse: Callable[[list[bytes]], Iterable[Record]], wanted: Iterable[str]
) -> LastRecord:
    """What the last records print of steps and times. `parse` gives the records of lines. wanted: the fields
    that are asked for. Raises OSError."""
    lines = [line.text for line in read_lines(path, tail_position(path, _TAIL_LINES), _TAIL_BYTES).lines]
    result = LastRecord()
    for end in range(len(lines), 0, -_LINES_AT_ONCE):
        above = _last_of(parse(lines[max(0, end - _LINES_AT_ONCE) : end]))
        for name in ("step", "step_ms", "elapsed_s"):
            if getattr(result, name) is None:
                setattr(result, name, getattr(above, name))
        if all(getattr(result, name) is not None for name in wanted):
            break
    return result


def _last_of(records: Iterable[Record]) -> LastRecord:
    result = LastRecord()
    for record in records:
        if record.step is not None:
            result.step = record.step
        if record.step_ms is not None:
            result.step_ms = record.step_ms
        if record.elapsed_s is not None:
            result.elapsed_s = record.elapsed_s
    return result


def midnights(path: str) -> Midnights:
    """How often the clock at the beginning of the lines passes midnight. Raises OSError."""
    result = Midnights()
    position, read_bytes, last_s = Position(), 0, -1
    while read_bytes < _MIDNIGHTS_BYTES:
        chunk = read_lines(path, position, 1 << 20)
        for line in chunk.lines:
            clock = _CLOCK.match(line.text)
            if clock is None:
                continue
            day_s = int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3])
            if last_s >= 0 and day_s < last_s - 43_200:
                result.count += 1
            last_s = day_s
        read_bytes += chunk.read_bytes + chunk.skipped_bytes
        position = chunk.position
        if not chunk.more:
            break
    result.last_day_ms = max(last_s, 0) * 1000.0
    return result
