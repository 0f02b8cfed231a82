"""The last lines that a run printed."""

from __future__ import annotations

from lensd.query.logs import log_source
from lensd.store import Reader
from lensd.tail import final_state, is_progress_bar, read_lines, strip_ansi, tail_position

LINES = 30
_READ_BYTES = 256 << 10
_LINE_CHARACTERS = 500


def log_tail(reader: Reader, uid: str) -> list[str]:
    """The last LINES lines of the log of a run, without colours and progress bars; none where its file is
    gone and the database holds no console output."""
    source = log_source(reader, uid, None)
    if source is None:
        return []
    if source.path is not None:
        try:
            position = tail_position(source.path, 2 * LINES)
            chunk = read_lines(source.path, position, _READ_BYTES)
        except OSError:
            return []
        lines = [line.text for line in chunk.lines] + ([chunk.torn] if chunk.torn else [])
    elif source.stored and source.input_id is not None:
        first = reader.console_tail(source.input_id, 2 * LINES)
        lines = [text.encode() for _, text in reader.console_lines(source.input_id, first, 2 * LINES)]
    else:
        return []
    shown = [strip_ansi(final_state(line)) for line in lines if not is_progress_bar(line)]
    return [_printable(line) for line in shown][-LINES:]


def _printable(line: bytes) -> str:
    text = line.decode("utf-8", "replace").expandtabs()[:_LINE_CHARACTERS]
    return "".join(character for character in text if character.isprintable()).rstrip()
