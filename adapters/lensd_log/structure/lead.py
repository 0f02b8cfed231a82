"""The tokens of a line with what stands between them, and the counters that open it."""

from __future__ import annotations

import re

from lensd_log.structure.sketch import LEAD, Count
from lensd_log.structure.tokens import NUMBER, Token
from lensd_log.structure.words import EPOCH, STEP

_OUT_OF = re.compile(r"\s{0,8}/\s{0,8}\Z")
_PAIR = re.compile(r"\d{1,3},\d{3}\Z")


class TokenLine:
    """text: of a line. tokens: its tokens, in order."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens

    def lead(self) -> tuple[list[Count], int]:
        """`[1, 2000]`, `[1][20/400]`, `[10]`, `7:` and `1|1|` in front of everything: the counters, and how
        many tokens they are."""
        text, tokens = self.text, self.tokens
        first, opened = tokens[0], text[: tokens[0].begin].strip()
        if first.kind != NUMBER or opened not in ("", "[", "(", "#", "|", "*"):
            return [], 0
        if "]<" in text[first.end : first.end + 24]:  # mpirun's `[1,0]<stdout>:`
            return [], 0
        if _PAIR.match(first.text) and text[first.end : first.end + 1] == "]":
            epoch, step = first.text.split(",")
            return [Count(EPOCH, int(epoch), word="["), Count(STEP, int(step), word="[")], 1
        if not first.is_whole:
            return [], 0
        after, behind = self.between(0).strip(), ""
        second = tokens[1] if len(tokens) > 1 and tokens[1].kind == NUMBER else None
        epoch_count = Count(EPOCH, first.whole, word="[", at=first.begin)
        if second is not None and second.is_whole:
            behind = self.between(1).strip()
            if (after == "," and opened in ("[", "(")) or (after in ("|", "][") and behind in ("|", "]")):
                return [epoch_count, Count(STEP, second.whole, word="[", at=second.begin)], 2
            if opened == "[" and after == "/" and behind == "][" and self.total_of(2)[0] is not None:
                epoch_count.total, epoch_count.total_at = second.whole, second.begin  # `[0/25][50/391]`
                return [epoch_count], 2
            if after == "][" and behind == "/":
                return [epoch_count], 1
        elif second is not None and after == "," and opened in ("[", "("):
            return [Count(STEP, first.whole, word="[", at=first.begin)], 2
        numbered = opened == "#" and self.between(0)[:1] == " "
        closed = opened + after[:1] in ("[]", "()")
        if numbered or closed or self.between(0).startswith((":", "|")):
            return [Count(LEAD, first.whole, word="[", at=first.begin)], 1
        return [], 0

    def total_of(self, at: int) -> tuple[int | None, int]:
        """The N of `i/N` or `i of N`, and the index behind it."""
        tokens = self.tokens
        if not tokens[at].is_whole or at + 1 >= len(tokens):
            return None, at + 1
        following = tokens[at + 1]
        if following.is_whole and _OUT_OF.match(self.between(at)):
            return following.whole, at + 2
        if following.key == "of" and self.between(at) == self.between(at + 1) == " ":
            last = tokens[at + 2] if at + 2 < len(tokens) else following
            if last.is_whole:
                return last.whole, at + 3
        return None, at + 1

    def between(self, at: int) -> str:
        """What stands between a token and the next."""
        end = self.tokens[at + 1].begin if at + 1 < len(self.tokens) else len(self.text)
        return self.text[self.tokens[at].end : end]

    def signs_before(self, at: int, back: int = 1) -> str:
        """What stands between a number and the token in front of it, or the one before that (back: 2)."""
        begin = self.tokens[at - back].end if at >= back else 0
        return self.text[begin : self.tokens[at].begin]
