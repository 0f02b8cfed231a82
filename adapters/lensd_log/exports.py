"""Exports of log collectors, whose lines are not in the order of their times: mostly the newest comes first.

A file at rest whose first lines, out of their containers, go back in time is read in the order of the times.
Bounded: only a file of at most 16 MiB, all of which is read again for each batch. What is appended later is
read as it comes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import tzinfo
from itertools import pairwise

from lensd.adapter import Budget
from lensd.model import Batch, Input, LineMark
from lensd.tail import Line, LineChunk, read_lines, segments
from lensd_log.cursor import LogCursor
from lensd_log.line.containers import unwrap
from lensd_log.reader import LineReader

_LARGEST = 16 << 20
_HEAD = 64 << 10
_REST_MS = 60_000
_MARKED = 512  # lines from one line mark to the next


def is_export(input: Input, cursor: LogCursor, budget: Budget, zone: tzinfo | None) -> bool:
    """Is the input read in the order of times? Decided by the first read, which notes it in the cursor."""
    if cursor.position.segment or cursor.export:
        return bool(cursor.export) and not cursor.position.segment
    try:
        status = os.stat(input.path)
        is_at_rest = budget.final or budget.now_ms - status.st_mtime * 1000 > _REST_MS
        if status.st_size > _LARGEST or not is_at_rest:
            return False
        with segments(input.path) as parts:
            if len(parts) != 1 or parts[0].packed:
                return False
            head = parts[0].read(0, _HEAD)
    except (OSError, IndexError):
        return False  # the reader raises the same
    if head.lstrip()[:1] != b"{":
        return False
    times = [ms for line in head.split(b"\n")[:-1] if (ms := _time(line, zone)) is not None]
    if all(a <= b for a, b in pairwise(times)):
        return False
    cursor.export = {"size": status.st_size, "done": 0}
    return True


class ExportReader(LineReader):
    """Reads one batch of an export: the lines behind the `done` earliest ones."""

    def read(self) -> Batch:
        """Raises InputGone, InputDead, RetryAfter."""
        batch, cursor = self._batch, self._cursor
        size, done = cursor.export["size"], cursor.export["done"]
        chunk = self._whole(size)
        if not done:
            self._mark_all(chunk)
        self._placement.clock = self._clock(chunk.mtime_ms)
        for line in in_order(chunk.lines, self._recognition.zone)[done:]:
            if self._bytes and self._budget.spent(self._bytes, self._placement.series.points):
                break
            self._feed(line, self._placement)
            self._count_bytes(len(line.text) + 1)
            done += 1
        cursor.export["done"] = done
        if done == len(chunk.lines):
            cursor.position = chunk.position
        batch.time_inferred = self._placement.clock.inferred
        batch.lag_bytes = max(0, size - done * (size // max(1, len(chunk.lines))))
        batch.more = True  # the next read finds the end, or what was appended
        return self._finish()

    def _whole(self, size: int) -> LineChunk:
        with self._errors():
            return read_lines(self._input.path, None, max(1, size))

    def _mark_all(self, chunk: LineChunk) -> None:
        for line in chunk.lines[::_MARKED]:
            self._batch.marks.append(LineMark(line.number, chunk.position.segment, line.start))
            self._cursor.mark_line, self._cursor.mark_offset = line.number, line.start


def in_order(lines: Sequence[Line], zone: tzinfo | None) -> list[Line]:
    """The lines by time. One without a time stays behind the one that is printed before it."""
    times = [_time(line.text, zone) for line in lines]
    printed = [ms for ms in times if ms is not None]
    newest_first = sum(a > b for a, b in pairwise(printed)) * 2 > len(printed)
    rows = list(zip(times, lines, strict=True))
    if newest_first:
        rows.reverse()
    last, keyed = printed[0] if printed else 0.0, []
    for ms, line in rows:
        last = last if ms is None else ms
        keyed.append((last, line))
    keyed.sort(key=lambda pair: pair[0])
    return [line for _, line in keyed]


def _time(line: bytes, zone: tzinfo | None) -> float | None:
    unwrapped = unwrap(line, {}, zone)
    return None if unwrapped is None else unwrapped.ts_ms
