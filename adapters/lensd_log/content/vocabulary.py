"""Names that training prints: counters and metrics."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from lensd_log import names
from lensd_log.structure import words

_STEP_KEYS = {key.lower() for key in (*names.STEP_KEYS, *names.EPOCH_KEYS)}
_WORD = re.compile(r"[^\W\d_]+|[^\W_]+")
#: A counter counts on from one line to the next, but for a few times when it begins anew.
_FALLS = 0.2
_LARGEST = 10**12
_LARGEST_EPOCH = 10**6
_CONSTANT = 100  # lines with one value, after which it is a setting


@lru_cache(4096)
def is_counter(name: str) -> bool:
    """Does the name count steps or epochs (`Step`, `global step`, `time/iterations`)?"""
    name = name.strip(" \t\"'#").lower()
    last = name.rpartition("/")[2]
    return any(key in _STEP_KEYS or key in words.COUNTERS for key in (name, last, last.replace(" ", "_")))


@lru_cache(4096)
def is_metric(name: str) -> bool:
    """Does the name sound like something that training measures, on its own or among others?"""
    return names.sounds_like_metric(name) or is_strong(name)


@lru_cache(4096)
def is_strong(name: str) -> bool:
    """Does the name hold a word that hardly anything but training prints (`loss`, `lr`, `wer`)?"""
    lowered = name.lower()
    return lowered in words.STRONG or any(word in words.STRONG for word in _WORD.findall(lowered))


def counts(values: list[float]) -> bool:
    """Are these, from consecutive lines, the values of a counter? An epoch may be fractional."""
    if not all(-1 <= value < (_LARGEST if value == int(value) else _LARGEST_EPOCH) for value in values):
        return False
    if len(values) >= _CONSTANT and min(values) == max(values):
        return False
    falls = sum(a > b for a, b in pairwise(values))
    return falls <= max(1, _FALLS * len(values))


def counts_from_the_start(values: list[float]) -> bool:
    """Does the counter begin at 0 or 1, and rise with every line?"""
    return bool(values) and values[0] in (0, 1) and all(a < b for a, b in pairwise(values))
