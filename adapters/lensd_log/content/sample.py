"""A bounded sample of a stream: the lines at its head, in its middle and at its tail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lensd.tail import Segment
from lensd.tail.encoding import Encoding
from lensd_log.binary import looks_binary
from lensd_log.line.containers import unwrap

PART = 16 << 10  #: bytes of each part
_MOST_LINES = 300  # of each part
_END_OF_LINE = re.compile(r"\r|\n")


@dataclass(frozen=True, slots=True)
class Sample:
    """parts: runs of consecutive lines, blank ones left out, each out of its containers. whole: they are all
    there is. longest: characters of the longest line, or of the piece of it that was read."""

    parts: list[list[str]]
    whole: bool
    binary: bool
    longest: int


def take(segments: Sequence[Segment]) -> Sample:
    """A sample of a stream. Of packed segments only their heads, since reading further means unpacking all
    before it. Raises OSError."""
    first, last = segments[0], segments[-1]
    head = first.read(0, PART)
    encoding = Encoding.of(head)
    whole = len(segments) == 1 and not first.packed and first.stored_size <= 3 * PART
    if whole:
        parts = [_lines(head + first.read(len(head), 2 * PART), encoding)]
    else:
        parts = [_lines(head, encoding)]
        if not last.packed:
            size = last.stored_size
            for start in (size // 2, max(0, size - PART)):
                parts.append(_lines(last.read(start - start % 2, PART), encoding, start))
        elif last is not first:
            parts.append(_lines(last.read(0, PART), encoding))
        # The last line of a part goes on behind it, the first one began before it.
        parts = [lines[number > 0 : -1] if len(lines) > 2 else lines for number, lines in enumerate(parts)]
    longest = max(len(line) for lines in parts for line in lines)
    parts = [
        lines[-_MOST_LINES:] if number == 2 else lines[:_MOST_LINES] for number, lines in enumerate(parts)
    ]
    return Sample([_unwrapped(lines) for lines in parts], whole, looks_binary(head), longest)


def _lines(data: bytes, encoding: Encoding, offset: int = 0) -> list[str]:
    split = encoding.split(data)
    lines = [encoding.to_utf8(line, offset if number == 0 else 1) for number, line in enumerate(split)]
    return [part for line in lines for part in _END_OF_LINE.split(line.decode("utf-8", "replace"))]


def _unwrapped(lines: list[str]) -> list[str]:
    result: list[str] = []
    for line in lines:
        if not line.strip("\0 \t"):
            continue
        content = unwrap(line.encode("utf-8", "surrogateescape"), {}, None) if line[0] in "{12" else None
        result.append(line if content is None else content.text.decode("utf-8", "replace"))
    return result
