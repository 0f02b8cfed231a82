"""Which dialect a line is in, and what it says.

Recognised line by line: the dialect that matched last is asked first, so that a file may change its
dialect (or mix several) at any line. Generic dialects are asked last, and not at all once a specific one
has matched. The user's own patterns come before everything.
"""

from __future__ import annotations

import copy
import marshal
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from lensd.tail import segments, strip_ansi
from lensd_log.cursor import Cursor
from lensd_log.formats import DIALECTS
from lensd_log.formats.names import METRIC_LIKE
from lensd_log.line.containers import unwrap
from lensd_log.line.prefixes import Peeled, peel
from lensd_log.line.record import Dialect, Entry, Look, Parsed, Record, Said, State

_DIGITS = b"0123456789"
_NO_DIGITS = str.maketrans("", "", "0123456789")
_REMEMBERED = 4096
_METRIC_LIKE_HEAD = 1000


def entry_of(text: bytes, complete: bool, zone: tzinfo | None) -> tuple[Entry, Peeled]:
    """A line, out of its container, as dialects get it, and what its prefixes said."""
    if b"\0" in text:
        text = text.replace(b"\0", b"")
    if b"\x1b" in text:
        text = strip_ansi(text)
    if b"\r" in text or b"\x08" in text:
        states = [state.decode("utf-8", "replace") for state in segments(text)]
        peeled = peel(states[-1], zone) if states else Peeled("")
        if len(states) > 1:  # what stands before a line stands before its first state only
            first = peel(states[0], zone)
            states[0] = first.text
            peeled.rank = first.rank if peeled.rank is None else peeled.rank
        return Entry(peeled.text, states, complete, peeled.indent), peeled
    line = text.decode("utf-8", "replace")
    peeled = peel(line, zone)
    return Entry(peeled.text, (peeled.text,), complete, peeled.indent), peeled


class Recognition:
    """The dialects of one adapter, in the order they are asked. What it remembers is a cache: which dialects
    have to be asked of lines of one shape (see `columns`)."""

    def __init__(self, own: Sequence[Dialect], zone: tzinfo | None) -> None:
        self.zone = zone
        self._dialects = (*own, *DIALECTS)
        self._needles = [
            (dialect, tuple(needle.translate(_NO_DIGITS) for needle in dialect.needles))
            for dialect in self._dialects
        ]
        self._asked: dict[bytes, tuple[Dialect, ...]] = {}

    def read(
        self, line: bytes, complete: bool, cursor: Cursor, shape: bytes | None = None, *, strict: bool = False
    ) -> Said | None:
        """What a line says; None where it goes on in the next one. Moves the states of dialects on.

        shape: of the line, where it is known. strict: whether every line of any text is meant to be a record.
        """
        if cursor.partial:  # this may be the end of a longer line
            shape = None
        unwrapped = unwrap(line, cursor.partial, self.zone)
        if unwrapped is None:
            return None
        entry, peeled = entry_of(unwrapped.text, complete, self.zone)
        rank = peeled.rank if unwrapped.rank is None else unwrapped.rank
        said = Said(stamp=peeled.stamp, container_ms=unwrapped.ts_ms, rank=rank)
        if not entry.text:
            said.blank = True
            return said
        asked = self._candidates(entry, shape)
        said.dialect, records = self._ask(entry, asked, cursor)
        if records is None:
            # Elsewhere prose is no failure.
            said.unparsed = strict or METRIC_LIKE.search(entry.text[:_METRIC_LIKE_HEAD]) is not None
        else:
            said.records = tuple(records)
            said.unparsed = bool(records) and not records[0].values and not records[0].labels
        return said

    def look(self, cursor: Cursor, strict: bool = False) -> Look:
        """A way to read lines that changes nothing, and says what a template has to know."""
        # Copied for every line that is looked at: this is ten times as fast as `deepcopy`.
        frozen, dialect = marshal.dumps(cursor.states), cursor.dialect
        states: dict[str, State] = marshal.loads(frozen)
        scratch = Cursor(states=states, dialect=dialect, specific=cursor.specific)

        def look(line: bytes) -> Said | None:
            scratch.states, scratch.dialect, scratch.specific = (
                marshal.loads(frozen),
                dialect,
                cursor.specific,
            )
            said = self.read(line, True, scratch, strict=strict)
            if said is None:
                return None
            said.steady = scratch.states == states and not scratch.partial
            said.specific = cursor.specific
            said.state = states.get(said.dialect.name, {}) if said.dialect else {}
            said.columns = said.blank or self._has_columns(line, said, cursor.specific)
            return said

        return look

    def peek(self, entry: Entry, cursor: Cursor) -> Iterator[tuple[Dialect, Record]]:
        """What a line whose newline has not come completes of what dialects hold open (a bar behind a
        dict)."""
        for dialect in self._dialects:
            state = cursor.states.get(dialect.name)
            if dialect.peek is None or state is None:
                continue
            for record in dialect.peek(entry, state):
                cursor.dialect = dialect.name
                cursor.specific = cursor.specific or not dialect.generic
                yield dialect, record

    def holds_open(self, cursor: Cursor) -> bool:
        """Does some dialect wait for lines to come?"""
        return any(
            dialect.rest is not None
            and dialect.name in cursor.states
            and dialect.rest(copy.deepcopy(cursor.states[dialect.name]))
            for dialect in self._dialects
        )

    def rest(self, cursor: Cursor) -> Iterator[tuple[Dialect, Record]]:
        """What dialects hold open, as it is."""
        for dialect in self._dialects:
            state = cursor.states.get(dialect.name)
            if dialect.rest is None or state is None:
                continue
            for record in dialect.rest(state):
                cursor.dialect = dialect.name
                cursor.specific = cursor.specific or not dialect.generic
                yield dialect, record
            if not state:
                cursor.states.pop(dialect.name, None)

    def records_of(self, lines: Sequence[bytes], cursor: Cursor) -> Iterator[Record]:
        """The records of lines that are looked at and not read: the cursor stays as it is."""
        cursor = copy.deepcopy(cursor)
        cursor.partial = {}
        for line in lines:
            said = self.read(line, True, cursor)
            if said is not None:
                yield from said.records or ()

    def _candidates(self, entry: Entry, shape: bytes | None) -> tuple[Dialect, ...]:
        """The dialects whose needles are in the line. Digits do not count, in lines as in needles."""
        found = self._asked.get(shape) if shape is not None else None
        if found is None:
            text = entry.text if len(entry.states) == 1 else "\n".join((entry.text, *entry.states))
            text = text.translate(_NO_DIGITS)
            # Asked of every dialect for every line of a new shape: a plain loop is twice as fast as `any`.
            asked = []
            for dialect, needles in self._needles:
                for needle in needles:
                    if needle in text:
                        asked.append(dialect)
                        break
                else:
                    if not needles:
                        asked.append(dialect)
            found = tuple(asked)
            if shape is not None and len(shape) < _REMEMBERED:
                if len(self._asked) >= _REMEMBERED:
                    self._asked.clear()
                self._asked[shape] = found
        return found

    def _ask(self, entry: Entry, asked: Sequence[Dialect], cursor: Cursor) -> tuple[Dialect | None, Parsed]:
        for dialect in asked:
            if dialect.name == cursor.dialect and not dialect.generic:
                asked = (dialect, *(other for other in asked if other is not dialect))
                break
        for dialect in asked:
            if dialect.generic and cursor.specific:
                continue
            parsed = _parse(dialect, entry, cursor)
            if parsed is not None:
                if cursor.dialect != dialect.name and any(record.values for record in parsed):
                    cursor.dialect = dialect.name
                    cursor.specific = cursor.specific or not dialect.generic
                return dialect, parsed
        return None, None

    def _has_columns(self, line: bytes, said: Said, specific: bool) -> bool:
        """Do lines that differ in digits alone say the same but for numbers, whoever is asked first?"""
        unwrapped = unwrap(line, {}, self.zone)
        if unwrapped is None:
            return False
        entry, _ = entry_of(unwrapped.text, True, self.zone)
        asked = [d for d in self._candidates(entry, None) if not (d.generic and specific)]
        if said.dialect is not None:
            return _is_columnar(said.dialect, entry) and not any(
                _parse(other, entry, Cursor()) is not None
                for other in asked
                if other is not said.dialect and not other.generic
            )
        return all(_is_columnar(dialect, entry) for dialect in asked)


def _is_columnar(dialect: Dialect, entry: Entry) -> bool:
    return (
        dialect.columns is not None
        and len(entry.states) == 1
        and dialect.columns.match(entry.text) is not None
    )


def _parse(dialect: Dialect, entry: Entry, cursor: Cursor) -> Parsed:
    state: State = cursor.states.get(dialect.name, {})
    parsed = dialect.parse(entry, state)
    if state:
        cursor.states[dialect.name] = state
    else:
        cursor.states.pop(dialect.name, None)
    return parsed
