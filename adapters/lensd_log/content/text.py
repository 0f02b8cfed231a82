"""Lines of text: do some of them print what training prints?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lensd_log.content.vocabulary import is_counter, is_metric, is_strong
from lensd_log.structure.hearing import is_example

#: The sign that joins a name to a number, with the number's first digit; and what ends the name before it.
_SIGN = re.compile(r"[\"'\])}]{0,3}\s{0,3}[:=|,]{1,2}[\s\"'\[(|]{0,12}[-+]?\.?\d")
_BEFORE_NAME = re.compile(r"[,;|:=()\[\]{}\"'<>]|\s{2,}")
_LONGEST_NAME = 60
#: A word and a number behind it, whatever stands between.
_APART = re.compile(r"(?<![\w./@-])([^\W\d][\w./@-]{0,60})[\"'\])>]{0,2}[\s:=|\[(#-]{1,12}[-+]?\.?\d")
_DIGIT = re.compile(r"\d")
_OF = re.compile(r"\d+ ?/ ?\d+\b")
#: libsvm `+1 1:0.5 2:0.3`, Vowpal Wabbit `1 |f price:0.2`, subtitles `00:00:01,000 --> 00:00:04,000`.
_DATA = re.compile(r"[-+.\d]+(?: \d+:[-+.\de]+)+\s*$|[-+.\d]+ (?:\S+ )?\|\w|.{0,30} --> ")
_FIELD = re.compile(r"(?:- |  )[\w.-]{1,60}:(?: |\Z)")
_HEAD = 400  # characters of a line
_ENOUGH = 0.02  # of the lines of a part


def may_be_log(parts: list[list[str]], whole: bool) -> bool:
    """Do enough lines of a part print what training prints? One line is enough where `whole`: the parts are
    all there is."""
    for part in parts:
        hits = sum(map(prints_training, part))
        if hits >= (1 if whole else max(2.0, _ENOUGH * len(part))):
            return True
    return False


def is_list(lines: list[str]) -> bool:
    """Are these the records of a list in YAML, one field a line?"""
    begins = sum(line.startswith("- ") for line in lines)
    fields = sum(_FIELD.match(line) is not None for line in lines)
    return begins > 1 and lines[0].startswith("- ") and fields == len(lines) > 2 * begins


def prints_training(line: str) -> bool:
    """A metric with its value; or a counter with its number, and another name with a number beside it."""
    line = line[:_HEAD]
    if _DIGIT.search(line) is None or _DATA.match(line) or is_example(line):
        return False
    if any(is_metric(name) and not is_counter(name) for name in _names(line)):
        return True
    apart = _APART.findall(line)
    counters = sum(map(is_counter, apart)) + (_OF.search(line) is not None)
    return bool(counters) and (len(apart) > sum(map(is_counter, apart)) or any(map(is_strong, apart)))


def _names(line: str) -> Iterator[str]:
    """The names that a sign joins to a number."""
    for sign in _SIGN.finditer(line):
        before = line[max(0, sign.start() - _LONGEST_NAME) : sign.start()]
        name = _BEFORE_NAME.split(before)[-1].strip()
        if name:
            yield name
