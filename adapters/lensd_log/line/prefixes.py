"""Prefixes of a line, before the framework's own text: ranks, times, loggers' names and levels.

They may come in any order. The time and the rank that they print are kept. Containers are in `containers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo

from lensd_log.line.hosts import LEVELS, PRIORITY, SYSLOG_FIELDS, host_label
from lensd_log.line.timestamps import Timestamp, timestamp_at


@dataclass(slots=True)
class StrippedLine:
    """A line without its prefixes, and what they print. indent: blanks before the text."""

    text: str
    stamp: Timestamp | None = None
    rank: int | None = None
    indent: int = 0


_LEVEL = f"{LEVELS}|debug|info|warning|error"
# torchrun `[rank0]:` `[default7]:` `[rank-31/32]`, DeepSpeed `[Rank 0]`, `(rank 0)`, `rank0: `.
_RANK = re.compile(
    r"(?:[\[(](?:rank|Rank|RANK|default)[ :=-]?(\d{1,6})(?:/\d{1,6})?[\])]|(?:rank|Rank) ?(\d{1,6})(?=:)):?"
)
# srun -l `12: text`. With a tab or a fraction after the colon it is some framework's own counter.
_SRUN = re.compile(r" {0,4}(\d{1,5}): (?![ \t]*[-+]?(?:\d*\.\d|nan\b|inf\b))")
# Tasks: Ray `(TaskRunner pid=1, ip=..)`, torchx `app.role/0 `.
_TASK = re.compile(r"\([\w.]{1,60} pid=\d+(?:, ip=[\d.]{7,15})?\) ?|[A-Za-z]\w{0,30}\.[\w-]{1,40}/\d{1,5} ")
_TOKEN = re.compile(
    rf"(?:{LEVELS})(?::[\w.]{{1,60}}:|:|\]|\b)"  # INFO, INFO:root:; no `error: 1`
    rf"|\[ ?(?:{_LEVEL})\b[^\]\n]{{0,80}}\]"  # [INFO ], [INFO|trainer.py:1786]
    r"|\[[^\]\[=\n]{0,80}\.(?:py|cc|cpp|cu|rs|go):\d+[^\]\n]{0,60}\]:?"  # [--------trainer.py:2488]
    r"|\[PID:\d+\]"
    r"|\[[A-Za-z][\w-]{0,19}\] (?=\[?\d{4}[-/])"  # a tag before a date
)
# Only after another prefix: a logger's name, a place in the source, glog's thread and file.
_NAME = re.compile(
    r"[\w.<>-]{1,80}:[\w.<>-]{1,80}:\d+ - "  # loguru: __main__:train:42 -
    r"|(?![Ee]p?\d{1,9} )[A-Za-z_][\w.]{0,79} [-|] {1,8}(?=\S)"  # but `e3 | loss 0.5`
    r"|[A-Za-z_]\w{0,40}(?:\.\w{1,60}){1,8}:\d{1,6} - "  # yolox.core.trainer:257 -
    r"|(?:\d{1,10} )?[\w./-]{1,80}:\d+\] ?"  # glog: 1860 solver.cpp:228]; NeMo: nemo_logging:393]
    r"|\[(?!(?:LightGBM|[Tt]rain(?:ing)?|[Vv]al(?:id|idation)?|[Ee]val(?:uation)?|[Tt]est)\])"
    r"[A-Za-z_][\w.-]{0,39}\] ?(?:- )?"  # [titan], but no phase of training
    r"|[A-Za-z_]\w{0,40}(?:\.\w{1,60}){1,8}: (?![\s\d+.-])"  # mlflow.tracking:
    r"|\([A-Za-z_][\w.]{0,60}:\d{1,6}\) "  # ESPnet: (trainer:486)
    rf"|[A-Za-z_][\w.]{{0,79}} (?=(?:{_LEVEL})\b)"  # Paddle: ppcls INFO:
    r"|[\w.-]{1,64} [\w./@-]{1,64}\[\d{1,8}\]: "  # syslog, journald: node1 python3[4242]:
    r"|[A-Za-z_][\w.]{0,79}\]: ?"  # detectron2: [11/18 18:14:12 d2.utils.events]:
)
_MOST = 40  # prefixes of one line
_SEPARATOR = re.compile(r"(?:[-|:>]{1,2}(?=\s)|>>|\s)+")


_ONE_DIGIT = bytes.maketrans(b"123456789", b"0" * 9)
_VARYING = re.compile(r"\d{10}|-(?=[a-z]{0,4}\d)[a-z\d]{5} ")  # a time or a pod, if its digits are such
_LONGEST_KIND = 500  # characters
_MOST_KINDS = 4096
#: A cache: by kind of line, the places of its text and its only timestamp, and the indent.
_kinds: dict[bytes, tuple[int, int, int]] = {}


def strip_prefixes(text: str, zone: tzinfo | None) -> StrippedLine:
    """Strip the prefixes off a line, in any order. `zone` is that of printed times; None means UTC."""
    # Lines that differ in digits alone, but not in how many, mostly have their prefixes at the same places.
    kind = text.encode("utf-8", "surrogatepass").translate(_ONE_DIGIT)
    places = _kinds.get(kind)
    if places is None:
        result, places = strip_anew(text, zone)
        if places is not None and len(kind) <= _LONGEST_KIND:
            if len(_kinds) >= _MOST_KINDS:
                _kinds.clear()
            _kinds[kind] = places
        return result
    begin, stamp_at, indent = places
    timestamp = timestamp_at(text, stamp_at, zone) if stamp_at >= 0 else None
    return StrippedLine(text[begin:].rstrip(), None if timestamp is None else timestamp[0], None, indent)


def strip_anew(text: str, zone: tzinfo | None) -> tuple[StrippedLine, tuple[int, int, int] | None]:
    """`strip_prefixes` of a line whose kind is not known, and what there is to know of it."""
    result = StrippedLine(text)
    stamps: list[int] = []  # where they begin
    at = len(text) - len(text.lstrip(" "))  # where the rest begins
    priority = PRIORITY.match(text, at) if text[at : at + 1] == "<" else None
    if priority:
        at = priority.end()
    separator: re.Match[str] | None = None  # what ends the prefix before it
    srun_seen = False
    for stripped in range(_MOST):
        if stripped:
            separator = _SEPARATOR.match(text, at)
            at = separator.end() if separator else at
        if timestamp := timestamp_at(text, at, zone):
            stamps.append(at)
            stamp, at = timestamp
            # The first one counts, unless it is that of syslog, which has no year.
            if result.stamp is None or (result.stamp.ms is None and stamp.ms is not None):
                result.stamp = stamp
        elif (rank := _rank_at(text, at, srun_seen)) is not None:
            srun_seen = srun_seen or rank.re is _SRUN
            if result.rank is None:
                result.rank = int(rank[1] or rank[2])
            at = rank.end()
        elif host := host_label(text, at):
            at, number = host
            result.rank = number if result.rank is None else result.rank
        elif priority and (fields := SYSLOG_FIELDS.match(text, at)):
            at, priority = fields.end(), None
        elif label := _label_at(text, at, behind_prefix=stripped > 0):
            at = label.end()
        else:
            if separator and "|" in separator[0] and _has_bars(text, at, 2):
                at = text.index("|", separator.start())  # it opens the row of a table
            break
    rest = text[at:].lstrip()
    before = text[: len(text) - len(rest)]
    result.text, result.indent = rest.rstrip(), len(before) - len(before.rstrip(" "))
    alike = result.rank is None and len(stamps) < 2 and not _VARYING.search(text)
    places = (len(before), stamps[0] if stamps else -1, result.indent)
    return result, places if alike else None


def _rank_at(text: str, at: int, srun_seen: bool) -> re.Match[str] | None:
    first = text[at : at + 1]
    if first in "[(rR":
        return _RANK.match(text, at)
    return None if srun_seen or not (first.isdigit() or first == " ") else _SRUN.match(text, at)


def _label_at(text: str, at: int, behind_prefix: bool) -> re.Match[str] | None:
    """A level, a task, a logger's name or a place in the source."""
    label = _TOKEN.match(text, at) or _TASK.match(text, at)
    if label is None and behind_prefix:
        label = _NAME.match(text, at)
    if label and label[0].endswith("| ") and _has_bars(text, label.end(), 1):
        return None  # the row of a table, whose name fills its cell
    return label


def _has_bars(text: str, at: int, count: int) -> bool:
    """Is the rest of a line the row of a table, with so many bars, one of them at its end?"""
    return text.count("|", at) == count and text.rstrip().endswith("|")
