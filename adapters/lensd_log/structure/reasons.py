"""Why lines of one shape are no points, and what the numbers are that became none: for `lensd doctor`."""

from __future__ import annotations

import re

from lensd_log.line.record import State
from lensd_log.structure import evidence
from lensd_log.structure.sketch import Sketch
from lensd_log.structure.tokens import NUMBER, SKIPPED, WORD, Token
from lensd_log.structure.words import CLOCKS, IDENTIFIERS, NOT_COUNTING, PLURALS

_MOST_LEFT = 4
_TIME = re.compile(r"\d+(?:[-/:]\d|[dhm]\b|[dhm] ?\d| day)")
_JUDGED = 3  # lines, after which a shape shows what it is


def why_not(sketch: Sketch, shape: State | None) -> str:
    """The rule of proof that a shape fails first, as a phrase. shape: what is known of it."""
    if shape is None:
        return "nothing in it speaks of training"
    if shape.get("proved"):
        return "it repeats what other lines say, or other lines have gone on since"
    first, last = shape["first"], shape["last"]
    if last is None:
        where = "no step, epoch or other counter stands in it or above it"
        return f"{where} (printed once: a setting?)" if shape["n"] == 1 else where
    if not evidence.speaks_of_training(sketch):
        return "no name in it is one that training uses (loss, accuracy, lr, reward, ...)"
    if shape["n"] == 1:
        return "printed only once: a second line with a higher step would show that it is training"
    if not shape["up"]:
        return f"its counter never rises (always {last})" if first == last else "its counter only falls"
    if not shape["changed"]:
        return "its values never change"
    if shape["down"] * 2 > shape["up"]:
        return "its counter goes up and down"
    if shape["n"] < _JUDGED:
        return "printed too rarely to show that it is training"
    return "its steps do not rise as those of training do"


def left_over(text: str, tokens: list[Token], sketch: Sketch) -> list[str]:
    """Numbers that are no counter and no value, each with the reason: `4242 (pid, an identifier)`."""
    taken = {count.at for count in sketch.counts} | {count.total_at for count in sketch.counts}
    taken |= {value.at for value in sketch.values} | {sketch.rank_at}
    reasons: list[str] = []
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index and tokens[index - 1].kind == WORD else None
        reason = _why_left(text, token, before) if token.begin not in taken else None
        if reason is not None:
            reasons.append(f"{text[token.begin : token.end].strip()} ({reason})")
    return list(dict.fromkeys(reasons))[:_MOST_LEFT]


def _why_left(text: str, token: Token, before: Token | None) -> str | None:
    if token.kind == SKIPPED:
        printed = text[token.begin : token.end]
        is_time = _TIME.match(printed) is not None
        return "an address" if "://" in printed else "a time" if is_time else "an identifier"
    if token.kind == WORD:
        is_place = ":" in token.text and token.text[-1].isdecimal()
        return "a place in the source" if is_place else None
    if token.kind != NUMBER or before is None or text[before.end : token.begin].strip(" \t:=([#\"'"):
        return None
    word = before.key
    if word in IDENTIFIERS or any(word == clock.split()[-1] for clock in CLOCKS):
        return f"{before.text}, an identifier or a clock"
    if word in PLURALS or word in NOT_COUNTING:
        return f"{before.text}, a total or a setting"
    return None
