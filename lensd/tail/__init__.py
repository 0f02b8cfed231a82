"""Tailing text files: lines out of logs that grow, rotate, are truncated, packed and redrawn.

Shared by the log adapter and the log stream. Imports nothing of lensd but the model.
"""

from lensd.tail.pieces import Piece, base_name, pieces
from lensd.tail.reading import LINE_LIMIT, Chunk, Line, Position, read_lines
from lensd.tail.seeking import position_of_line, tail_position
from lensd.tail.terminal import final_state, is_progress_bar, segments, strip_ansi

__all__ = [
    "LINE_LIMIT",
    "Chunk",
    "Line",
    "Piece",
    "Position",
    "base_name",
    "final_state",
    "is_progress_bar",
    "pieces",
    "position_of_line",
    "read_lines",
    "segments",
    "strip_ansi",
    "tail_position",
]
