"""Sample lines, read as the reader would read them at one place of the input."""

from __future__ import annotations

import marshal
from dataclasses import dataclass

from lensd_log.cursor import LogCursor
from lensd_log.line.containers import unwrap
from lensd_log.line.entry import entry_of
from lensd_log.line.record import Entry, LogFormat, ParsedLine, Record, State
from lensd_log.names import METRIC_LIKE
from lensd_log.recognition import Recognition
from lensd_log.structure.reader import STRUCTURE
from lensd_log.structure.settled import Outline, is_settled


@dataclass(slots=True)
class OutlinedLine(ParsedLine):
    """A line that is read by structure: its values, under the names that it prints, have no step yet."""

    outline: Outline | None = None


def outline_of(parsed_line: ParsedLine) -> Outline | None:
    """The outline of a line that is read by structure."""
    return parsed_line.outline if isinstance(parsed_line, OutlinedLine) else None


class Probe:
    """Reads any line as if it came next after those that `cursor` has seen. Moves nothing on.

    strict: see `Recognition.read`. specific: generic log formats are not asked here.
    """

    def __init__(self, recognition: Recognition, cursor: LogCursor, strict: bool = False) -> None:
        self.zone = recognition.zone
        self.specific = cursor.specific
        self._recognition = recognition
        self._strict = strict
        self._log_format = cursor.log_format
        # Copied for every line that is read: marshal is ten times as fast as `deepcopy`.
        self._frozen = marshal.dumps(cursor.states)
        self._states: dict[str, State] = marshal.loads(self._frozen)
        self._structure = cursor.structure

    def read(self, line: bytes) -> ParsedLine | None:
        """What a line says. None where it goes on in the next one or changes the state of a log format."""
        scratch = LogCursor(
            states=marshal.loads(self._frozen), log_format=self._log_format, specific=self.specific
        )
        parsed_line = self._recognition.read(line, True, scratch, strict=self._strict)
        if parsed_line is None or scratch.states != self._states or scratch.partial:
            return None
        if parsed_line.entry is not None and not self._strict and _is_of_no_format(parsed_line):
            outline = self._recognition.outline(parsed_line.entry, self._structure)
            if outline is not None:
                return _outlined(parsed_line, outline)
        if not parsed_line.records and scratch.structure:
            return None  # it says something to the structural reader
        return None if _is_structural(parsed_line) else parsed_line

    def is_settled(self, outline: Outline) -> bool:
        """Do lines of this outline bring nothing but numbers?"""
        return is_settled(outline, self._structure)

    def rivals_of(self, line: bytes) -> dict[str, State]:
        """The states of all log formats that are asked for a line, by their names."""
        unwrapped = unwrap(line, {}, self.zone)
        if unwrapped is None:
            return {}
        entry, _ = entry_of(unwrapped.text, True, self.zone)
        return {other.name: self.state_of(other) for other in self._recognition.candidates(entry)}

    def state_of(self, log_format: LogFormat | None) -> State:
        """The state in which a log format reads the lines."""
        return {} if log_format is None else self._states.get(log_format.name, {})

    def is_columnar(self, line: bytes, parsed_line: ParsedLine) -> bool:
        """Do digits decide nothing in this line but numbers, for every log format that is asked?"""
        if parsed_line.blank:
            return True
        unwrapped = unwrap(line, {}, self.zone)
        if unwrapped is None:
            return False
        entry, _ = entry_of(unwrapped.text, True, self.zone)
        matched = parsed_line.log_format
        candidates = self._recognition.candidates(entry)
        if matched is STRUCTURE:
            return True  # the others refuse it as long as their states are what they are now
        if matched is None:
            asked = [other for other in candidates if not (other.generic and self.specific)]
            return self._recognition.is_inert(entry) and all(_has_columns(other, entry) for other in asked)
        if not parsed_line.records and not self._recognition.is_inert(entry):
            return False
        rivals = [other for other in candidates if other is not matched and not other.generic]
        return _has_columns(matched, entry) and all(other.parse(entry, {}) is None for other in rivals)


def _is_of_no_format(parsed_line: ParsedLine) -> bool:
    return not parsed_line.blank and (parsed_line.log_format is None or _is_structural(parsed_line))


def _outlined(parsed_line: ParsedLine, outline: Outline) -> OutlinedLine:
    values = [(value.name, value.value) for value in outline.sketch.values]
    return OutlinedLine(
        STRUCTURE,
        (Record(values, evaluation=True),) if values else (),
        parsed_line.stamp,
        parsed_line.container_ms,
        parsed_line.rank if outline.sketch.rank is None else outline.sketch.rank,
        unparsed=not values and METRIC_LIKE.search(_text(parsed_line)) is not None,
        entry=parsed_line.entry,
        outline=outline,
    )


def _text(parsed_line: ParsedLine) -> str:
    return "" if parsed_line.entry is None else parsed_line.entry.text


def _is_structural(parsed_line: ParsedLine) -> bool:
    return parsed_line.waits or parsed_line.log_format is STRUCTURE


def _has_columns(log_format: LogFormat, entry: Entry) -> bool:
    return (
        log_format.columns is not None
        and len(entry.states) == 1
        and log_format.columns.match(entry.text) is not None
    )
