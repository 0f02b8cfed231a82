"""Lines as container runtimes and log collectors wrap them: Kubernetes CRI, Docker's json-file driver, JSON.

Lines are unwrapped first. Around a container's wrapper there may be another one (`srun`, a rank, colours), or
another container.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo

import msgspec

from lensd.tail import strip_ansi
from lensd_log.line.envelopes import open_envelope
from lensd_log.line.prefixes import strip_prefixes
from lensd_log.line.timestamps import parse_iso

# Kubernetes CRI: `2024-01-01T00:00:00.000000000Z stdout F <line>`; P: the line goes on in the next one.
_CRI = re.compile(rb"(\d{4}-\d\d-\d\dT[\d:.]{8,20}(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP])(?::\S{0,9})? ?")
_PARTIAL_LIMIT = 1 << 18


class _DockerLine(msgspec.Struct):
    """Docker's json-file driver: `{"log":"<line>\\n","stream":"stderr","time":"2024-01-01T00:00:00.0Z"}`."""

    log: str
    time: str
    stream: str = "stdout"


_docker = msgspec.json.Decoder(_DockerLine)


def container(line: bytes, partial: dict[str, str]) -> tuple[bytes, float | None] | None:
    """The line inside a container runtime's wrapper, and its time; the line itself where there is none.

    None while the line has not ended: its parts wait in `partial`, one entry for each stream.
    """
    if line[:1] == b"{" and line.startswith(b'{"log":'):
        try:
            wrapped = _docker.decode(line)
        except (msgspec.MsgspecError, RecursionError):
            return line, None
        text, stream, ended = wrapped.log, wrapped.stream, wrapped.log.endswith("\n")
        stamp = parse_iso(wrapped.time, None)
        body = text.rstrip("\n").encode()
    elif line[:1] in b"12" and (match := _CRI.match(line)):
        stamp = parse_iso(match[1].decode(), None)
        stream, ended, body = match[2].decode(), match[3] == b"F", line[match.end() :]
    else:
        return line, None
    begun = partial.pop(stream, "")
    if not ended:
        partial[stream] = (begun + body.decode("utf-8", "surrogateescape"))[:_PARTIAL_LIMIT]
        return None
    return begun.encode("utf-8", "surrogateescape") + body, stamp


_INSIDE = re.compile(rb"\{\"log\":|\d{4}-\d\d-\d\dT[\d:.]{8,20}(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP]")
_BEFORE = 500  # bytes of prefixes
_DEEPEST = 6


@dataclass(slots=True)
class Unwrapped:
    """A line out of its containers. ts_ms: UTC ms of the outermost. rank: the one before a container."""

    text: bytes
    ts_ms: float | None = None
    rank: int | None = None


def unwrap(line: bytes, partial: dict[str, str], zone: tzinfo | None) -> Unwrapped | None:
    """Take a line out of all its containers. None while it has not ended, see `container`."""
    result = Unwrapped(line)
    if b'{"' not in line and b" std" not in line:
        return result
    for _ in range(_DEEPEST):
        text = result.text
        opened = container(text, partial)
        if opened is None:
            return None
        result.text, ts_ms = opened
        if result.text is not text:
            result.ts_ms = ts_ms if result.ts_ms is None else result.ts_ms
            continue
        if _open_envelope(result, zone):
            continue
        if b'{"log":' not in text and b" stdout " not in text and b" stderr " not in text:
            break
        text = strip_ansi(text)
        inside = _INSIDE.search(text, 0, _BEFORE)
        if inside is None:
            break
        before = strip_prefixes(text[: inside.start()].decode("utf-8", "replace") + "|", zone)
        if before.text.strip("|"):
            break
        result.text = text[inside.start() :]
        result.rank = before.rank if result.rank is None else result.rank
    return result


def _open_envelope(line: Unwrapped, zone: tzinfo | None) -> bool:
    """Take a line out of a JSON record that has nothing but prefixes before it. False where there is none."""
    begin = line.text.find(b'{"', 0, _BEFORE)
    envelope = open_envelope(line.text[begin:], zone) if begin >= 0 else None
    if envelope is None:
        return False
    before = strip_prefixes(strip_ansi(line.text[:begin]).decode("utf-8", "replace") + "|", zone)
    if before.text.strip("|"):
        return False
    rank = envelope.rank if before.rank is None else before.rank
    line.text, line.rank = envelope.text, rank if line.rank is None else line.rank
    line.ts_ms = envelope.ts_ms if line.ts_ms is None else line.ts_ms
    return True
