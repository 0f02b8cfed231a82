"""Spooled log calls as metrics: what the hook could not send, read from its files instead.

Adapters may not import the hook, so the parts of its format that they need are named here.
"""

from __future__ import annotations

import math

from lensd.hook import spool_format
from lensd.model import Counts, SeriesBuilder

SUFFIX = spool_format.SUFFIX
workload_of = spool_format.workload_of


def add_line(line: bytes, points: SeriesBuilder, counts: Counts) -> None:
    """Add a line after the header. A row becomes points; a detection is skipped; anything else is counted as
    unparsed."""
    points.next_row()
    try:
        entry = spool_format.decode(line)
    except ValueError:
        counts.unparsed += 1
        return
    if not isinstance(entry, spool_format.Row):
        return
    ts_ms = entry.wall_s * 1000.0
    if not math.isfinite(ts_ms) or abs(entry.step) >= 1 << 62:
        counts.unparsed += 1
        return
    for name, value in entry.values.items():
        points.add(name, entry.step, ts_ms, value)
    counts.matched += 1


def is_header(line: bytes) -> bool:
    try:
        spool_format.decode_header(line)
    except ValueError:
        return False
    return True


def workload_in(header: bytes) -> str | None:
    """The workload that the first line of a spool names; None where it is no header."""
    try:
        workload = spool_format.decode_header(header).get("workload_uid")
    except ValueError:
        return None
    return workload if isinstance(workload, str) and workload else None
