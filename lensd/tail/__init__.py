"""Following files that grow, for adapters and for the log stream.

This package exports what reads text: lines of logs that grow, rotate, are truncated, compressed and redrawn.
For binary files there are two modules more: `lensd.tail.binary` (cursors) and `lensd.tail.protobuf` (the wire
format). Imports nothing of lensd but the model.
"""

from lensd.tail.kinship import is_other_log
from lensd.tail.names import as_segment, base_before, base_name
from lensd.tail.packing import unpacked_name
from lensd.tail.reading import LINE_LIMIT, Line, LineChunk, Position, read_lines
from lensd.tail.seeking import position_of_line, tail_position
from lensd.tail.segments import Segment, segments, with_stream
from lensd.tail.terminal import clearings, final_state, is_progress_bar, redraws, strip_ansi

__all__ = [
    "LINE_LIMIT",
    "Line",
    "LineChunk",
    "Position",
    "Segment",
    "as_segment",
    "base_before",
    "base_name",
    "clearings",
    "final_state",
    "is_other_log",
    "is_progress_bar",
    "position_of_line",
    "read_lines",
    "redraws",
    "segments",
    "strip_ansi",
    "tail_position",
    "unpacked_name",
    "with_stream",
]
