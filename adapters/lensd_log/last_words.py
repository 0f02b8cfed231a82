"""What a log says last: a traceback, or that a signal ended it, with no record after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from lensd_log.line.record import Record

LOOK_BYTES = 16 << 10  #: at the end of what was read
_MOST_LINES = 200
_END = re.compile(
    rb"Traceback \(most recent call last\)"
    rb"|\b(?:received|caught|got|killed by|terminated by|death signal)\b[^\n]{0,40}\bSIG(?:TERM|INT)\b"
    rb"|\bSIG(?:TERM|INT)\b[^\n]{0,20}\b(?:received|caught|death signal)"
    rb"|^KeyboardInterrupt\b|\*\*\* (?:JOB|STEP) \S+ [^\n]{0,200}CANCELLED AT ",
    re.IGNORECASE | re.MULTILINE,
)
_NEEDLES = (b"traceback", b"sigterm", b"sigint", b"keyboardinterrupt", b"cancelled")  # one is in each `_END`
# Frames of a traceback, and the exception at its end.
_OF_TRACEBACK = re.compile(rb"\s|[\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b")


def last_words(text: bytes, before: str, parse: Callable[[list[bytes]], Iterable[Record]]) -> str:
    """`traceback`, `interrupt` or `""`. text: the end of what was read. before: what an earlier read found.
    `parse` gives the records of lines."""
    lowered = text.lower()
    ends = list(_END.finditer(text)) if any(needle in lowered for needle in _NEEDLES) else []
    end = ends[-1] if ends else None
    if end is None and not before:
        return ""
    lines = text.split(b"\n") if end is None else text[end.start() :].split(b"\n")[1:]
    behind = [line for line in lines[-_MOST_LINES:] if not _OF_TRACEBACK.match(line)]
    if any(record.values for record in parse(behind)):
        return ""
    if end is None:
        return before
    return "traceback" if end[0].lower().startswith(b"traceback") else "interrupt"
