"""A `[[pattern]]` block for the lines of one shape, made of a few of them and tried on them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lensd_log.line.numbers import measure
from lensd_log.structure.boxes import cells_of
from lensd_log.structure.scan import scan
from lensd_log.structure.sketch import FRACTION, LEAD, Count, Sketch
from lensd_log.structure.tokens import NUMBER, WORD, Token, blanked, tokens
from lensd_log.structure.words import BATCH, COUNTERS, EPOCH, GLOBAL, ROUND, SAMPLES, STEP

_PLACES = {"step", "total", "epoch", "epochs", "batch", "rank", "time"}
_WHOLE = r"\d[\d,]*"
_NUMBER = r"[-+.,\w]*[\w%]"
_ANYTHING = r"[-+.,\w%]+"
_LONGEST, _WIDE = 900, 200
_CONTEXT = 60  # characters in front of a number
_HARMLESS = re.compile(r"\\([-~#&\t ,:=/%@!<>'\"])")  # escapes that nothing needs
_ENDS = ("", " ", "\t", ",", ";", "|")  # what may follow a number
_NEAR = 8  # characters between two numbers that belong together


@dataclass(slots=True)
class SampleLine:
    """A line of a shape. step: what it was placed at. names: of each value, by its name in the line, what it
    is stored as. columns: of the table it is a row of."""

    text: str
    sketch: Sketch
    step: int | None = None
    names: dict[str, str] = field(default_factory=dict)
    columns: Sequence[str] = ()


@dataclass(slots=True)
class _Slot:
    """A number of the sample line. begin, end: of what the group takes. lead: where its name begins. tail:
    where a name behind it ends. open: a blank, or what may stand behind a number, follows."""

    group: str
    begin: int
    end: int
    lead: int
    tail: int
    open: bool
    has_unit: bool = False

    @property
    def pattern(self) -> str:
        number = r"\S+" if self.open else _NUMBER
        if self.has_unit:
            number = r"\S+\s+\S+" if self.open else _NUMBER + r"\s+[\w/%]+"
        return f"(?P<{self.group}>{_WHOLE if self.group in _PLACES else number})"


def propose(
    samples: Sequence[SampleLine], others: Iterable[str] = (), *, exact: bool = False
) -> tuple[str, dict[str, str]] | None:
    """A regex for lines like `samples`, and the metric of each of its groups. None where there is none that
    reads the first of them.

    others: lines of other shapes, which it should not match. exact: it must match none, and read all samples.
    """
    names = _metrics_of(samples)
    if not names:
        return None
    regexes = _of_row(samples[0], names) if samples[0].columns else _of_line(samples, names)
    best: tuple[tuple[int, int, bool], str] | None = None
    others = list(others)
    for regex in regexes:
        if len(regex) > _LONGEST:
            continue
        compiled = re.compile(regex)
        right = sum(_reads(compiled, sample, names, samples) for sample in samples)
        foreign = sum(compiled.search(text) is not None for text in others)
        if exact and (foreign or right < len(samples)):
            continue
        merit = (right, -foreign, len(regex) < _WIDE)
        if _reads(compiled, samples[0], names, samples) and (best is None or merit > best[0]):
            best = merit, regex
    return None if best is None else (best[1], {group: metric for metric, group in names.values()})


def block(name: str, regex: str, metrics: Mapping[str, str]) -> str:
    """The `[[pattern]]` block as TOML."""
    renamed = any(group != metric for group, metric in metrics.items())
    lines = ["[[pattern]]", f"name = {_toml(name)}", f"regex = {_toml(regex)}"]
    if renamed:
        pairs = ", ".join(f"{group} = {_toml(metric)}" for group, metric in metrics.items())
        lines.append(f"metrics = {{ {pairs} }}")
    return "\n".join(lines)


def _toml(text: str) -> str:
    plain = "'" not in text and text.isprintable()
    return f"'{text}'" if plain else json.dumps(text, ensure_ascii=not text.isprintable())


def _metrics_of(samples: Sequence[SampleLine]) -> dict[str, tuple[str, str]]:
    """By the name in the line: what the value is stored as, and its group."""
    result: dict[str, tuple[str, str]] = {}
    taken = set(_PLACES)
    for value in samples[0].sketch.values:
        metric = next((s.names[value.name] for s in samples if value.name in s.names), value.name)
        group = re.sub(r"[^a-z0-9]+", "_", metric.lower()).strip("_")
        if not group or group[0].isdigit() or not re.search("[a-z]", group):
            group = f"value_{group}".strip("_")
        while group in taken:
            group += "_"
        taken.add(group)
        result[value.name] = (metric, group)
    return result


def _groups_of_counts(samples: Sequence[SampleLine]) -> list[tuple[Count, str, str]]:
    """The counters that place the first sample, with the groups for them and for what they are out of."""
    sketch = samples[0].sketch
    epoch = sketch.count(EPOCH)
    counter = sketch.count(GLOBAL, STEP, BATCH, FRACTION, LEAD, ROUND, SAMPLES)
    result = []
    is_pair = counter is not None and counter.kind == BATCH and counter.total is not None and epoch is None
    if counter is not None and is_pair and samples[0].step not in (None, counter.value):
        return [(counter, "epoch", "batch")]  # `Batch 2/100`, and the epoch is 2
    if counter is not None:
        other = [
            c for s in samples for c in s.sketch.counts if c.kind == counter.kind and c.word == counter.word
        ]
        counts_through = len(other) == len(samples) and all(
            s.step in (c.value, None) for s, c in zip(samples, other, strict=True)
        )
        within = counter.kind in (BATCH, FRACTION) or (counter.kind != STEP and epoch is not None)
        through = counts_through and not within
        result.append((counter, "step" if through else "batch", "total"))
        if through:
            return result
    if epoch is not None:
        result.append((epoch, "epoch", "epochs"))
    return result


def _of_line(samples: Sequence[SampleLine], names: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Regexes for lines like the first sample: the part with the numbers, the whole line, only the names."""
    text = samples[0].text
    slots = sorted(_slots(samples, names), key=lambda slot: slot.begin)
    if not slots:
        return
    text_tokens = tokens(blanked(text))
    first, last = slots[0], slots[-1]
    middle, between = "", ""
    for before, slot in zip([None, *slots], slots, strict=False):
        gap = _literal(text, before.end, slot.begin, text_tokens) if before is not None else ""
        middle += gap + slot.pattern
        if before is None:
            between = _literal(text, slot.lead, slot.begin, text_tokens) + slot.pattern
        elif slot.begin - before.end < _NEAR or slot.lead <= before.end:
            between += gap + slot.pattern
        else:
            between += (
                ".*?"
                + _word(text, slot.lead)
                + _literal(text, slot.lead, slot.begin, text_tokens)
                + slot.pattern
            )
        if slot.tail > slot.end:
            between += _literal(text, slot.end, slot.tail, text_tokens)
    tail = _literal(text, last.end, max(last.end, last.tail), text_tokens)
    lead = _word(text, first.lead) + _literal(text, first.lead, first.begin, text_tokens)
    yield lead + middle + tail
    yield "^" + _literal(text, 0, first.begin, text_tokens) + middle + tail
    yield (
        "^"
        + _literal(text, 0, first.begin, text_tokens)
        + middle
        + _literal(text, last.end, len(text), text_tokens)
        + "$"
    )
    yield between
    yield "^" + _literal(text, 0, first.lead, text_tokens) + between


def _slots(samples: Sequence[SampleLine], names: Mapping[str, tuple[str, str]]) -> Iterator[_Slot]:
    text = samples[0].text
    text_tokens = tokens(blanked(text))
    sketch = scan(blanked(text), list(text_tokens))
    by_begin = {token.begin: index for index, token in enumerate(text_tokens)}
    for count, group, total in _groups_of_counts([SampleLine(text, sketch, samples[0].step), *samples[1:]]):
        if count.at not in by_begin:
            continue
        at = by_begin[count.at]
        yield _slot(text, text_tokens, at, group, count.word)
        if count.total is not None and count.total_at in by_begin:
            at = by_begin[count.total_at]
            yield _slot(text, text_tokens, at, total, "")
    if sketch.rank_at in by_begin:
        yield _slot(text, text_tokens, by_begin[sketch.rank_at], "rank", "rank")
    for value in sketch.values:
        if value.at in by_begin and value.name in names:
            slot = _slot(text, text_tokens, by_begin[value.at], names[value.name][1], value.name)
            behind = re.match(r"\s+" + re.escape(value.unit), text[slot.end :]) if value.unit else None
            if behind is not None:  # `812.4 GFLOP/s`
                slot.end, slot.tail, slot.has_unit = slot.end + behind.end(), slot.end + behind.end(), True
                slot.open = text[slot.end : slot.end + 1] in _ENDS
            yield slot


def _slot(text: str, text_tokens: Sequence[Token], at: int, group: str, name: str) -> _Slot:
    token = text_tokens[at]
    begin = token.begin
    end = token.begin + len(token.text.rstrip(".")) if group in _PLACES else token.end
    before = max((t.end for t in text_tokens[:at] if t.kind == NUMBER), default=0)
    lead = text.lower().rfind(name.lower(), before, begin) if name.strip("[") else -1
    tail = end
    if lead < 0:
        lead = text_tokens[at - 1].begin if at and text_tokens[at - 1].kind == WORD else begin
        behind = text_tokens[at + 1] if at + 1 < len(text_tokens) else None
        named = name and text.find(name, end, end + _CONTEXT) >= 0
        if named:
            tail, lead = text.find(name, end) + len(name), begin
        elif group in _PLACES and behind is not None and behind.key in COUNTERS and lead == begin:
            tail = behind.end
    return _Slot(group, begin, end, lead, tail, text[end : end + 1] in _ENDS)


def _word(text: str, begin: int) -> str:
    return r"\b" if text[begin : begin + 1].isalnum() and begin and not text[begin - 1].isalnum() else ""


def _literal(text: str, begin: int, end: int, text_tokens: Sequence[Token]) -> str:
    """The text from `begin` to `end` as a pattern: numbers and the width of gaps may vary."""
    parts, at = [], begin
    for token in text_tokens:
        if token.begin < at or token.end > end or token.kind == WORD:
            continue
        parts.append(_escaped(text[at : token.begin]))
        if token.kind == NUMBER:
            parts.append(_ANYTHING + re.escape(text[token.begin + len(token.text) : token.end]))
        else:
            parts.append(re.sub(r"\d+", r"\\d+", re.escape(text[token.begin : token.end])))
        at = token.end
    parts.append(_escaped(text[at:end]))
    return "".join(parts).replace(r"\ ", " ")


def _escaped(text: str) -> str:
    """Blanks may be wider or narrower, bars longer, digits others."""
    parts = []
    for part in re.split(r"(\d{1,3}%\|[^|]*\|)", text):
        if part.endswith("|") and "%|" in part:
            parts.append(r"\d+%\|[^|]*\|")
            continue
        escaped = _HARMLESS.sub(r"\1", re.escape(part))
        escaped = re.sub(r"(?<![^\W_]) +|\t+| +(?![^\W_])", r"\\s*", escaped)
        escaped = re.sub(r" +", r"\\s+", escaped)
        parts.append(re.sub(r"\d+", r"\\d+", escaped))
    return "".join(parts)


def _of_row(sample: SampleLine, names: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """A regex for the rows of a table: as many cells, those of numbers that count as groups."""
    counts = {count.word: group for count, group, _ in _groups_of_counts([sample])}
    bordered = sample.text[:1] in "|│┃║"
    gap, other = (r"\s*[|│┃║]\s*", "[^|│┃║]*?") if bordered else (r"\s+", r"\S+")
    cells = []
    for column, _ in zip(sample.columns, cells_of(sample.text), strict=False):
        if column in names:
            cells.append(rf"(?P<{names[column][1]}>{_NUMBER})")
        elif column.lower() in counts:
            cells.append(rf"(?P<{counts[column.lower()]}>{_WHOLE})")
        else:
            cells.append(other)
    yield f"^{gap if bordered else ''}" + gap.join(cells) + (gap if bordered else "$")


def _reads(
    regex: re.Pattern[str],
    sample: SampleLine,
    names: Mapping[str, tuple[str, str]],
    samples: Sequence[SampleLine],
) -> bool:
    """Does the regex find in a line what the sketch of it holds?"""
    match = regex.search(sample.text)
    if match is None:
        return False
    printed = match.groupdict()
    for value in sample.sketch.values:
        quantity = measure(printed.get(names[value.name][1]) or "") if value.name in names else None
        if quantity is None or repr(quantity.value) not in (repr(value.value), repr(value.value * 1000)):
            return False
    groups = [(group, count.value) for count, group, _ in _groups_of_counts([sample, *samples])]
    return all(int((printed.get(group) or "-1").replace(",", "")) == value for group, value in groups)
