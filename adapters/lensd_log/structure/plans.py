"""How to read the lines of one shape again, once a first one has been scanned: a cache.

Lines that differ in digits alone mostly have the same plan: a regular expression of the constant text with a
group for each number that counts. A line that no plan fits is scanned. What a plan gives is what a scan
gives, so dropping plans costs time and changes nothing.
"""

from __future__ import annotations

import re

from lensd_log.line.numbers import to_float
from lensd_log.structure.scan import scan
from lensd_log.structure.sketch import Count, Sketch, Value
from lensd_log.structure.tokens import LONGEST, NUMBER, Token, cleaned, tokens

_NO_DIGITS = str.maketrans("", "", "0123456789")
_MOST_SHAPES = 1024
_MOST_OF_A_SHAPE = 6
_TOUCHES = re.compile(r"[:-]\d|\d[:-]|,\d\d|\d,\d")
_RUN = re.compile(r"\d+")
_WIDE = 15  # digits of a number


class _Plan:
    """Reads lines of the shape of one scanned line."""

    def __init__(self, text: str, line_tokens: list[Token], sample: Sketch) -> None:
        self._sample = sample
        places = {count.at for count in sample.counts} | {value.at for value in sample.values}
        places |= {count.total_at for count in sample.counts if count.total is not None}
        places |= {sample.rank_at} if sample.rank is not None else set()
        groups: dict[int, int] = {}
        parts, end = [], 0
        for token in line_tokens:
            parts.append(re.escape(text[end : token.begin]))
            if token.kind == NUMBER:
                body = _number(text, token)
                if token.begin in places:
                    groups[token.begin] = len(groups) + 1
                    body = f"({body})"
                parts.append(body + re.escape(text[token.begin + len(token.text) : token.end]))
            else:
                parts.append(re.escape(token.text))
            end = token.end
        parts.append(re.escape(text[end:]))
        self.usable = places == set(groups)  # not so for a `nan`, and for `[1,200]`
        self._match = re.compile("".join(parts)).fullmatch
        self._counts = [
            (groups.get(count.at, 0), groups.get(count.total_at, 0) if count.total is not None else 0)
            for count in sample.counts
        ]
        self._values = [groups.get(value.at, 0) for value in sample.values]
        self._rank = groups.get(sample.rank_at, 0)

    def read(self, text: str) -> Sketch | None:
        match = self._match(text)
        if match is None:
            return None
        sample = self._sample
        result = Sketch(
            phase=sample.phase,
            phase_word=sample.phase_word,
            covered=sample.covered,
            code=sample.code,
            words=sample.words,
            key=sample.shape(),
        )
        for count, (at, total) in zip(sample.counts, self._counts, strict=True):
            out_of = _whole(match[total]) if total else None
            result.counts.append(Count(count.kind, _whole(match[at]), out_of, count.word))
        for value, at in zip(sample.values, self._values, strict=True):
            number = to_float(match[at])
            result.values.append(Value(value.name, number, value.unit, value.signed, value.phase))
        if self._rank:
            result.rank = int(match[self._rank])
        return result


class Sketcher:
    """Sketches lines; remembers plans."""

    def __init__(self) -> None:
        self._plans: dict[str, list[_Plan]] = {}
        self._scanned: dict[str, int] = {}  # how often lines of a shape had to be

    def sketch(self, text: str) -> Sketch:
        """Sketch one line, whose prefixes are stripped."""
        if len(text) > LONGEST:
            return Sketch()
        shape = text.translate(_NO_DIGITS)
        plans = self._plans.get(shape)
        for plan in plans or ():
            read = plan.read(text)
            if read is not None:
                return read
        whole = cleaned(text)
        line_tokens = tokens(whole)
        result = scan(whole, list(line_tokens)) if line_tokens else Sketch()
        if line_tokens and whole == text and (result.values or result.counts):
            self._remember(shape, text, line_tokens, result)
        return result

    def _remember(self, shape: str, text: str, line_tokens: list[Token], result: Sketch) -> None:
        """Make a plan, ever more rarely for a shape that plans do not help with: it is a hundred scans."""
        if len(self._plans) >= _MOST_SHAPES or len(self._scanned) >= _MOST_SHAPES:
            self._plans.clear()
            self._scanned.clear()
        met = self._scanned[shape] = self._scanned.get(shape, 0) + 1
        if met < 2 or met & (met - 1):
            return
        plan = _Plan(text, line_tokens, result)
        if not plan.usable:
            return
        plans = self._plans.setdefault(shape, [])
        plans.insert(0, plan)
        del plans[_MOST_OF_A_SHAPE:]


def _whole(digits: str) -> int:
    return int(digits.rstrip("."))


def _number(text: str, token: Token) -> str:
    """The pattern of a number: free in its digits, unless their count may decide what the number is (part of
    a date, of a time, of `1,234`)."""
    touches = _TOUCHES.search(text, max(0, token.begin - 2), token.end + 2) is not None
    strict = touches or "," in token.text or len(token.text) > _WIDE

    def run(match: re.Match[str]) -> str:
        return rf"\d{{{len(match[0])}}}" if strict else rf"\d{{1,{_WIDE}}}"

    parts, end = [], 0
    for match in _RUN.finditer(token.text):
        parts += [re.escape(token.text[end : match.start()]), run(match)]
        end = match.end()
    return "".join([*parts, re.escape(token.text[end:])])
