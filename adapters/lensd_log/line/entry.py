"""A line as log formats get it: as text, in the states that it was redrawn through, without its prefixes."""

from __future__ import annotations

import re
from datetime import tzinfo

from lensd.tail import clearings, redraws, strip_ansi
from lensd_log.line.prefixes import StrippedLine, strip_prefixes
from lensd_log.line.record import Entry

# Colours that lost their ESC on the way: `[32mtext[0m]`.
_LOST_COLOUR = re.compile(rb"\[(?:[0-9]|[2-4][0-9]|9[0-7]|10[0-7])?(?:;\d{1,3}){0,5}m")


def entry_of(text: bytes, complete: bool, zone: tzinfo | None) -> tuple[Entry, StrippedLine]:
    """The entry of a line that is out of its container, and what its prefixes print."""
    if b"\0" in text:
        text = text.replace(b"\0", b"")
    is_redrawn = b"\r" in text or b"\x08" in text
    cleared, below = clearings(text) if is_redrawn else ((), ())
    if b"\x1b" in text:
        text = strip_ansi(text)
    if b"[0m" in text and _LOST_COLOUR.search(text, 0, text.index(b"[0m")):
        text = _LOST_COLOUR.sub(b"", text)
    if is_redrawn:
        entry, stripped = _redrawn(
            [part.decode("utf-8", "replace") for part in redraws(text)], complete, zone
        )
        entry.cleared, entry.below = cleared, below
        return entry, stripped
    stripped = strip_prefixes(text.decode("utf-8", "replace"), zone)
    return Entry(stripped.text, (stripped.text,), complete, stripped.indent), stripped


def _redrawn(states: list[str], complete: bool, zone: tzinfo | None) -> tuple[Entry, StrippedLine]:
    stripped = strip_prefixes(states[-1], zone) if states else StrippedLine("")
    if len(states) > 1:  # only the first state has the prefixes of the line
        first = strip_prefixes(states[0], zone)
        states[0] = first.text
        stripped.rank = first.rank if stripped.rank is None else stripped.rank
    return Entry(stripped.text, states, complete, stripped.indent), stripped
