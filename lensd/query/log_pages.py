"""Pages of a log: its lines by number, by step or by time, each with the step whose values it prints.

The store marks every few hundred lines where they begin and at which step training was. Between two marks a
line is found by what it prints: the values of the points that were read from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from lensd.model import LineMark
from lensd.query.line_steps import LinePlace, LineSteps
from lensd.query.logs import LogSource
from lensd.store import Reader
from lensd.tail import final_state, position_of_line, read_lines, tail_position

_READ_BYTES = 1 << 18
_MOST_BYTES = 4 << 20  # of text in one page
_LONGEST = 20_000  # characters of a line that are shown
_MOST_BETWEEN = 4096  # lines that are looked at for a step
_TRIED = 3  # stretches of a log, where a step was trained more than once


@dataclass(slots=True)
class LogQuestion:
    """Which lines. first: the number of the first, from 1; None for the last lines of the log. at_step,
    at_ms (UTC milliseconds): lines around what was printed there, instead."""

    count: int
    first: int | None = None
    at_step: int | None = None
    at_ms: float | None = None


class NumberedLine(msgspec.Struct, omit_defaults=True):
    """A line of a log. n: its number, from 1. text: as a terminal shows it in the end, with colours.

    step, ts_ms: those of the points whose values it prints, where there are such. cut: the text goes on.
    """

    n: int
    text: str
    step: int | None = None
    ts_ms: float | None = None
    cut: bool = False


class LogPage(msgspec.Struct):
    """Lines of a log. input: the id of its input. last: how many lines the log has. at: the number of the
    line that was asked for by its step or time. unfinished: a last line that has no newline yet."""

    input: str | None
    last: int
    at: int | None
    lines: list[NumberedLine]
    unfinished: str | None = None


def log_page(reader: Reader, source: LogSource, question: LogQuestion) -> LogPage:
    """The lines asked for; none where there is no log, or no such lines."""
    if source.path is not None and source.input_id is not None:
        try:
            return _of_file(reader, source, source.path, source.input_id, question)
        except OSError:  # gone, or between two rotations
            return LogPage(source.input_id, 0, None, [])
    if source.stored and source.input_id is not None:
        return _of_store(reader, source, source.input_id, question)
    return LogPage(None, 0, None, [])


def _of_file(reader: Reader, source: LogSource, path: str, input_id: str, question: LogQuestion) -> LogPage:
    marks = source.marks or beginning(path)
    last = line_count(path, marks)
    steps = LineSteps(reader, source.workload_id, input_id, marks)
    at = None
    step = question.at_step if question.at_ms is None else steps.step_at(question.at_ms)
    if step is not None:
        at = _line_of_step(path, marks, last, steps, step)
    first = _first(question, at, last)
    lines, torn = read_numbered(path, marks, first, question.count)
    places = steps.of(lines)
    shown = [_numbered(number, text, place) for (number, text), place in zip(lines, places, strict=True)]
    # The last line without its newline belongs to the page that holds the end of the log.
    unfinished = _text(torn)[0] if torn and first + question.count >= last else None
    return LogPage(input_id, last, None if at is None else at + 1, shown, unfinished or None)


def _of_store(reader: Reader, source: LogSource, input_id: str, question: LogQuestion) -> LogPage:
    last = reader.console_tail(input_id, 0)
    at = None
    at_ms = question.at_ms
    if question.at_step is not None:
        at_ms = LineSteps(reader, source.workload_id, input_id).time_of(question.at_step)
    if at_ms is not None:
        at = reader.console_line_at(input_id, at_ms)
    first = _first(question, at, last)
    lines = [
        _numbered(number, text.encode(), LinePlace(None, ts_ms))
        for number, text, ts_ms in reader.console_page(input_id, first, question.count)
    ]
    return LogPage(input_id, last, None if at is None else at + 1, lines)


def _first(question: LogQuestion, at: int | None, last: int) -> int:
    """The number of the first line to show, from 0."""
    if at is not None:
        return max(0, at - question.count // 2)
    return max(0, last - question.count) if question.first is None else question.first - 1


def beginning(path: str) -> list[LineMark]:
    """A mark of the first line that is there, for a log that has none yet."""
    position = position_of_line(path, 0, [])
    return [] if position is None else [LineMark(0, position.segment, 0)]


def line_count(path: str, marks: Sequence[LineMark]) -> int:
    """How many complete lines a log has had. Counts from the last mark."""
    position = tail_position(path, 0, marks)
    if position.line <= 0 and position.offset:  # replaced by another file since it was marked
        position = tail_position(path, 0, beginning(path))
    return max(0, position.line)


def read_numbered(
    path: str, marks: Sequence[LineMark], first: int, count: int
) -> tuple[list[tuple[int, bytes]], bytes]:
    """Up to `count` lines from line `first` on with their numbers, from 0; and the half line at the end."""
    position = position_of_line(path, first, marks)
    if position is None:
        position = tail_position(path, 1 << 60, marks)  # the oldest line that is still there
        if position.line < first:
            return [], b""
    lines: list[tuple[int, bytes]] = []
    size = 0
    while True:
        chunk = read_lines(path, position, _READ_BYTES)
        for line in chunk.lines:
            if len(lines) >= count or size > _MOST_BYTES:
                return lines, b""
            lines.append((line.number, final_state(line.text)))
            size += len(lines[-1][1])
        if not chunk.more:
            return lines, final_state(chunk.torn)
        if len(lines) >= count:
            return lines, b""
        position = chunk.position


def _line_of_step(path: str, marks: Sequence[LineMark], last: int, steps: LineSteps, step: int) -> int | None:
    """The number of the line that prints a step, or the last one before it; None where nothing tells. Where a
    step is printed more than once, that is the first line of the last time."""
    nearest: tuple[int, int] | None = None
    for first, end in steps.stretches(step, last)[:_TRIED]:
        lines, _ = read_numbered(path, marks, first, min(end - first, _MOST_BETWEEN))
        exact = before = None
        for (number, _), place in zip(lines, steps.of(lines), strict=True):
            if place.step is None:
                continue
            if place.step == step and before != step:
                exact = number
            before = place.step
            if place.step < step and (nearest is None or place.step > nearest[0]):
                nearest = place.step, number
        if exact is not None:
            return exact
    return None if nearest is None else nearest[1]


def _numbered(number: int, raw: bytes, place: LinePlace) -> NumberedLine:
    text, cut = _text(raw)
    return NumberedLine(number + 1, text, place.step, place.ts_ms, cut)


def _text(raw: bytes) -> tuple[str, bool]:
    text = raw.decode("utf-8", "replace")
    return text[:_LONGEST], len(text) > _LONGEST
