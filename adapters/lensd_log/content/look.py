"""The look itself, and when it is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lensd.tail import Segment, with_stream
from lensd_log.content import records, sample, tables, text
from lensd_log.line.record import State

_TRIED = 40  # lines of each part that are read for a try
_TRIED_CHARACTERS = 400  # of each
_SMALL = 64 << 10  #: bytes; a smaller stream is looked at whenever it changes
_GROWTH = 1.25
_LONGEST = 12_000  # characters of a line; records of training with thousands of fields stay below

Reads = Callable[[list[bytes]], bool]


def set_aside(path: str, before: State, reads: Reads, *, final: bool) -> State:
    """Whether the stream at `path` is set aside: `{}` if it is read, else its stored `size` and `why`.

    before: what the look before it found. It holds until the stream has grown by a quarter, or has become
    shorter; of a small stream, or one that is `final`, until its size changes. reads: does the reader get a
    record from these lines? Raises OSError.
    """
    return with_stream(path, lambda stream: _set_aside(stream.parts, before, reads, final=final))


def _set_aside(parts: list[Segment], before: State, reads: Reads, *, final: bool) -> State:
    size = sum(part.stored_size for part in parts)
    if before:
        looked_at = before["size"]
        growth = 1.0 if final or size < _SMALL else _GROWTH
        if size == looked_at or looked_at < size < looked_at * growth:
            return before
    why = look(parts, reads)
    return {} if why is None else {"size": size, "why": why}


def look(parts: Sequence[Segment], reads: Reads) -> str | None:
    """Why a stream is no record of training, as a phrase; None where it may be one. Raises OSError.

    Reads at most 48 KiB, of packed segments at most twice 16 KiB of text, and what fingerprints take.
    """
    seen = sample.take(parts)
    if seen.binary:
        return "a binary file"
    texts = [part for part in seen.parts if part]
    if not texts:
        return None if seen.whole else "no text at its head, middle and end"
    if parts[0].path.lower().endswith(".json") and seen.whole and len(texts[0]) == 1:
        return "one JSON document"
    verdict = records.why_no_record(texts)
    if verdict is None:
        verdict = tables.why_no_record(texts[0])
    if verdict is not None and verdict != "":
        return verdict
    if verdict == "":
        return None
    if seen.longest > _LONGEST:
        return "one JSON document" if texts[0][0][:1] in "{[" else "lines of many thousand characters"
    if texts[0][0].strip() in ("{", "[", "[{"):
        return "one JSON document"
    if text.is_list(texts[0]):
        return "a list of records in YAML"
    if text.may_be_log(texts, seen.whole) or any(reads([*map(_encoded, part[:_TRIED])]) for part in texts):
        return None
    return "no line that prints a metric"


def _encoded(line: str) -> bytes:
    return line[:_TRIED_CHARACTERS].encode("utf-8", "replace")
