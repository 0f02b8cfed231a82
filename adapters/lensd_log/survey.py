"""A look over a whole input before its first point, for times that are not printed in full.

Bounded: the last 64 KiB for the last record, at most 32 MiB for clocks that pass midnight.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from lensd.tail import Position, read_lines, tail_position
from lensd_log.clock import Survey
from lensd_log.line.record import Record

_LIMIT = 32 << 20
_TAIL_LINES = 200
_CLOCK = re.compile(rb"\[?(\d\d):(\d\d):(\d\d)")


def last_record(path: str, parse: Callable[[list[bytes]], Iterable[Record]]) -> Survey:
    """What the last records say. `parse` gives the records of lines. Raises OSError."""
    result = Survey()
    lines = read_lines(path, tail_position(path, _TAIL_LINES), 1 << 18).lines
    for record in parse([line.text for line in lines]):
        if record.step is not None:
            result.last_step = record.step
        if record.step_ms is not None:
            result.step_ms = record.step_ms
        if record.elapsed_s is not None:
            result.elapsed_s = record.elapsed_s
    return result


def midnights(path: str) -> Survey:
    """How often the clock at the beginning of the lines passes midnight. Raises OSError."""
    result = Survey()
    position, seen, before = Position(), 0, -1
    while seen < _LIMIT:
        chunk = read_lines(path, position, 1 << 20)
        for line in chunk.lines:
            found = _CLOCK.match(line.text)
            if found is None:
                continue
            second = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
            if before >= 0 and second < before - 43_200:
                result.midnights += 1
            before = second
        seen += chunk.read_bytes + chunk.skipped_bytes
        position = chunk.position
        if not chunk.more:
            break
    result.last_day_ms = max(before, 0) * 1000.0
    return result
