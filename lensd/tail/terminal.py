"""What a terminal would show of a line: redraws, escape sequences, progress bars. Pure functions on bytes."""

from __future__ import annotations

import re

# ECMA-48 control sequences (CSI), operating-system commands (OSC, as window titles and links), two-byte
# escapes. The body of an OSC is bounded, so that a lone ESC ] cannot swallow a file.
_ESCAPE = re.compile(
    rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)"
    rb"|[()*+][0-9A-Za-z]|[=>78cDEHMNOZ])"
)
_UP = b"\x1b[A"
_REDRAW = re.compile(rb"[\r\x08]+")

# tqdm ` 12%|###  | 12/100 [00:01<00:09, ...]`, Keras ` 1/50 [==>..]` and `1/50 ━━━━`, rich bars, pip.
_BAR = re.compile(
    rb"\d{1,3}%\|[^|\n]{0,400}\|"
    rb"|\d\s?/\s?\d[\d,.]{0,20}[kMG]? \[\d{1,4}:\d\d"
    rb"|\d{1,12}/(?:\d{1,12}|Unknown) (?:\[[=>.\s]{3,200}\]|(?:\xe2\x94\x81){2,})"
    rb"|(?:\xe2\x94\x81|\xe2\x95\xb8|\xe2\x96\x88){8,}"
    rb"|\d+(?:it|b|B)? \[\d\d:\d\d, .{0,20}(?:it|B|s)/"
)


def strip_ansi(text: bytes) -> bytes:
    """`text` without escape sequences: colours, cursor moves, titles."""
    return _ESCAPE.sub(b"", text) if b"\x1b" in text else text


def redraws(line: bytes) -> list[bytes]:
    """What the line showed after each redraw, oldest first, blank states left out; CRLF is not a redraw."""
    if b"\r" not in line and b"\x08" not in line:
        return [line] if line.strip() else []
    return [part for part in _REDRAW.split(line) if strip_ansi(part).strip()]


def clearings(line: bytes) -> tuple[list[int], list[int]]:
    """Which of the `redraws` of a line were drawn after blanks (their number, if the line was left blank),
    and which were followed by a move up, as tqdm draws bars below others."""
    cleared, below, states = [], [], 0
    for part in _REDRAW.split(line):
        if strip_ansi(part).strip():
            if strip_ansi(part.partition(_UP)[0]).strip() and _UP in part:
                below.append(states)
            states += 1
        elif part.isspace():
            cleared.append(states)
    return cleared, below


def final_state(line: bytes) -> bytes:
    """What a terminal shows of a line in the end: its last state that is not blank, with escape sequences."""
    if b"\r" not in line and b"\x08" not in line:
        return line
    states = redraws(line)
    return states[-1] if states else b""


def is_progress_bar(line: bytes) -> bool:
    """Whether the final state of the line is a progress bar."""
    return _BAR.search(strip_ansi(final_state(line))[:2000]) is not None
