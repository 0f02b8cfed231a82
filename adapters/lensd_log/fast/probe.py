"""Sample lines, read as the reader would read them at one place of the input."""

from __future__ import annotations

import marshal

from lensd_log.cursor import LogCursor
from lensd_log.line.containers import unwrap
from lensd_log.line.entry import entry_of
from lensd_log.line.record import Entry, LogFormat, ParsedLine, State
from lensd_log.recognition import Recognition
from lensd_log.structure.reader import STRUCTURE


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

    def read(self, line: bytes) -> ParsedLine | None:
        """What a line says. None where it goes on in the next one or changes the state of a log format."""
        scratch = LogCursor(
            states=marshal.loads(self._frozen), log_format=self._log_format, specific=self.specific
        )
        parsed_line = self._recognition.read(line, True, scratch, strict=self._strict)
        is_steady = scratch.states == self._states and not scratch.partial
        if parsed_line is not None and not parsed_line.records and scratch.structure:
            return None  # it says something to the structural reader
        return parsed_line if is_steady and (parsed_line is None or not _is_structural(parsed_line)) else None

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
        if matched is None:
            asked = [other for other in candidates if not (other.generic and self.specific)]
            return self._recognition.is_inert(entry) and all(_has_columns(other, entry) for other in asked)
        if not parsed_line.records and not self._recognition.is_inert(entry):
            return False
        rivals = [other for other in candidates if other is not matched and not other.generic]
        return _has_columns(matched, entry) and all(other.parse(entry, {}) is None for other in rivals)


def _is_structural(parsed_line: ParsedLine) -> bool:
    return parsed_line.waits or parsed_line.log_format is STRUCTURE


def _has_columns(log_format: LogFormat, entry: Entry) -> bool:
    return (
        log_format.columns is not None
        and len(entry.states) == 1
        and log_format.columns.match(entry.text) is not None
    )
