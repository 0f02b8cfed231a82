"""Lines that look like metrics and were not read, as their adapter explains them to `lensd doctor`."""

from __future__ import annotations

import logging

from lensd.adapter import Budget, Explains, ReadError
from lensd.ingest.tracked import Tracked
from lensd.query.results import UnreadLines

log = logging.getLogger(__name__)

_BYTES = 8 << 20  # of the beginning of the input
_POINTS = 1_000_000
_SECONDS = 5.0
_SHOWN = 400  # characters of a line


def unread_lines(tracked: Tracked, most: int, now_ms: float) -> list[UnreadLines] | None:
    """Kinds of lines of an input that look like metrics and were not read, the most frequent first. None
    where its adapter cannot tell. now_ms: the time, UTC milliseconds."""
    adapter = tracked.adapter
    if not isinstance(adapter, Explains):
        return None
    try:
        diagnosis = adapter.explain(tracked.input, Budget(_BYTES, _POINTS, _SECONDS, now_ms, final=True))
    except ReadError as error:
        log.debug("%s: %s", tracked.input.name, error)
        return None
    unread = [shape for shape in diagnosis.shapes if shape.metric_like and not shape.stored]
    unread.sort(key=lambda shape: -shape.lines)
    return [
        UnreadLines(shape.lines, shape.line, shape.example[:_SHOWN], shape.why, shape.pattern)
        for shape in unread[:most]
    ]
