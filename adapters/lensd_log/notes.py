"""The note of an input whose lines look like metrics and gave no points."""

from __future__ import annotations

from lensd_log.cursor import LogCursor
from lensd_log.structure import waiting

_LEAST_LINES = 20


def note_of(cursor: LogCursor, path: str, strict: bool) -> str | None:
    """The note, once an input is read to its end. strict: every line is meant to be a record.

    None where enough was read, and for prose, data, and records without numbers.
    """
    like = cursor.unparsed + waiting.metric_like(cursor.structure)
    look = f"{like} of {cursor.lines} lines look like metrics, but"
    if cursor.matched:
        if strict or like < max(_LEAST_LINES, cursor.matched):
            return None
        return f"{look} were not read; `lensd doctor` on this file says why"
    if like and not strict:
        return f"no points: {look} none was read; `lensd doctor` on this file says why"
    if cursor.lines >= _LEAST_LINES and (like or not (strict or path.endswith((".txt", ".csv")))):
        return f"0 of {cursor.lines} lines matched any log format"
    return None
