"""Whether a file that is named like a segment of a log is another log.

`train.1.log` beside `train.log` may be what rotation renamed, or the log of another process. A segment ends
where the log that was begun after it begins. So it is another log if it goes on after that, by the times that
are printed in both, else (for a name that is only a hint) by when both were last written to.

What cannot be told apart: logs without printed times that are written in step. The log itself is shown then.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TypeVar

from lensd.tail.files import OpenFile
from lensd.tail.names import SegmentName

_LOOK = 4096  # bytes at the end of the one file and the beginning of the other
_SLACK = timedelta(seconds=2)  # threads do not write in the order of the times they print
_TIME = re.compile(rb"^.{0,40}?\b(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)", re.MULTILINE)
_MOST_REMEMBERED = 4096

# Caches. What the printed times of two files say is asked once. A file that was no other log is not asked
# about in each read.
_verdicts: OrderedDict[tuple[object, ...], bool | None] = OrderedDict()
_segments: OrderedDict[tuple[str, int], None] = OrderedDict()


def is_known_segment(log: str, inode: int) -> bool:
    """Was a file found to be no other log than `log`?"""
    return (log, inode) in _segments


def is_other_log(path: str, log: str, name: SegmentName) -> bool:
    """Is the file at `path`, called `name`, no segment of the log at `log`? Both must be plain text."""
    try:
        segment, newest = os.stat(path), os.stat(log)
    except OSError:  # renamed by now
        return False
    verdict: bool | None = False
    if segment.st_size and newest.st_size:
        key = (
            path,
            segment.st_ino,
            segment.st_size,
            segment.st_mtime_ns,
            newest.st_ino,
            newest.st_size > _LOOK,
        )
        verdict = _verdicts[key] if key in _verdicts else _by_printed_times(path, log)
        _remember(_verdicts, key, verdict)
        if verdict is None:
            later_ns = segment.st_mtime_ns - newest.st_mtime_ns
            verdict = name.before and later_ns > _SLACK.total_seconds() * 1e9
    if verdict:
        _segments.pop((log, segment.st_ino), None)
    else:
        _remember(_segments, (log, segment.st_ino), None)
    return bool(verdict)


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _remember(cache: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    cache[key] = value
    while len(cache) > _MOST_REMEMBERED:
        cache.popitem(last=False)


def _by_printed_times(path: str, log: str) -> bool | None:
    try:
        with OpenFile(path) as segment, OpenFile(log) as newest:
            head = newest.read(0, _LOOK)
            if segment.inode == newest.inode or segment.read(0, len(head)) == head[: segment.size]:
                return None  # rotation is copying the log, or was faster than this
            tail = segment.read(max(0, segment.size - _LOOK), _LOOK)
    except OSError:
        return None
    begins, ends = _times(head), _times(tail)
    return ends[-1] > begins[0] + _SLACK if begins and ends else None


def _times(text: bytes) -> list[datetime]:
    result = []
    for parts in _TIME.findall(text):
        try:
            result.append(datetime(*map(int, parts)))  # type: ignore[arg-type]  # six of them
        except ValueError:
            continue
    return result
