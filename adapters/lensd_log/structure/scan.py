"""From the text of one line to its sketch. No state, no other lines.

A number is a counter when a word of counting stands beside it, or when it opens the line (`[3]`, `3:`,
`[1, 2000]`) or is out of something (`20/400`). It is a value when a name stands in front of it, whatever
joins the two (`=`, `:`, ` is `, ` - `, a blank), or behind it (`0.99 avg loss`). Every other number is
nothing.
"""

from __future__ import annotations

import re

from lensd_log.structure.code import looks_like_code
from lensd_log.structure.lead import TokenLine
from lensd_log.structure.names import Name, is_measurement, name_before_counter, name_in_front
from lensd_log.structure.sketch import FRACTION, LEAD, Count, Sketch, Value
from lensd_log.structure.titles import phase_of_line, take_phase_of_first, take_unit_of_title, tell_apart
from lensd_log.structure.tokens import NUMBER, SKIPPED, WORD, Token
from lensd_log.structure.words import (
    COUNTERS,
    EPOCH,
    IDENTIFIERS,
    NOT_COUNTING,
    PHASES,
    PLURALS,
    SAMPLES,
    STEP,
    TRAIN,
    UNITS,
    is_metric,
    is_strong,
    phase_of,
)

_MOST_VALUES = 100
_DIGITS = re.compile(r"\d+")
_COUNTER_SIGNS = re.compile(r"[\s:=#\[({|<№\"'._-]{0,12}\Z")
_BESIDE_VALUE = ("", "(", "/", ",", "+/", "+/-", "±", "[", "+", "~", "-")


def scan(text: str, tokens: list[Token]) -> Sketch:
    """Sketch a line from its tokens."""
    if not any(token.kind == NUMBER or token.key in ("nan", "inf") for token in tokens):
        words = [token for token in tokens if token.kind == WORD]
        phase, phase_word = phase_of_line(words, len(text))
        return Sketch(phase=phase, phase_word=phase_word, words=len(words))
    return _LineScan(text, tokens).run()


class _LineScan(TokenLine):
    """One walk over the tokens of a line. pending: words since the last number; carried: those in front of
    the last counter; rest: those that belong to no name and no counter. stem: the `loss` of
    `loss: train 1.2 val 3.4`."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        super().__init__(text, tokens)
        self.sketch = Sketch(code=looks_like_code(text))
        self.pending: list[Token] = []
        self.carried: list[Token] = []
        self.rest: list[Token] = []
        self.covered = 0
        self.first_value = len(text)
        self.stem = ""
        self.sections: list[Token | None] = []  # for each value the word of phase in front of it
        self.idle = False  # some number or time says nothing

    def run(self) -> Sketch:
        result = self.sketch
        counts, at = self.lead()
        for index, count in enumerate(counts):
            self.add_count(count, self.tokens[min(index, at - 1)])
        while at < len(self.tokens):
            token = self.tokens[at]
            if token.kind == WORD and not self.is_nan(at):
                self.pending.append(token)
                result.words += 1
                at += 1
            elif token.kind == SKIPPED:
                self.idle = True
                self.let_go()
                at += 1
            else:
                at = self.read_number(at)
        self.let_go()
        result.phase, result.phase_word = phase_of_line(self.rest, self.first_value)
        tell_apart(result, self.sections)
        take_unit_of_title(self.text, self.rest, result)
        if result.phase is None and result.values:
            take_phase_of_first(result)
        result.covered = self.covered / max(1, _width(self.text.strip()))
        result.whole = not self.idle and all(word.key in PHASES for word in self.rest)
        return result

    # Counters.

    def read_number(self, at: int) -> int:
        """Decide what one number is. Returns the index of the token to go on with."""
        token = self.tokens[at]
        if token.unit in ("f", "e", "g") and token.text[:1] == ".":  # `{loss:.4f}` of a program
            self.let_go()
            return at + 1
        if (token.unit == "k" or token.unit == "M" or token.unit == "K") and self.take_thousands(at):
            return at + 2
        total, after = self.total_of(at)
        kind = self.counter_in_front(token)
        if kind is not None:
            word = self.pending.pop().key
            self.carried, self.rest, self.pending = self.pending or self.carried, self.rest + self.pending, []
            self.add_count(self.count(kind, at, total, word), token)
            if (
                kind == EPOCH
                and word not in PLURALS
                and self.between(at) == "-"
                and self.tokens[at + 1].is_whole
            ):
                self.add_count(self.count(STEP, at + 1, None, "-"), self.tokens[at + 1])  # `epoch 1-200`
                return at + 2
            return self.skip_percent(after)
        if token.is_whole and at + 1 < len(self.tokens):
            kind = self.counter_behind(at)
            if kind is not None:
                self.let_go()
                self.add_count(self.count(kind, at, None, ""), token)
                return at + 2
        if token.is_whole and self.is_epoch_before_fraction(at):
            self.let_go()
            self.add_count(self.count(EPOCH, at, None, "phase"), token)
            return at + 1
        if self.is_lead_behind_tags(at):
            self.let_go()
            self.add_count(self.count(LEAD, at, None, "["), token)
            return at + 1
        name = name_in_front(self.text, self.pending, token) or self.carried_name(at)
        if total is not None and name is not None and name.text.lower() not in IDENTIFIERS:
            if name.signed and is_metric(name.text):  # `Accuracy: 98/100 (98%)`
                percent = self.tokens[after] if after < len(self.tokens) else token
                token, after = (percent, after + 1) if percent.unit == "%" else (token, after)
                self.add_value(name, token)
                return after
            boxed = bool(self.pending) and self.text[self.pending[-1].end : token.begin] == " ["
            if name.signed and not boxed and not phase_of(name.text) and name.text.lower() != "progress":
                self.pending = []  # `images: 98/100`, but `Image [50/400]` counts
                return self.skip_percent(after)
        if total is not None:
            self.let_go()
            self.add_count(self.count(FRACTION, at, total, ""), token)
            return self.skip_percent(after)
        if name is not None:
            values = len(self.sketch.values)
            self.add_value(name, token)
            return self.skip_beside(at + 1, self.sketch.values[values:])
        return self.read_name_behind(at)

    def take_thousands(self, at: int) -> bool:
        """`[1.0k/100k]` is a counter, of which no plan is made."""
        count = self.tokens[at].thousands
        total = self.tokens[at + 1].thousands if at + 1 < len(self.tokens) else None
        if count is None or total is None or count > total or self.between(at).strip() != "/":
            return False
        word = self.pending.pop().key if self.pending and self.pending[-1].key in COUNTERS else ""
        kind = COUNTERS.get(word, FRACTION)
        self.let_go()
        self.add_count(Count(kind, count, total, word), self.tokens[at])
        return True

    def count(self, kind: str, at: int, total: int | None, word: str) -> Count:
        token = self.tokens[at]
        total_at = -1
        if total is not None:
            total_at = next(other.begin for other in self.tokens[at + 1 :] if other.kind == NUMBER)
        return Count(kind, token.whole, total, word, token.begin, total_at)

    def counter_in_front(self, token: Token) -> str | None:
        """`step 5`, `Epoch: [5]`, and `perf 0: {`: a number between a word and a dict counts."""
        if not token.is_whole or not self.pending:
            return None
        word = self.pending[-1]
        signs = self.text[word.end : token.begin]
        kind = COUNTERS.get(word.key)
        letter = word.text.isascii() and len(word.text) == 1 and signs.strip() not in ("=", ":")  # `i= 100`
        if signs == "@" and word.key in PHASES:  # `eval@500`
            self.pending.append(word)
            return STEP
        if kind is None or letter or not _COUNTER_SIGNS.match(signs):
            behind = self.text[token.end : token.end + 3]
            return STEP if signs == " " and behind[:1] == ":" and behind[1:].strip() == "{" else None
        if len(self.pending) > 1:
            before = self.pending[-2]
            between = self.text[before.end : word.begin]
            if before.key in NOT_COUNTING and between in (" ", "_", "-"):
                return None
        is_total = word.key in PLURALS and (":" in signs or "=" in signs) and kind != SAMPLES
        if not is_total:
            return kind
        epoch = self.sketch.count(EPOCH)  # `(epoch: 1, iters: 100`
        return kind if epoch and self.text[: epoch.at].rstrip()[-1:] == signs.strip() else None

    def counter_behind(self, at: int) -> str | None:
        """`30720 steps`, `第1轮`."""
        following = self.tokens[at + 1]
        kind = COUNTERS.get(following.key) if following.kind == WORD else None
        if kind is None or self.between(at) not in ("", " ") or self.signs_before(at).strip() in ("=", ":"):
            return None
        behind = self.between(at + 1)
        if not following.text[0].isascii() and behind.strip()[:1] in ("=", ":"):
            return kind
        if following.key not in PLURALS and at + 2 < len(self.tokens) and self.tokens[at + 2].is_whole:
            return None  # that one is its number
        if self.pending and self.pending[-1].key in ("after", "at") and self.signs_before(at) == " ":
            return kind  # `after 100 iterations: bleu 31.2`
        return None if behind.strip()[:1] in ("=", ":", "/") or behind.startswith("[") else kind

    def is_epoch_before_fraction(self, at: int) -> bool:
        """`Train: 0 [  10/100 ( 10%)]`: a number between a phase and a fraction is the epoch."""
        if at + 2 >= len(self.tokens) or not self.tokens[at + 1].is_whole:
            return False
        named = not self.pending or self.pending[-1].key in PHASES
        brackets = self.between(at).strip() in ("[", "(", "][")
        return named and brackets and self.total_of(at + 1)[0] is not None

    def is_lead_behind_tags(self, at: int) -> bool:
        """`[pod/a-0/trainer] [1]<tab>train-logloss:0.6`, `[main][INFO] - [1]<tab>..`."""
        token, text = self.tokens[at], self.text
        if not token.is_whole or self.sketch.counts or self.sketch.values:
            return False
        before, behind = text[: token.begin], text[token.end : token.end + 2]
        tags = before[:-1].rstrip(" -:")
        return (
            before[-1:] == "["
            and before[-2:-1] in (" ", ":")
            and tags[-1:] in ("]", ":")
            and behind in ("]\t", "] ")
        )

    # Values.

    def carried_name(self, at: int) -> Name | None:
        if not self.carried:
            return None
        name = name_before_counter(
            self.text, self.carried, self.signs_before(at, 2 if len(self.pending) == 1 else 1)
        )
        if name is not None:
            self.pending = []
        return name

    def read_name_behind(self, at: int) -> int:
        """`0.99 avg loss`: the name stands behind its number."""
        names: list[Token] = []
        index = at + 1
        while index < len(self.tokens) and self.tokens[index].kind == WORD and len(names) < 3:
            if self.between(index - 1) != " ":
                break
            names.append(self.tokens[index])
            index += 1
        behind = self.text[names[-1].end : names[-1].end + 3].strip() if names else ""
        if names and not self.pending and behind[:1] in ("", ",", ";", "|", ")"):
            name = self.text[names[0].begin : names[-1].end]
            if is_strong(name):
                self.add_value(Name(name, signed=False), self.tokens[at])
                return index
        self.idle = True
        self.let_go()
        return at + 1

    def add_value(self, name: Name, token: Token) -> None:
        words, self.pending, self.carried = self.pending, [], []
        lowered = name.text.lower()
        stem = self.stem_of(words, name.text)
        self.stem = stem or self.stem
        if stem and lowered not in PHASES:  # `LOSS train 0.5`: as printed
            stem = ""
        elif lowered in PHASES and self.stem:
            self.add_value_of_phase(name, token)
            return
        begin = self.text.rfind(name.text, 0, token.begin) if words else token.begin
        self.rest += [word for word in words if word.end <= begin]
        self.covered += _width(self.text[max(0, begin) : token.end])
        if lowered == "rank" and token.is_whole:
            self.sketch.rank, self.sketch.rank_at = token.whole, token.begin
        elif self.text[max(0, begin - 1) : begin] == "#":
            pass  # `#Images: 500` is a count
        elif lowered == "best" and self.text[begin - 1 : begin] == "(":
            pass  # a remark on the value in front
        elif is_measurement(lowered) or (lowered in PHASES and "." in token.text):
            self.first_value = min(self.first_value, begin)
            values = self.sketch.values
            section = next((word for word in reversed(self.rest) if word.key in PHASES), None)
            again = any(
                o.name == name.text and s is section for o, s in zip(values, self.sections, strict=True)
            )
            if len(values) < _MOST_VALUES and not again:
                phase = phase_of(name.text)
                values.append(Value(name.text, token.value, token.unit, name.signed, phase, token.begin))
                self.sections.append(section)

    def stem_of(self, words: list[Token], name: str) -> str:
        """Of `loss: train 1.2` and of `LOSS train 0.5` the `loss`."""
        parts = name.split()
        if len(parts) == 2 and parts[1].lower() in PHASES and is_strong(parts[0]):
            return parts[0]
        if name.lower() not in PHASES or len(words) < 2:
            return ""
        before = words[-2]
        between = self.text[before.end : words[-1].begin].strip()
        return before.text if between in (":", "=", "-", "(", "|") and is_metric(before.text) else ""

    def add_value_of_phase(self, name: Name, token: Token) -> None:
        """The `val 3.4` of `loss: train 1.2 val 3.4` is `val/loss`."""
        phase, stem = PHASES[name.text.lower()], self.stem
        printed = stem if phase == TRAIN else f"{name.text}/{stem}"
        self.covered += _width(self.text[token.begin : token.end]) + len(name.text) + len(stem)
        self.first_value = min(self.first_value, token.begin)
        if all(other.name != printed for other in self.sketch.values):
            self.sketch.values.append(
                Value(printed, token.value, token.unit, name.signed, phase, token.begin)
            )
            self.sections.append(None)

    # What stands around.

    def add_count(self, count: Count, token: Token) -> None:
        self.sketch.counts.append(count)
        self.covered += _width(token.text) + len(count.word)
        self.stem = ""

    def skip_percent(self, at: int) -> int:
        """Skip the `( 10%)` behind `10/100`."""
        tokens = self.tokens
        return at + 1 if at < len(tokens) and tokens[at].unit == "%" and "(" in self.between(at - 1) else at

    def skip_beside(self, at: int, values: list[Value]) -> int:
        """Skip what belongs to a value: a unit, an average in brackets, the rest of a list, a deviation, and
        of `Accuracy: 92.3% (923/1000)` the fraction."""
        tokens = self.tokens
        if at < len(tokens) and tokens[at].text in UNITS and self.between(at - 1) == " ":
            behind = self.between(at)
            if not behind.strip(" ") or behind[0] in ".,;|)]\t":
                for value in values:
                    value.unit = value.unit or tokens[at].text
                at += 1
        if (
            values
            and tokens[at - 1].unit == "%"
            and self.between(at - 1) == " ("
            and (is_metric(values[-1].name) or values[-1].phase)
        ):
            total, past = self.total_of(at)
            if total is not None and self.between(past - 1).startswith(")"):
                return past
        while at < len(tokens) and tokens[at].kind == NUMBER and self.total_of(at)[0] is None:
            if self.between(at - 1).strip(" \t") not in _BESIDE_VALUE:
                break
            at += 1
        return at

    def let_go(self) -> None:
        """No number takes the pending words."""
        self.rest += self.pending
        if self.pending:
            self.carried = []
        self.pending = []

    def is_nan(self, at: int) -> bool:
        """A `nan` behind a name is a number."""
        token = self.tokens[at]
        if token.key not in ("nan", "inf", "infinity") or not self.pending:
            return False
        signs = self.text[self.pending[-1].end : token.begin].strip(" \t'\"`([-+")
        if signs not in (":", "=") and (signs or not is_strong(self.pending[-1].text)):
            return False
        begin = token.begin - (self.text[token.begin - 1] == "-")
        self.tokens[at] = Token(NUMBER, begin, token.end, self.text[begin : token.end])
        return True


def _width(text: str) -> int:
    """Characters, a run of digits being one: the same for all lines of a shape."""
    return len(_DIGITS.sub("0", text))
