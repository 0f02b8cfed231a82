"""Where to begin reading: the last lines of a stream, or a line by its number.

Memory is bounded whatever the size: plain segments are scanned backwards in blocks, gzipped ones are counted
forward once and then read up to the place.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from lensd.model import LineMark
from lensd.tail.reading import Position
from lensd.tail.segments import START, TRACE, Segment, digest, with_stream

_BLOCK = 1 << 16


def tail_position(path: str, lines: int, marks: Sequence[LineMark] = ()) -> Position:
    """The place where the last `lines` complete lines begin, or the beginning of the stream if it has fewer.

    The position's `line` is absolute where a mark lies before it, or where it is the beginning. Otherwise it
    is minus the number of lines that follow, so that the next line to be written has number 0. Raises
    FileNotFoundError when the stream has no segment.
    """
    return with_stream(path, lambda stream: _tail_position(stream.parts, lines, marks))


def _tail_position(parts: list[Segment], lines: int, marks: Sequence[LineMark]) -> Position:
    missing = max(0, lines)
    for index in range(len(parts) - 1, -1, -1):
        last = index == len(parts) - 1
        offset, missing = _back(parts[index], missing, whole=not last)
        if missing == 0 or index == 0:
            break
    absolute = _absolute(parts, index, offset, marks)
    if absolute is None:
        absolute = 0 if index == 0 and offset == 0 else missing - max(0, lines)
    return _position(parts, index, offset, absolute)


def position_of_line(path: str, line: int, marks: Sequence[LineMark]) -> Position | None:
    """The place where line number `line` begins; None where the line is not written yet, or not there any
    more.

    Counts from the nearest mark before it. Without marks, the beginning of the stream is line 0.
    Raises FileNotFoundError when the stream has no segment.
    """
    return with_stream(path, lambda stream: _position_of_line(stream.parts, line, marks))


def _position_of_line(parts: list[Segment], line: int, marks: Sequence[LineMark]) -> Position | None:
    before = [mark for mark in marks if mark.line <= line]
    index, offset, number = 0, 0, 0
    for mark in sorted(before, key=lambda m: m.line, reverse=True):
        marked = _segment_of(parts, mark)
        if marked is not None:
            index, offset, number = marked, mark.offset, mark.line
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
        number += parts[index].read(offset, 1) != b""  # half a line that will never be completed
        index, offset = later, 0


def _position(parts: list[Segment], index: int, offset: int, line: int) -> Position:
    segment = parts[index]
    if offset % 2 and segment.read(0, 2) == codecs.BOM_UTF16_LE:
        offset += 1  # the newline is two bytes, of which the first was found
    start = max(0, offset - TRACE)
    after = next((p.fingerprint() for p in reversed(parts[:index]) if p.stored_size), "")
    return Position(
        segment=segment.fingerprint(),
        start=segment.fingerprint(START),
        offset=offset,
        line=line,
        trace=digest(segment.read(start, offset - start)),
        after=after,
        identity=segment.identity,
    )


def _segment_of(parts: list[Segment], mark: LineMark) -> int | None:
    """The newest segment with the mark's fingerprint, if a line begins at the mark's offset in it."""
    for index in range(len(parts) - 1, -1, -1):
        segment = parts[index]
        if segment.has(mark.segment) and (
            mark.offset == 0 or segment.read(mark.offset - 1, 1) in (b"\n", b"\0")
        ):
            return index
    return None


def _absolute(parts: list[Segment], index: int, offset: int, marks: Sequence[LineMark]) -> int | None:
    """The number of the line that begins at a place, counted from the nearest mark; None without one."""
    for mark in sorted(marks, key=lambda m: m.line, reverse=True):
        marked = _segment_of(parts, mark)
        if marked is None or (marked, mark.offset) > (index, offset):
            continue
        number, at = mark.line, mark.offset
        while marked < index:
            number += _count(parts[marked], at, None, whole=True)
            marked, at = marked + 1, 0
        return number + _count(parts[marked], at, offset, whole=False)
    return None


def _count(segment: Segment, start: int, stop: int | None, whole: bool) -> int:
    """Lines between two bytes of a segment. whole: half a line at the end counts as one."""
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
    """Where line `line` begins, and its number; or the same of the last line, where there are fewer.

    number: of the line that begins at `offset`.
    """
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
    """Where the last `missing` lines of a segment begin, and how many of them it does not have.

    whole: half a line at its end counts as one, because its newline will never come.
    """
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
    need = missing + 1  # the last one ends the line before them
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
