"""Where to begin reading: the last lines of a stream, or a line by its number.

Bounded memory whatever the size: plain pieces are scanned backwards in blocks, packed ones are counted once
forward and then read to the place.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import replace

from lensd.model import LineMark
from lensd.tail.reading import Position
from lensd.tail.segments import TRACE, Segment, digest, segments

_BLOCK = 1 << 16


def tail_position(path: str, lines: int, marks: Sequence[LineMark] = ()) -> Position:
    """The place where the last `lines` complete lines of the stream begin, or its beginning if it has fewer.

    The position's `line` is absolute where a mark lies before it, or where the beginning was reached; else
    it is relative: minus the number of lines that follow, so that the first line to come has number 0.
    Raises FileNotFoundError when the stream has no piece.
    """
    parts = segments(path)
    missing = max(0, lines)
    for index in range(len(parts) - 1, -1, -1):
        last = index == len(parts) - 1
        offset, missing = _back(parts[index], missing, whole=not last)
        if missing == 0 or index == 0:
            break
    found = _position(parts, index, offset, 0)
    absolute = _absolute(parts, index, offset, marks)
    if absolute is None:
        absolute = 0 if index == 0 and offset == 0 else missing - max(0, lines)
    return replace(found, line=absolute)


def position_of_line(path: str, line: int, marks: Sequence[LineMark]) -> Position | None:
    """The place where line number `line` begins, reached from the nearest mark before it (without marks:
    from the beginning, which counts as line 0). None when the stream has not got that line yet, or has it
    no longer.

    Raises FileNotFoundError when the stream has no piece.
    """
    parts = segments(path)
    before = [mark for mark in marks if mark.line <= line]
    index, offset, number = 0, 0, 0
    for mark in sorted(before, key=lambda m: m.line, reverse=True):
        held = _piece_of(parts, mark)
        if held is not None:
            index, offset, number = held, mark.offset, mark.line
            break
    else:
        if marks:
            return None
    while True:
        offset, number = _forward(parts[index], offset, number, line)
        if number == line:
            return _position(parts, index, offset, number)
        later = index + 1
        while later < len(parts) and not parts[later].stored_size:
            later += 1
        if later >= len(parts):
            return None
        number += parts[index].read(offset, 1) != b""  # half a line that nobody will complete
        index, offset = later, 0


def _position(parts: list[Segment], index: int, offset: int, line: int) -> Position:
    segment = parts[index]
    if offset % 2 and segment.read(0, 2) == codecs.BOM_UTF16_LE:
        offset += 1  # the newline is two bytes, of which the first was found
    start = max(0, offset - TRACE)
    after = next((p.fingerprint() for p in reversed(parts[:index]) if p.stored_size), "")
    return Position(
        segment=segment.fingerprint(),
        offset=offset,
        line=line,
        trace=digest(segment.read(start, offset - start)),
        after=after,
        identity=segment.identity,
    )


def _piece_of(parts: list[Segment], mark: LineMark) -> int | None:
    """The newest piece with the mark's fingerprint in which its offset is the beginning of a line."""
    for index in range(len(parts) - 1, -1, -1):
        segment = parts[index]
        if segment.has(mark.segment) and (
            mark.offset == 0 or segment.read(mark.offset - 1, 1) in (b"\n", b"\0")
        ):
            return index
    return None


def _absolute(parts: list[Segment], index: int, offset: int, marks: Sequence[LineMark]) -> int | None:
    for mark in sorted(marks, key=lambda m: m.line, reverse=True):
        held = _piece_of(parts, mark)
        if held is None or (held, mark.offset) > (index, offset):
            continue
        number, at = mark.line, mark.offset
        while held < index:
            number += _count(parts[held], at, None, whole=True)
            held, at = held + 1, 0
        return number + _count(parts[held], at, offset, whole=False)
    return None


def _count(segment: Segment, start: int, stop: int | None, whole: bool) -> int:
    """Lines between two bytes of a piece; `whole` counts a half line at the end as one."""
    count, last = 0, b"\n"
    while stop is None or start < stop:
        data = segment.read(start, _BLOCK if stop is None else min(_BLOCK, stop - start))
        if not data:
            break
        count += data.count(b"\n")
        start += len(data)
        last = data[-1:]
    return count + (whole and last != b"\n")


def _forward(segment: Segment, offset: int, number: int, line: int) -> tuple[int, int]:
    """The offset of line `line`, or of the last line begun, when `number` is the one that begins at
    `offset`."""
    at = offset
    while number < line and (data := segment.read(at, _BLOCK)):
        here = data.count(b"\n")
        if number + here < line:
            if here:
                offset = at + data.rfind(b"\n") + 1
            number += here
            at += len(data)
            continue
        place = -1
        while number < line:
            place = data.find(b"\n", place + 1)
            number += 1
        offset = at + place + 1
    return offset, number


def _back(segment: Segment, missing: int, whole: bool) -> tuple[int, int]:
    """Where the last `missing` lines of a piece begin, and how many it lacks. `whole`: a half line at its end
    counts as one, for no newline will come."""
    if segment.packed:
        total = _count(segment, 0, None, whole)
        if total <= missing:
            return 0, missing - total
        return _forward(segment, 0, 0, total - missing)[0], 0
    at = segment.stored_size
    if whole and at and missing and segment.read(at - 1, 1) != b"\n":
        missing -= 1
        if not missing:
            return _line_start(segment, at), 0
    need = missing + 1  # the newline that ends the line before the first wanted one
    while at > 0:
        start = max(0, at - _BLOCK)
        data = segment.read(start, at - start)
        here = data.count(b"\n")
        if here >= need:
            place = len(data)
            for _ in range(need):
                place = data.rfind(b"\n", 0, place)
            return start + place + 1, 0
        need -= here
        at = start
    return 0, need - 1


def _line_start(segment: Segment, end: int) -> int:
    while end > 0:
        start = max(0, end - _BLOCK)
        place = segment.read(start, end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0
