"""The names of segments: which log a file was rotated from by its name, and which segment is older.

A rotated file carries a tag: a number, a date or seconds since the epoch. It stands behind the name of the
log or before its extension, and a packed file has one more suffix:

    train.log.1  train.log-20260131.gz  train.log.2026-01-31_13      logrotate, Python's logging
    train.1.log  train-20260131.log.gz                               logrotate with `extension`
    train.2026-01-31_13-05-59_123456.log  ...123456.2.log            loguru
    train.log-1764666728  train-2026-01-31-1764666728.log            logrotate with `dateformat -%s`

Other files are named like that as well: `SegmentName.may_be_other`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import total_ordering

from lensd.tail.packing import SUFFIXES, packing_of, unpacked_name

_DATE = (
    r"(?:19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])"
    r"(?:[-_.]\d{10}|[-_T.]?\d{1,6}(?:[-_.]\d\d){0,2}(?:[._]\d{1,9})?)?"
)
_TAG = rf"(?:\.(?P<n>\d{{1,4}})|[._-](?:(?P<date>{_DATE})|(?P<epoch>\d{{10}}))(?:\.(?P<counter>\d{{1,3}}))?)"
_BEHIND = re.compile(rf"{_TAG}?(?:{SUFFIXES})?\Z")
_BEFORE = re.compile(rf"{_TAG}(?P<extension>\.(?:log|out|err|txt|jsonl))(?:{SUFFIXES})?\Z", re.IGNORECASE)


@total_ordering
@dataclass(frozen=True, slots=True)
class Age:
    """Sorts older segments first: numbers from high to low, dates from low to high, then the log itself."""

    kind: int  # 0: a number, 1: a date, 2: the log itself
    number: int = 0
    date: str = ""
    counter: int = 0

    def __lt__(self, other: Age) -> bool:
        mine, its = (self.kind, -self.number, self.date), (other.kind, -other.number, other.date)
        return mine < its if mine != its else self.counter < other.counter


#: Of the log itself.
NEWEST = Age(2)


@dataclass(frozen=True, slots=True)
class SegmentName:
    """A file as a segment of the log `base`. before: its tag stands before the extension."""

    name: str
    base: str
    age: Age
    before: bool

    @property
    def packing(self) -> str:
        return packing_of(self.name)

    @property
    def may_be_other(self) -> bool:
        """Does the name leave open whether it is another log, of another process or training?"""
        return not self.packing and (self.before or self.age.kind == 0)


def base_name(name: str) -> str:
    """The name of the log that a file belongs to by what stands behind it: `x.log` for `x.log.2.gz` and
    `x.log-20240131`."""
    tag = _BEHIND.search(name)
    return name[: tag.start()] if tag else name


def base_before(name: str) -> str | None:
    """The name of the log that a file may be rotated from by a tag before its extension: `x.log` for
    `x-20240131.log.gz`; None without such a tag."""
    tag = _BEFORE.search(unpacked_name(name))
    return name[: tag.start()] + tag["extension"] if tag and tag.start() else None


def as_segment(name: str, base: str) -> SegmentName | None:
    """A file as a segment of the log called `base`; None if its name says that it is none."""
    if name.startswith(base) and (tag := _BEHIND.match(name, len(base))):
        return SegmentName(name, base, _age(tag), before=False)
    stem, dot, extension = base.rpartition(".")
    if not stem or not name.startswith(stem) or (tag := _BEFORE.match(name, len(stem))) is None:
        return None
    return SegmentName(name, base, _age(tag), before=True) if tag["extension"] == dot + extension else None


def _age(tag: re.Match[str]) -> Age:
    if tag["n"]:
        return Age(0, int(tag["n"]))
    if tag["epoch"]:
        moment = datetime.fromtimestamp(int(tag["epoch"]), UTC)
        return Age(1, 0, f"{moment:%Y%m%d%H%M%S}", int(tag["counter"] or 0))
    if tag["date"]:
        return Age(1, 0, re.sub(r"\D", "", tag["date"]), int(tag["counter"] or 0))
    return NEWEST
