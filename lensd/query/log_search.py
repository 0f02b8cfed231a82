"""Searching a log: lines that hold a text or match a regular expression, for a limited time."""

from __future__ import annotations

import re
import re._constants as codes  # type: ignore[import-not-found]  # private: the public names are deprecated
import re._parser as parser  # type: ignore[import-not-found]
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lensd.model import LineMark
from lensd.query.log_pages import beginning
from lensd.query.logs import LogSource
from lensd.store import Reader
from lensd.tail import final_state, position_of_line, read_lines, strip_ansi, tail_position

_READ_BYTES = 1 << 21
_STORED_LINES = 2000  # read from the database at once
_SHOWN = 400  # characters of a line
#: Characters of a line that a regular expression sees, by how many repeats it has: with each of them the time
#: that it may take grows by this factor.
_SEEN = (20_000, 20_000, 1000, 300)


@dataclass(slots=True)
class LogQuery:
    """What to look for. text: in any case of ASCII letters. regex: it is a regular expression. first: the
    number of the line to begin with, from 1. limit: of lines. seconds: how long to look."""

    text: str
    regex: bool
    first: int
    limit: int
    seconds: float


class FoundLine(msgspec.Struct):
    """A line that was found. n: its number, from 1. text: without colours, cut where it is long."""

    n: int
    text: str


class FoundLines(msgspec.Struct):
    """The lines found. next: the number of the line to go on with; null at the end of the log."""

    input: str | None
    lines: list[FoundLine]
    next: int | None


class UnsafePattern(ValueError):
    """A regular expression that is wrong, or may take for ever; the message is a sentence."""


Test = Callable[[bytes], bool]


def search_log(reader: Reader, source: LogSource, query: LogQuery) -> FoundLines:
    """Lines of a log that match. Raises UnsafePattern."""
    test, needle = _test(query), None if query.regex else query.text.encode().lower()
    hits = FoundLines(source.input_id, [], None)
    until = time.monotonic() + query.seconds
    if source.path is not None:
        try:
            pieces = _of_file(source.path, source.marks, query.first - 1, test, needle)
            return _gathered(hits, pieces, query, until)
        except OSError:  # gone, or between two rotations
            return hits
    if source.stored and source.input_id is not None:
        return _gathered(hits, _of_store(reader, source.input_id, query.first - 1, test), query, until)
    return hits


#: Lines found in one piece of a log (number from 0, text), and the number of the line behind the piece;
#: None at the end of the log.
_Piece = tuple[list[tuple[int, bytes]], int | None]


def _gathered(hits: FoundLines, pieces: Iterator[_Piece], query: LogQuery, until: float) -> FoundLines:
    for lines, behind in pieces:
        room = query.limit - len(hits.lines)
        for number, text in lines[:room]:
            shown = strip_ansi(text).decode("utf-8", "replace")[:_SHOWN]
            hits.lines.append(FoundLine(number + 1, shown))
        if len(lines) > room:
            hits.next = lines[room][0] + 1
            return hits
        hits.next = None if behind is None else behind + 1
        if time.monotonic() > until:
            return hits
    return hits


def _of_file(
    path: str, marks: Sequence[LineMark], first: int, test: Test, needle: bytes | None
) -> Iterator[_Piece]:
    marks = marks or beginning(path)
    position = position_of_line(path, first, marks)
    if position is None:
        position = tail_position(path, 1 << 60, marks)  # the oldest line that is still there
        if position.line < first:
            return
    while True:
        chunk = read_lines(path, position, _READ_BYTES, split=False)
        if chunk.body:
            lines = chunk.body.count(b"\n")
            texts = _with_text(chunk.body, needle) if needle else enumerate(chunk.body.split(b"\n")[:-1])
            hits = [(chunk.first + at, text) for at, text in texts]
            position = chunk.position_in(len(chunk.body), lines)
        else:
            hits = [(line.number, line.text) for line in chunk.lines]
            position = chunk.position
        seen = [(number, final_state(text)) for number, text in hits]
        lines_found = [(number, text) for number, text in seen if test(text)]
        yield lines_found, position.line if chunk.more else None
        if not chunk.more:
            return


def _with_text(body: bytes, needle: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of a block that hold a text, with their indices."""
    lower = body.lower()
    number, counted, at = 0, 0, lower.find(needle)
    while at >= 0:
        begin, end = lower.rfind(b"\n", 0, at) + 1, lower.find(b"\n", at)
        number += lower.count(b"\n", counted, begin)
        counted = begin
        yield number, body[begin:end]
        at = lower.find(needle, end)


def _of_store(reader: Reader, input_id: str, first: int, test: Test) -> Iterator[_Piece]:
    while lines := reader.console_lines(input_id, first, _STORED_LINES):
        first = lines[-1][0] + 1
        texts = [(number, text.encode()) for number, text in lines]
        behind = first if len(lines) == _STORED_LINES else None
        yield [(number, text) for number, text in texts if test(text)], behind


def _test(query: LogQuery) -> Test:
    if not query.regex:
        needle = query.text.encode().lower()
        return lambda text: needle in strip_ansi(text).lower()
    try:
        pattern = re.compile(query.text, re.IGNORECASE)
        repeats = _repeats(parser.parse(query.text))
    except (re.error, OverflowError, RecursionError) as error:
        raise UnsafePattern(f"q is no regular expression: {error}") from None
    if repeats >= len(_SEEN):
        raise UnsafePattern(f"q repeats characters in {repeats} places; {len(_SEEN) - 1} are allowed")
    seen = _SEEN[repeats]

    def matches(text: bytes) -> bool:
        shown = strip_ansi(text[: 4 * seen]).decode("utf-8", "replace")
        return pattern.search(shown[:seen]) is not None

    return matches


def _repeats(parsed: Any) -> int:
    """How many places of a parsed pattern repeat one character. Raises UnsafePattern for what
    may take more than polynomial time: repeats of more than one character, and references back."""
    count = 0
    for code, value in parsed:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            _, most, body = value
            if most > 1 and (len(body) != 1 or body[0][0] not in _ONE_CHARACTER):
                raise UnsafePattern("q repeats a group; only single characters may be repeated")
            count += (most > 1) + _repeats(body)
        elif code is codes.BRANCH:
            count += sum(_repeats(branch) for branch in value[1])
        elif code is codes.SUBPATTERN:
            count += _repeats(value[-1])
        elif code not in _ONE_CHARACTER and code is not codes.AT:
            raise UnsafePattern("q holds a reference or a condition; only plain expressions are allowed")
    return count


_ONE_CHARACTER = (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN, codes.CATEGORY)
