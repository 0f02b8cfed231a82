"""What stands around a line before a framework's own text: containers, ranks, colours, logging prefixes.

Peeled in a loop and in any order. What they say (time, rank) is kept; nothing else is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo

import msgspec

from lensd_log.stamps import Stamp, parse_iso, stamp_at

# Kubernetes CRI: `2024-01-01T00:00:00.000000000Z stdout F <line>`; P: the line goes on in the next.
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
        except msgspec.MsgspecError:
            return line, None
        text, stream, ended = wrapped.log, wrapped.stream, wrapped.log.endswith("\n")
        stamp = parse_iso(wrapped.time, None)
        body = text.rstrip("\n").encode()
    elif line[:1] in b"12" and (found := _CRI.match(line)):
        stamp = parse_iso(found[1].decode(), None)
        stream, ended, body = found[2].decode(), found[3] == b"F", line[found.end() :]
    else:
        return line, None
    begun = partial.pop(stream, "")
    if not ended:
        partial[stream] = (begun + body.decode("utf-8", "surrogateescape"))[:_PARTIAL_LIMIT]
        return None
    return begun.encode("utf-8", "surrogateescape") + body, stamp


@dataclass(slots=True)
class Peeled:
    """A line's own text, and what its prefixes said."""

    text: str
    stamp: Stamp | None = None
    rank: int | None = None
    indent: int = 0


_LEVEL = "DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|TRACE|SUCCESS|NOTICE|debug|info|warning|error"
# torchrun `[rank0]:` `[default7]:` `[rank-31/32]`, DeepSpeed `[Rank 0]`, `rank0: `.
_RANK = re.compile(
    r"(?:\[(?:rank|Rank|RANK|default)[ :=-]?(\d{1,6})(?:/\d{1,6})?\]|(?:rank|Rank) ?(\d{1,6})(?=:)):?"
)
# srun -l `12: text`. A tab or a number behind the colon is some framework's own counter.
_SRUN = re.compile(r" {0,4}(\d{1,5}): (?=[^\s\d.+-])")
# Ray `(TaskRunner pid=1, ip=..)`, torchx `app.role/0 `.
_TASK = re.compile(r"\([\w.]{1,60} pid=\d+(?:, ip=[\d.]{7,15})?\) ?|[A-Za-z]\w{0,30}\.[\w-]{1,40}/\d{1,5} ")
_TOKEN = re.compile(
    rf"(?:{_LEVEL})(?::[\w.]{{1,60}}:|:|\b)"  # INFO, INFO:root:
    rf"|\[ ?(?:{_LEVEL})\b[^\]\n]{{0,80}}\]"  # [INFO ], [INFO|trainer.py:1786]
    r"|\[[^\]\[=\n]{0,80}\.(?:py|cc|cpp|cu|rs|go):\d+[^\]\n]{0,60}\]:?"  # [--------trainer.py:2488]
    r"|\[PID:\d+\]"
    r"|\[[A-Za-z][\w-]{0,19}\] (?=\[?\d{4}[-/])"  # a tag before a date
)
# Only behind a time or a level: a logger's name, a place in the source, glog's thread and file.
_NAME = re.compile(
    r"[\w.<>-]{1,80}:[\w.<>-]{1,80}:\d+ - "  # loguru: __main__:train:42 -
    r"|[A-Za-z_][\w.]{0,79} [-|] (?=\S)"
    r"|\d{1,10} [\w./-]{1,80}:\d+\] ?"  # glog: 1860 solver.cpp:228]
    r"|\[[A-Za-z][\w.-]{0,39}\] (?:- )?"
    r"|\([A-Za-z_][\w.]{0,60}:\d{1,6}\) "  # ESPnet: (trainer:486)
    rf"|[A-Za-z_][\w.]{{0,79}} (?=(?:{_LEVEL})\b)"  # Paddle: ppcls INFO:
    r"|[A-Za-z_][\w.]{0,79}\]: ?"  # detectron2: [11/18 18:14:12 d2.utils.events]:
)
_SEPARATOR = re.compile(r"(?:[-|:>]{1,2}(?=\s)|>>|\s)+")


def peel(text: str, zone: tzinfo | None) -> Peeled:
    """Take the prefixes off a line."""
    result = Peeled(text)
    at, seen = 0, False
    for _ in range(12):
        blank = _SEPARATOR.match(text, at) if seen else None
        if blank:
            at = blank.end()
        elif not seen:
            while text[at : at + 1] == " ":
                at += 1
        if result.stamp is None and (found := stamp_at(text, at, zone)):
            result.stamp, at = found
            seen = True
            continue
        if result.rank is None and (
            rank := _RANK.match(text, at) or (not seen and _SRUN.match(text, at)) or None
        ):
            result.rank = int(rank[1] or rank[2]) if rank.re is _RANK else int(rank[1])
            at, seen = rank.end(), True
            continue
        token = _TOKEN.match(text, at) or _TASK.match(text, at) or (_NAME.match(text, at) if seen else None)
        if token is None:
            break
        at, seen = token.end(), True
    rest = text[at:].lstrip()
    if not rest:  # `info:` on its own is no level
        rest = text.lstrip()
    before = text[: len(text) - len(rest)]
    result.text, result.indent = rest.rstrip(), len(before) - len(before.rstrip(" "))
    return result
