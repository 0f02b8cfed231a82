"""Which log format a line is in, and what it says.

Recognised line by line: the log format that matched last is asked first, so that a file may change its
log format (or mix several) at any line. Generic log formats are asked last, and not at all once a specific
one has matched. The user's own patterns come before everything.
"""

from __future__ import annotations

import copy
import marshal
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from lensd.tail import redraws, strip_ansi
from lensd_log.cursor import LogCursor
from lensd_log.formats import LOG_FORMATS
from lensd_log.formats.names import METRIC_LIKE
from lensd_log.line.containers import unwrap
from lensd_log.line.prefixes import StrippedLine, strip_prefixes
from lensd_log.line.record import Entry, LogFormat, Look, Parsed, ParsedLine, Record, State

_DIGITS = b"0123456789"
_NO_DIGITS = str.maketrans("", "", "0123456789")
_REMEMBERED = 4096
_METRIC_LIKE_HEAD = 1000


def entry_of(text: bytes, complete: bool, zone: tzinfo | None) -> tuple[Entry, StrippedLine]:
    """A line, out of its container, as log formats get it, and what its prefixes said."""
    if b"\0" in text:
        text = text.replace(b"\0", b"")
    if b"\x1b" in text:
        text = strip_ansi(text)
    if b"\r" in text or b"\x08" in text:
        states = [state.decode("utf-8", "replace") for state in redraws(text)]
        stripped = strip_prefixes(states[-1], zone) if states else StrippedLine("")
        if len(states) > 1:  # what stands before a line stands before its first state only
            first = strip_prefixes(states[0], zone)
            states[0] = first.text
            stripped.rank = first.rank if stripped.rank is None else stripped.rank
        return Entry(stripped.text, states, complete, stripped.indent), stripped
    line = text.decode("utf-8", "replace")
    stripped = strip_prefixes(line, zone)
    return Entry(stripped.text, (stripped.text,), complete, stripped.indent), stripped


class Recognition:
    """The log formats of one adapter, in the order they are asked. What it remembers is a cache: which log
    formats have to be asked of lines of one shape (see `columns`)."""

    def __init__(self, own: Sequence[LogFormat], zone: tzinfo | None) -> None:
        self.zone = zone
        self._log_formats = (*own, *LOG_FORMATS)
        self._needles = [
            (log_format, tuple(needle.translate(_NO_DIGITS) for needle in log_format.needles))
            for log_format in self._log_formats
        ]
        self._asked: dict[bytes, tuple[LogFormat, ...]] = {}

    def read(
        self,
        line: bytes,
        complete: bool,
        cursor: LogCursor,
        shape: bytes | None = None,
        *,
        strict: bool = False,
    ) -> ParsedLine | None:
        """What a line says; None where it goes on in the next one. Moves the states of log formats on.

        shape: of the line, where it is known. strict: whether every line of any text is meant to be a record.
        """
        if cursor.partial:  # this may be the end of a longer line
            shape = None
        unwrapped = unwrap(line, cursor.partial, self.zone)
        if unwrapped is None:
            return None
        entry, stripped = entry_of(unwrapped.text, complete, self.zone)
        rank = stripped.rank if unwrapped.rank is None else unwrapped.rank
        parsed_line = ParsedLine(stamp=stripped.stamp, container_ms=unwrapped.ts_ms, rank=rank)
        if not entry.text:
            parsed_line.blank = True
            return parsed_line
        asked = self._candidates(entry, shape)
        parsed_line.log_format, records = self._ask(entry, asked, cursor)
        if records is None:
            # Elsewhere prose is no failure.
            parsed_line.unparsed = strict or METRIC_LIKE.search(entry.text[:_METRIC_LIKE_HEAD]) is not None
        else:
            parsed_line.records = tuple(records)
            parsed_line.unparsed = bool(records) and not records[0].values and not records[0].labels
        return parsed_line

    def look(self, cursor: LogCursor, strict: bool = False) -> Look:
        """A way to read lines that changes nothing, and says what a template has to know."""
        # Copied for every line that is looked at: this is ten times as fast as `deepcopy`.
        frozen, log_format = marshal.dumps(cursor.states), cursor.log_format
        states: dict[str, State] = marshal.loads(frozen)
        scratch = LogCursor(states=states, log_format=log_format, specific=cursor.specific)

        def look(line: bytes) -> ParsedLine | None:
            scratch.states, scratch.log_format, scratch.specific = (
                marshal.loads(frozen),
                log_format,
                cursor.specific,
            )
            parsed_line = self.read(line, True, scratch, strict=strict)
            if parsed_line is None:
                return None
            parsed_line.steady = scratch.states == states and not scratch.partial
            parsed_line.specific = cursor.specific
            parsed_line.state = states.get(parsed_line.log_format.name, {}) if parsed_line.log_format else {}
            parsed_line.columns = parsed_line.blank or self._has_columns(line, parsed_line, cursor.specific)
            return parsed_line

        return look

    def peek(self, entry: Entry, cursor: LogCursor) -> Iterator[tuple[LogFormat, Record]]:
        """What a line whose newline has not come completes of what log formats hold open (a bar behind a
        dict)."""
        for log_format in self._log_formats:
            state = cursor.states.get(log_format.name)
            if log_format.peek is None or state is None:
                continue
            for record in log_format.peek(entry, state):
                cursor.log_format = log_format.name
                cursor.specific = cursor.specific or not log_format.generic
                yield log_format, record

    def holds_open(self, cursor: LogCursor) -> bool:
        """Does some log format wait for lines to come?"""
        return any(
            log_format.rest is not None
            and log_format.name in cursor.states
            and log_format.rest(copy.deepcopy(cursor.states[log_format.name]))
            for log_format in self._log_formats
        )

    def rest(self, cursor: LogCursor) -> Iterator[tuple[LogFormat, Record]]:
        """What log formats hold open, as it is."""
        for log_format in self._log_formats:
            state = cursor.states.get(log_format.name)
            if log_format.rest is None or state is None:
                continue
            for record in log_format.rest(state):
                cursor.log_format = log_format.name
                cursor.specific = cursor.specific or not log_format.generic
                yield log_format, record
            if not state:
                cursor.states.pop(log_format.name, None)

    def records_of(self, lines: Sequence[bytes], cursor: LogCursor) -> Iterator[Record]:
        """The records of lines that are looked at and not read: the cursor stays as it is."""
        cursor = copy.deepcopy(cursor)
        cursor.partial = {}
        for line in lines:
            parsed_line = self.read(line, True, cursor)
            if parsed_line is not None:
                yield from parsed_line.records or ()

    def _candidates(self, entry: Entry, shape: bytes | None) -> tuple[LogFormat, ...]:
        """The log formats whose needles are in the line. Digits do not count, in lines as in needles."""
        found = self._asked.get(shape) if shape is not None else None
        if found is None:
            text = entry.text if len(entry.states) == 1 else "\n".join((entry.text, *entry.states))
            text = text.translate(_NO_DIGITS)
            # Asked of every log format for every line of a new shape: a plain loop is twice as fast as `any`.
            asked = []
            for log_format, needles in self._needles:
                for needle in needles:
                    if needle in text:
                        asked.append(log_format)
                        break
                else:
                    if not needles:
                        asked.append(log_format)
            found = tuple(asked)
            if shape is not None and len(shape) < _REMEMBERED:
                if len(self._asked) >= _REMEMBERED:
                    self._asked.clear()
                self._asked[shape] = found
        return found

    def _ask(
        self, entry: Entry, asked: Sequence[LogFormat], cursor: LogCursor
    ) -> tuple[LogFormat | None, Parsed]:
        for log_format in asked:
            if log_format.name == cursor.log_format and not log_format.generic:
                asked = (log_format, *(other for other in asked if other is not log_format))
                break
        for log_format in asked:
            if log_format.generic and cursor.specific:
                continue
            parsed = _parse(log_format, entry, cursor)
            if parsed is not None:
                if cursor.log_format != log_format.name and any(record.values for record in parsed):
                    cursor.log_format = log_format.name
                    cursor.specific = cursor.specific or not log_format.generic
                return log_format, parsed
        return None, None

    def _has_columns(self, line: bytes, parsed_line: ParsedLine, specific: bool) -> bool:
        """Do lines that differ in digits alone say the same but for numbers, whoever is asked first?"""
        unwrapped = unwrap(line, {}, self.zone)
        if unwrapped is None:
            return False
        entry, _ = entry_of(unwrapped.text, True, self.zone)
        asked = [d for d in self._candidates(entry, None) if not (d.generic and specific)]
        if parsed_line.log_format is not None:
            return _is_columnar(parsed_line.log_format, entry) and not any(
                _parse(other, entry, LogCursor()) is not None
                for other in asked
                if other is not parsed_line.log_format and not other.generic
            )
        return all(_is_columnar(log_format, entry) for log_format in asked)


def _is_columnar(log_format: LogFormat, entry: Entry) -> bool:
    return (
        log_format.columns is not None
        and len(entry.states) == 1
        and log_format.columns.match(entry.text) is not None
    )


def _parse(log_format: LogFormat, entry: Entry, cursor: LogCursor) -> Parsed:
    state: State = cursor.states.get(log_format.name, {})
    parsed = log_format.parse(entry, state)
    if state:
        cursor.states[log_format.name] = state
    else:
        cursor.states.pop(log_format.name, None)
    return parsed
