"""How to read the lines of one shape again, once a first one has been scanned: a cache.

Lines that differ in digits alone mostly have the same plan: the text between their runs of digits, and which
runs are the numbers that count. A line that no plan fits is scanned. What a plan gives is what a scan gives,
so dropping plans costs time and changes nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field

from lensd_log.line.numbers import to_float
from lensd_log.structure.scan import scan
from lensd_log.structure.sketch import Count, Sketch, Value
from lensd_log.structure.tokens import FULL_WIDTH, LONGEST, NUMBER, SKIPPED, WORD, Token, cleaned, tokens

_DIGITS = b"0123456789"
_MOST_SHAPES = 1024
_MOST_OF_A_SHAPE = 6
#: Numbers that may be part of a time, of a date, of `1,234` or of `5m 30s`, by how many digits they have.
_TOUCHES = re.compile(r"\d[:-]\d|,\d\d|\d,\d|\d[dhm] ?\d")
_TOUCHES_DATE = re.compile(r"\d/\d\d?/\d")
_RUN = re.compile(r"([0-9]+)")
_WIDE = 15  # digits of a number


@dataclass(slots=True)
class Freedom:
    """Which digits of a text may vary, by the index of their run. fixed: these may not. widths: of these the
    count may not. minutes: these stay below 60."""

    fixed: set[int] = field(default_factory=set)
    widths: dict[int, int] = field(default_factory=dict)
    minutes: set[int] = field(default_factory=set)


class _Plan:
    """Reads lines of the shape of one scanned line. A line is text and runs of digits by turns: its parts.

    fixed: the digits of runs that must be these. widths: of runs whose count of digits may decide what their
    number is. wide: other runs whose digits vary. minutes: runs below 60.
    """

    def __init__(self, text: str, line_tokens: list[Token], sample: Sketch) -> None:
        self._sample = sample
        parts = _RUN.split(text)
        self._texts = parts[0::2]
        self._fixed = dict(zip(range(1, len(parts), 2), parts[1::2], strict=True))
        self._widths: dict[int, int] = {}
        self._wide: list[int] = []
        self._minutes: list[int] = []
        begins = [0]
        for part in parts:
            begins.append(begins[-1] + len(part))
        numbers: dict[int, _Number] = {}
        for token in line_tokens:
            if token.kind == WORD:
                continue
            end = token.begin + len(token.text)
            runs = range(bisect_left(begins, token.begin) | 1, bisect_left(begins, end), 2)
            if runs:
                self._free(runs, parts, text, token)
                if token.kind == NUMBER:
                    lead, tail = text[token.begin : begins[runs[0]]], text[begins[runs[-1] + 1] : end]
                    numbers[token.begin] = (lead, runs[0], runs[-1] + 1, tail)
        places = {count.at for count in sample.counts} | {value.at for value in sample.values}
        places |= {count.total_at for count in sample.counts if count.total is not None}
        places |= {sample.rank_at} if sample.rank is not None else set()
        self.usable = places <= set(numbers)  # not so for a `nan`, and for `[1,200]`
        self._counts = [
            (numbers.get(count.at), numbers.get(count.total_at) if count.total is not None else None)
            for count in sample.counts
        ]
        self._values = [numbers.get(value.at) for value in sample.values]
        self._rank = numbers.get(sample.rank_at)

    def _free(self, runs: range, parts: list[str], text: str, token: Token) -> None:
        """Let the digits of one number, time or date vary: their count too, unless it may decide what they
        are (part of a date, of a time, of `1,234`)."""
        strict = (
            token.kind == SKIPPED
            or "," in token.text
            or len(token.text) > _WIDE
            or _TOUCHES.search(text, max(0, token.begin - 3), token.end + 2) is not None
            or _TOUCHES_DATE.search(text, max(0, token.begin - 5), token.end + 5) is not None
        )
        for run in runs:
            digits = parts[run]
            if len(digits) == 2 and parts[run - 1] == ":" and run > 1:  # `1:59` is a time, `1:60` none
                if digits[0] > "5":
                    continue
                self._minutes.append(run)
            del self._fixed[run]
            if strict:
                self._widths[run] = len(digits)
            else:
                self._wide.append(run)

    @property
    def freedom(self) -> Freedom:
        """Which digits of its lines may vary."""
        widths = {run // 2: width for run, width in self._widths.items()}
        return Freedom({run // 2 for run in self._fixed}, widths, {run // 2 for run in self._minutes})

    def read(self, parts: list[str]) -> Sketch | None:
        """The sketch of a line; None for one that it does not fit."""
        if parts[0::2] != self._texts:
            return None
        for run, digits in self._fixed.items():
            if parts[run] != digits:
                return None
        for run, width in self._widths.items():
            if len(parts[run]) != width:
                return None
        for run in self._wide:
            if len(parts[run]) > _WIDE:
                return None
        for run in self._minutes:
            if parts[run] > "59":
                return None
        sample = self._sample
        result = Sketch(
            phase=sample.phase,
            phase_word=sample.phase_word,
            covered=sample.covered,
            whole=sample.whole,
            code=sample.code,
            words=sample.words,
            key=sample.shape(),
        )
        for count, (at, total) in zip(sample.counts, self._counts, strict=True):
            out_of = None if total is None else int(parts[total[1]])
            result.counts.append(Count(count.kind, int(parts[at[1]]) if at else 0, out_of, count.word))
        for value, at in zip(sample.values, self._values, strict=True):
            number = to_float(_printed(parts, at)) if at else value.value
            result.values.append(Value(value.name, number, value.unit, value.signed, value.phase))
        if self._rank:
            result.rank = int(parts[self._rank[1]])
        return result


#: A number of a line: what stands in front of its first run, that run, the one behind its last, what follows.
_Number = tuple[str, int, int, str]


def _printed(parts: list[str], number: _Number) -> str:
    lead, begin, end, tail = number
    return lead + "".join(parts[begin:end]) + tail


def _shape(text: str) -> bytes:
    """What lines that differ in digits alone have in common."""
    return text.encode("utf-8", "surrogatepass").translate(None, _DIGITS)


class Sketcher:
    """Sketches lines; remembers plans, and how lines were read that plans may be made of."""

    def __init__(self) -> None:
        self._plans: dict[bytes, list[_Plan]] = {}
        self._samples: dict[bytes, tuple[str, Sketch]] = {}
        self._scanned: dict[bytes, int] = {}  # how often lines of a shape had to be

    def sketch(self, text: str) -> Sketch:
        """Sketch one line, whose prefixes are stripped."""
        if len(text) > LONGEST:
            return Sketch()
        if not text.isascii():
            text = text.translate(FULL_WIDTH)
        read = self._planned(text)
        if read is not None:
            return read
        whole = cleaned(text)
        if whole != text:
            text, read = whole, self._planned(whole)
        if read is None:
            line_tokens = tokens(text)
            read = scan(text, line_tokens) if line_tokens else Sketch()
            if line_tokens and cleaned(text) == text:
                self._remember(text, read)
        return read

    def freedom(self, text: str) -> Freedom | None:
        """Which digits of a line may vary without a change of more than numbers; None where unknown."""
        line_tokens = tokens(text)
        if not line_tokens or cleaned(text) != text:
            return None
        plan = _Plan(text, line_tokens, scan(text, list(line_tokens)))
        return plan.freedom if plan.usable else None

    def _planned(self, text: str) -> Sketch | None:
        """The sketch of a line that a plan fits."""
        shape = _shape(text)
        plans = self._plans.get(shape)
        if plans is None and shape not in self._samples:
            return None
        parts = _RUN.split(text)
        for plan in plans or ():
            read = plan.read(parts)
            if read is not None:
                return read
        sample = self._samples.pop(shape, None)
        return None if sample is None else self._read_as(shape, sample, parts)

    def _remember(self, text: str, result: Sketch) -> None:
        """Keep a line to make a plan of, ever more rarely for a shape that plans do not help with."""
        if len(self._scanned) >= _MOST_SHAPES:
            self._scanned.clear()
            self._samples.clear()
        shape = _shape(text)
        met = self._scanned[shape] = self._scanned.get(shape, 0) + 1
        if not met & (met - 1):
            self._samples[shape] = text, result

    def _read_as(self, shape: bytes, sample: tuple[str, Sketch], parts: list[str]) -> Sketch | None:
        """Make a plan of the line that was kept, and read by it another one of its shape."""
        text, result = sample
        plan = _Plan(text, tokens(text), result)
        if not plan.usable:
            return None
        if len(self._plans) >= _MOST_SHAPES:
            self._plans.clear()
        plans = self._plans.setdefault(shape, [])
        plans.insert(0, plan)
        del plans[_MOST_OF_A_SHAPE:]
        return plan.read(parts)
