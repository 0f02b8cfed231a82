"""The name that stands in front of a number, whatever joins the two."""

from __future__ import annotations

import re
from typing import NamedTuple

from lensd_log.structure.tokens import Token
from lensd_log.structure.words import (
    CLOCKS,
    COUNTERS,
    IDENTIFIERS,
    LEVELS,
    NOT_COUNTING,
    PHASES,
    PLURALS,
    PROSE,
    WRAPPERS,
    is_metric,
    is_strong,
)

_MOST_WORDS = 6
_LONGEST = 80
_LONGEST_NORM = 4
_QUOTES = "'\"`"
_BLANKS = " \t" + _QUOTES
_JOINER = re.compile(r"(?:[:=]|->|=>|:=|-|\.{3,} ?[:=]?|={2,3}|~|≈|<-)\Z")
_TUPLE = re.compile(r"['\"], ?\Z")
_OPENING = re.compile(r"(?:^|[\s,\[(])\(['\"]\Z")
#: Between two words of one name.
_SOFT = re.compile(r"(?: |_|-|/| / |\. | ?\(|'| & |\+| \+ |[#%] ?)\Z")
_CLOSING = re.compile(r"[^\s:=]{0,3}[)\]%]")
_PARTS = re.compile(r"[\s_-]")
_SETTINGS = ("seed", "eta", "patience", "thresh", "threshold")
_VERBS = ("is", "was", "equals")
_PLACES = ("at", "after", "for", "in", "on")


class Name(NamedTuple):
    """signed: a sign such as `=` or `:` joins it to its number."""

    text: str
    signed: bool


def name_in_front(text: str, words: list[Token], number: Token) -> Name | None:
    """The name of a number. words: those in front of it that nothing else has taken."""
    inner = words
    while words and words[-1].key in WRAPPERS and text[words[-1].end : words[-1].end + 1] == "(":
        words = words[:-1]
    if not words:
        return None
    wrapped = len(words) < len(inner)
    signs = text[words[-1].end : inner[len(words)].begin if wrapped else number.begin]
    if words[-1].key in _VERBS and signs == " ":
        return _name(join(text, words[:-1], signed=True), signed=True)
    if signs == "(" and not wrapped:  # `accuracy(4)` is a call
        return None
    if _TUPLE.match(signs):  # `('loss', 0.5)`, but `scalar('loss', 0.5)` is a call
        name = join(text, words, signed=True)
        return _name(name if _OPENING.search(text, 0, text.rfind(name, 0, number.begin)) else "", signed=True)
    core = signs.strip(_BLANKS + "([{<*|$~").strip(_BLANKS + ")]")
    if core and not _JOINER.match(core):
        return None
    if (core == "-" and not signs.startswith(" ")) or _is_place_in_source(text, words[-1], number, signs):
        return None
    if signs[:1] == "|" and _is_norm(text, words[-1]):
        bars = signs[: len(signs) - len(signs.lstrip("|"))]
        return Name(bars + words[-1].text + bars, bool(core))
    if not core and ("]" in signs or "|" in signs or ("(" in signs and not signs.endswith("("))):
        return None
    signed = (bool(core) and '="' not in signs) or "[" in signs or wrapped
    return _name(join(text, words, signed), signed)


def name_before_counter(text: str, words: list[Token], signs: str) -> Name | None:
    """`Loss at step 100 is 0.5`, `loss @ 100: 0.5`: the name stands before the counter. words: in front of
    the counter. signs: between the counter and the number."""
    if not words or signs.strip() not in (":", "=", "->", *_VERBS):
        return None
    name = join(text, [word for word in words if word.key not in _PLACES], signed=True)
    return Name(name, signed=True) if name and is_strong(name) else None


def join(text: str, words: list[Token], signed: bool) -> str:
    """The longest name that ends with the last of these words, as printed; `""` for none."""
    if not words:
        return ""
    first = len(words) - 1
    while first > 0 and _belongs(text, words[first - 1], words[first], signed, first < len(words) - 1):
        first -= 1
    words = words[first:]
    if len(words) > _MOST_WORDS or any(word.key in PROSE for word in words):
        return ""
    name = _with_bracket(text, words[0].begin, words[-1].end).strip(_BLANKS)
    if len(name) > _LONGEST or (not signed and len(words) > 2 and (len(words) > 3 or not is_metric(name))):
        return ""
    return name


def _name(name: str, signed: bool) -> Name | None:
    return Name(name, signed) if name else None


def _belongs(text: str, before: Token, word: Token, signed: bool, inside: bool) -> bool:
    """Does the word in front belong to the same name?"""
    between = text[before.end : word.begin]
    if (between and not _SOFT.match(between)) or (between == ". " and len(before.text) > 4):
        return False
    level = before.key in LEVELS and before.text.isupper()  # but `Success Rate`
    if level or (before.key in PROSE and signed):
        return False
    if not between:  # `D損失`
        return before.key not in COUNTERS
    return not (between == " " and before.key in COUNTERS and inside and not signed)


def _with_bracket(text: str, begin: int, end: int) -> str:
    """`time (ms` with the bracket that closes it, `Loss` with its `%`."""
    closing = _CLOSING.match(text, end, end + 4)
    opened = text[begin:end]
    if closing and (closing[0][-1] == "%" or opened.count("(") > opened.count(")")):
        end = closing.end()
    return text[begin:end]


def _is_place_in_source(text: str, word: Token, number: Token, signs: str) -> bool:
    """`nemo_logging:393]`: a line of a source file."""
    closed = text[number.end : number.end + 1] in ("]", ")")
    return signs == ":" and number.is_whole and closed and not is_metric(word.text)


def _is_norm(text: str, word: Token) -> bool:
    """`f 2.1e+02 |g| 3.1e+02`, but no cell of a table."""
    return text[word.begin - 1 : word.begin] == "|" and text[:1] != "|" and len(word.text) <= _LONGEST_NORM


def is_measurement(name: str) -> bool:
    """Can a number of this name be a measurement? Counters, totals, settings and identifiers are none."""
    name = name.lower()
    parts = _PARTS.split(name)
    first, last = parts[0], parts[-1]
    if name in COUNTERS or name in IDENTIFIERS or name in CLOCKS or name in PHASES:
        return False
    if first == "last" or last in _SETTINGS:
        return False
    if last in PLURALS and (first == last or (first in NOT_COUNTING and " of " not in name)):
        return False
    return any(character.isalpha() for character in name)
