"""A first look at a line: whether it can say anything to the structural reader. Most lines of text cannot."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from lensd_log.structure.words import COUNTERS, EAST, EPOCH, PAIRS_OF_WORDS, PHASES, STRONG

_SHORT = 4  # letters; words no longer must stand alone
_LONGEST_HEADER = 200
_LEAD = re.compile(r"\(?\[\s{0,8}\d|\(\s{0,8}\d{1,12}\)|[#|*]?\s{0,8}\d{1,12}(?:/\d{1,12})?[:|]|#\d")
_PAIR = re.compile(r"[^\w\s{]{0,4}\s{0,8}[A-Za-z_][\w@./ -]{0,40}[=:]\s{0,8}-?\d{1,12}\.\d")
_DIGIT = re.compile(r"\d|nan|NaN|NAN|inf|Inf|INF")
_WORDS = re.compile(r"[^\W\d_]{2,4}(?![^\W\d_])")
_EAST = re.compile(f"[{EAST}]")


_TEXTS = (
    "prompt response question answer instruction completion chosen rejected passage premise hypothesis"
    " sentence"
).split()
#: An example of a data set: the name of a text, and words behind it (`'prompt': 'Who lost the step?'`).
_EXAMPLE = re.compile(
    rf"\b(?:{'|'.join(_TEXTS)})[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?[^\W\d_]{{2}}", re.IGNORECASE
)
#: Bytes of a listing (`3999:  48 89 ce 0f`).
_LISTING = re.compile(r"\s{0,8}[\da-f]{1,16}:\s{1,8}(?:[\da-f]{2} ){3}")


_ONE_DIGIT = bytes.maketrans(b"123456789", b"0" * 9)
_MOST_KINDS = 2048


def _kind(text: str) -> bytes:
    """What lines that differ in digits alone, but not in how many, have in common."""
    return text.encode("utf-8", "surrogatepass").translate(_ONE_DIGIT)


class _Vocabulary:
    """Words to be found in a text: long ones anywhere in it, short ones alone. Faster than one expression.

    Remembers, as a cache, in which kinds of lines there are any.
    """

    def __init__(self, words: Iterable[str]) -> None:
        words = set(words)
        long = [word for word in words if len(word) > _SHORT or not word.isalpha()]
        self._short = words.difference(long)
        long = [word for word in long if not any(o in word and o != word for o in long)]
        self._numbered = tuple(word for word in long if any(map(str.isdigit, word)))
        self._long = tuple(word for word in long if word not in self._numbered)
        self._has_word = lru_cache(_MOST_KINDS)(self._look)

    def is_in(self, text: str) -> bool:
        if self._has_word(_kind(text)):
            return True
        text = text.lower()
        return any(word in text for word in self._numbered)

    def _look(self, kind: bytes) -> bool:
        text = kind.decode("utf-8", "surrogatepass").lower()
        for word in self._long:  # this is a hot loop: `any` would take twice as long
            if word in text:
                return True
        return not self._short.isdisjoint(_WORDS.findall(text))


_METRICS = "err|error|score|return|grad|norm|precision|success|objective|throughput|speed|objf|elapsed|metric"
_SPEAKING = _Vocabulary({*PAIRS_OF_WORDS, *COUNTERS, *STRONG, *PHASES, *_METRICS.split("|"), "learn"})
_MEASURED = _Vocabulary(STRONG)
_EPOCHS = _Vocabulary({word for word, kind in COUNTERS.items() if kind == EPOCH})
_PHASES = _Vocabulary({*PHASES, *COUNTERS})


def names_metric(text: str) -> bool:
    """Does it hold a word for what training measures?"""
    return _MEASURED.is_in(text)


def names_epoch(text: str) -> bool:
    """Does it name an epoch?"""
    return _EPOCHS.is_in(text)


def has_digit(text: str) -> bool:
    """Does it hold a number, or a word for one?"""
    return _DIGIT.search(text) is not None


def is_example(text: str) -> bool:
    """Does it hold a text of a data set, or bytes, beside which numbers are no measurements of training?"""
    if _LISTING.match(text):
        return True
    lowered = text.lower()
    for (
        word
    ) in _TEXTS:  # this is a hot loop: mostly there is none, and the expression takes five times as long
        if word in lowered:
            return _EXAMPLE.search(text) is not None
    return False


def may_speak(text: str) -> bool:
    """Can it hold a value, a counter, the name of a phase, or a part of a table or box?

    A line without a word of training says nothing that could prove itself. What begins with a counter may
    belong to the lines below.
    """
    if text[:1] in "|│║┃╭╰└╚╘":
        return True
    if text[:2] in ('{"', "{'") and text.count("{") != text.count("}"):
        return False  # cut off
    if _DIGIT.search(text) is None:
        return len(text) <= _LONGEST_HEADER and _PHASES.is_in(text)
    return _SPEAKING.is_in(text) or bool(_PAIR.match(text) or _LEAD.match(text) or _EAST.search(text))
