"""Shapes that are settled: all that their further lines bring is numbers.

Their lines may be read together (see `fast`). What is here says when that is so, and moves the state of the
structural reader on as it would have been moved line by line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lensd.model import Ints
from lensd_log.line.record import State
from lensd_log.structure import boxes, evidence, hearing, naming, waiting
from lensd_log.structure.plans import Freedom, Sketcher
from lensd_log.structure.reader import KNOWN, MOST_NAMES, StructureLine, catch_up, key_of, note_header, prove
from lensd_log.structure.sketch import Sketch
from lensd_log.structure.steps import leaves_pair_open

_LONGEST = 1000  # characters: with all digits that may be added it is still read


@dataclass(slots=True)
class Outline:
    """What the lines of a shape say, but for their numbers.

    sketch: of a sample. key: of the shape. table: the columns' names, where the line is a row of an open
    table. freedom: which digits of the text may vary.
    """

    sketch: Sketch
    key: str
    table: list[str] | None
    freedom: Freedom

    def is_like(self, other: Outline) -> bool:
        """Do two lines differ in numbers alone?"""
        one, two = self.sketch, other.sketch
        return (
            (self.key, self.table, one.rank, one.phase) == (other.key, other.table, two.rank, two.phase)
            and [(c.kind, c.word, c.total is None) for c in one.counts]
            == [(c.kind, c.word, c.total is None) for c in two.counts]
            and [(v.name, v.unit, v.phase) for v in one.values]
            == [(v.name, v.unit, v.phase) for v in two.values]
        )


def outline(text: str, state: State, sketcher: Sketcher) -> Outline | None:
    """The outline of a line that no log format reads. None where more than numbers may matter to it."""
    if len(text) > _LONGEST or "box" in state:
        return None
    table = state.get("table")
    row = None if table is None else boxes.row_of(text, table["names"])
    if table is not None and row is not None:
        return Outline(row, key_of(row, row.phase_word), table["names"], Freedom())
    if not hearing.may_speak(text) or boxes.is_rule(text) or boxes.names_of_header(text):
        return None
    if table is not None or boxes.box_row(text, sketcher) is not None:
        return None
    sketch, freedom = sketcher.sketch(text), sketcher.freedom(text)
    if sketch.code or freedom is None or not (sketch.values or sketch.counts):
        return None
    if sketch.phase is not None and not sketch.values:  # it is the title of the lines below
        return None
    return Outline(sketch, key_of(sketch, sketch.phase_word), None, freedom)


def is_settled(outline: Outline, state: State) -> bool:
    """Do lines of this shape bring nothing but numbers from here on?"""
    table, at, sketch = state.get("table"), state.get("at", {}), outline.sketch
    if "box" in state or (None if table is None else table["names"]) != outline.table:
        return False
    if leaves_pair_open(sketch, at) or ("phase" in at and not sketch.counts):
        return False
    if not sketch.values:
        return True
    shape = state.get("shapes", {}).get(outline.key)
    if shape is None or evidence.is_watched(shape):
        return False
    names, last = state.get("names", {}), state.get("last", {})
    for value in sketch.values:
        name = value.name
        if value.phase is None:
            if name.lower() not in names and len(names) < MOST_NAMES:
                return False
            name = naming.name_of(dict(names), name, sketch.phase, sketch.phase_word)
        if last.get(name) == KNOWN or (name not in last and len(last) < MOST_NAMES):
            return False
    return True


def near_rows(outline: Outline, state: State, numbers: Ints) -> int:
    """How many of the lines with these numbers, ascending, are rows of the table that is open. All of them
    where the shape is not that of a row."""
    if outline.table is None:
        return len(numbers)
    distances = np.diff(numbers, prepend=state["table"]["line"])
    return int(np.argmax(distances > boxes.STALE)) if (distances > boxes.STALE).any() else len(numbers)


def begin(state: State, number: int, last_step: int | None) -> State:
    """Note that lines of settled shapes follow, the first of which has this number. Returns `at`."""
    at: State = state.setdefault("at", {})
    catch_up(at, StructureLine("", number, last_step=last_step), state)
    naming.claimed(waiting.names(state), state.setdefault("names", {}))
    return at


def pass_lines(outline: Outline, state: State, count: int, last: int, step: int | None) -> None:
    """Note that `count` lines of this shape were read, the last one of which has the number `last` and this
    step."""
    if outline.table is not None:
        state["table"]["line"] = last
    if not outline.sketch.values:
        note_header(state["at"], outline.sketch, last)
        return
    shape = state["shapes"][outline.key]
    shape["seen"] = last
    if shape["proved"] == 1:
        prove(state, last, count)
    for name, *_ in series_of(outline, state):
        if name in state["last"]:
            state["last"][name] = step


def series_of(outline: Outline, state: State) -> list[tuple[str, str, float, float]]:
    """For each value: the name of its series, its unit there, and by what it is multiplied and divided to be
    at the scale of the series."""
    names, units, sketch = state["names"], state.setdefault("units", {}), outline.sketch
    result = []
    for value in sketch.values:
        name = value.name
        if value.phase is None:
            name = naming.name_of(names, name, sketch.phase, sketch.phase_word)
        result.append((name, *naming.scale_of(units, name, value.unit)))
    return result
