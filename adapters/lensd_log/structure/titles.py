"""What the words beside the values of a line tell of all of them: the phase of training, the unit."""

from __future__ import annotations

from collections.abc import Sequence

from lensd_log.structure.sketch import Sketch
from lensd_log.structure.tokens import Token
from lensd_log.structure.words import PHASES, TRAIN, UNITS, phase_of


def phase_of_line(words: list[Token], before: int) -> tuple[str | None, str]:
    """The phase that these words name, as printed: the last one in front of the values, else the first
    (but for a `new best!` behind them)."""
    phases = [word for word in words if word.key in PHASES and (word.end <= before or word.key != "best")]
    if not phases:
        return None, ""
    ahead = [word for word in phases if word.end <= before]
    word = ahead[-1] if ahead else phases[0]
    return PHASES[word.key], word.text


def take_phase_of_first(sketch: Sketch) -> None:
    """`val Loss: 0.25 Acc: 0.9`: the phase of the first name is that of the others."""
    first = sketch.values[0]
    if first.phase is None or any(value.phase is not None for value in sketch.values[1:]):
        return
    word = first.name.split()[0].rstrip(".")
    if word != first.name and word.lower() in PHASES:
        sketch.phase, sketch.phase_word = first.phase, word
    elif word != first.name and phase_of(word) is not None:  # `dev-clean wer 31.2 cer 12.1`
        for value in sketch.values[1:]:
            value.name, value.phase = f"{word}/{value.name}", first.phase


def tell_apart(sketch: Sketch, sections: Sequence[Token | None]) -> None:
    """`Train: loss 0.3 acc 0.9 || Test: loss 0.5 acc 0.8`: one line, two phases. Of one phase, a name that
    is printed again counts once.

    sections: for each value the word of phase in front of it.
    """
    if len({PHASES[section.key] for section in sections if section is not None}) < 2:
        names = [value.name for value in sketch.values]
        sketch.values = [v for at, v in enumerate(sketch.values) if v.name not in names[:at]]
        return
    for value, section in zip(sketch.values, sections, strict=True):
        if value.phase is None and section is not None:
            value.phase = PHASES[section.key]
            if value.phase != TRAIN:
                value.name = f"{section.text}/{value.name}"
    sketch.phase, sketch.phase_word = None, ""


def take_unit_of_title(text: str, words: Sequence[Token], sketch: Sketch) -> None:
    """`time (ms) | forward: 306.62 | backward: 575.17`. words: those that belong to no value."""
    title = next((word for word in words if word.text in UNITS and text[word.end :][:1] == ")"), None)
    if title is not None:
        for value in sketch.values:
            value.unit = value.unit or title.text
