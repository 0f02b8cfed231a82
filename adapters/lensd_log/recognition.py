"""Which dialect a line is in, and what it says.

Recognised line by line: the dialect that matched last is asked first, so that a file may change its
dialect (or mix several) at any line. Generic dialects are asked last, and not at all once a specific one
has matched.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from lensd.tail import segments, strip_ansi
from lensd_log.cursor import Cursor
from lensd_log.dialects import DIALECTS
from lensd_log.record import Dialect, Entry, Record
from lensd_log.wrappers import Peeled, container, peel

_BY_NAME = {dialect.name: dialect for dialect in DIALECTS}


def entry_of(text: bytes, complete: bool, zone: tzinfo | None) -> tuple[Entry, Peeled]:
    """A line, out of its container, as dialects get it, and what its prefixes said."""
    if b"\0" in text:
        text = text.replace(b"\0", b"")
    if b"\x1b" in text:
        text = strip_ansi(text)
    if b"\r" in text or b"\x08" in text:
        states = [state.decode("utf-8", "replace") for state in segments(text)]
        peeled = peel(states[-1], zone) if states else Peeled("")
        return Entry(peeled.text, states, complete), peeled
    line = text.decode("utf-8", "replace")
    peeled = peel(line, zone)
    return Entry(peeled.text, (line,), complete), peeled


def recognise(entry: Entry, cursor: Cursor) -> tuple[Dialect | None, Sequence[Record] | None]:
    """The dialect of a line and its records; None where no dialect takes it. Moves the dialect's state on."""
    text = entry.text if len(entry.states) == 1 else "\n".join((entry.text, *entry.states))
    for dialect in _order(cursor.dialect):
        # Asked of every dialect for every line that none takes: a plain loop is twice as fast as `any`.
        for needle in dialect.needles:
            if needle in text:
                break
        else:
            if dialect.needles:
                continue
        if dialect.generic and cursor.specific:
            continue
        state = cursor.states.get(dialect.name)
        if state is None:
            state = {}
        parsed = dialect.parse(entry, state)
        if state:
            cursor.states[dialect.name] = state
        else:
            cursor.states.pop(dialect.name, None)
        if parsed is not None:
            if cursor.dialect != dialect.name and any(record.values for record in parsed):
                cursor.dialect = dialect.name
                cursor.specific = cursor.specific or not dialect.generic
            return dialect, parsed
    return None, None


def peek(entry: Entry, cursor: Cursor) -> Iterator[tuple[Dialect, Record]]:
    """What a line whose newline has not come completes of what dialects hold open (a bar behind a dict)."""
    for dialect in DIALECTS:
        state = cursor.states.get(dialect.name)
        if dialect.peek is None or state is None:
            continue
        for record in dialect.peek(entry, state):
            cursor.dialect = dialect.name
            cursor.specific = cursor.specific or not dialect.generic
            yield dialect, record


def records_of(lines: Sequence[bytes], cursor: Cursor, zone: tzinfo | None) -> Iterator[Record]:
    """The records of lines that are looked at and not read: the cursor stays as it is."""
    cursor = copy.deepcopy(cursor)
    cursor.partial = {}
    for line in lines:
        unwrapped = container(line, cursor.partial)
        if unwrapped is not None:
            _, records = recognise(entry_of(unwrapped[0], True, zone)[0], cursor)
            yield from records or ()


def _order(first: str | None) -> tuple[Dialect, ...]:
    if first is None:
        return DIALECTS
    order = _orders.get(first)
    if order is None:
        lead = _BY_NAME.get(first)
        rest = tuple(dialect for dialect in DIALECTS if dialect is not lead)
        order = _orders[first] = DIALECTS if lead is None or lead.generic else (lead, *rest)
    return order


_orders: dict[str, tuple[Dialect, ...]] = {}
