"""The structural reader: from lines to records, without a list of formats.

    text -> sketch (counters, values with names, phase) -> place (step composer) -> shape
         -> waiting room, until the shape has proved itself -> names and scales -> records

Everything it remembers is in the state it is given: JSON, of bounded size, kept in the cursor. It gives
records for the line it reads and for earlier lines that have just been proved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from lensd_log.line.record import Record, State
from lensd_log.structure import boxes, evidence, naming, waiting
from lensd_log.structure.plans import Sketcher
from lensd_log.structure.sketch import Sketch
from lensd_log.structure.steps import decides_ratio, place
from lensd_log.structure.waiting import Composed
from lensd_log.structure.words import EPOCH, TRAIN

_MOST_SHAPES = 256
_PHASE_LINES = 20  # that a header's phase holds for
_HEADER_WORDS = 6


@dataclass(slots=True)
class StructureLine:
    """A line whose prefixes are stripped. number: its ordinal in the input, from 1. stamped: a time stood in
    front of it. ts_ms: that time in UTC, where it is complete. states: what a redrawn line showed."""

    text: str
    number: int
    ts_ms: float | None = None
    rank: int | None = None
    stamped: bool = False
    states: Sequence[str] = ()


@dataclass(slots=True)
class Placed:
    """A record, and the line it belongs to: this one or an earlier one."""

    number: int
    ts_ms: float | None
    rank: int | None
    record: Record


class StructuralReader:
    """Holds nothing that a result depends on."""

    def __init__(self) -> None:
        self._sketcher = Sketcher()

    def read(self, line: StructureLine, state: State) -> list[Placed]:
        """The records of one line, and those of earlier lines that it proves. Moves `state` on."""
        if len(line.states) < 2:
            return self._read(line.text, line, state)
        placed: list[Placed] = []
        before = ""
        for text in line.states:
            text = text.strip()
            if text and text != before:
                placed += self._read(text, line, state)
            before = text
        return _last_of_each(placed)

    def note(self, state: State, number: int, step: int | None, names: Sequence[str], training: bool) -> None:
        """A known format has read a line: where the run is, and which names are taken."""
        _prove(state, number)
        at = state.setdefault("at", {})
        if training:
            if step is not None:
                at["step"] = step
                at["counted"] = True
            at.pop("phase", None)
            for name in names:
                naming.claim(state.setdefault("names", {}), name, TRAIN)

    def _read(self, text: str, line: StructureLine, state: State) -> list[Placed]:
        box = state.get("box")
        row = boxes.box_row(text, self._sketcher)
        if row is not None:
            if box is None:
                box = state["box"] = {
                    "line": line.number, "ts": line.ts_ms, "rank": line.rank, "counts": [], "values": []
                }  # fmt: skip
            boxes.add_row(box, row)
            return []
        is_rule = boxes.is_rule(text)
        if is_rule and not boxes.closes(text):
            return []
        placed: list[Placed] = []
        if box is not None:
            del state["box"]
            whole = boxes.sketch_of_box(box)
            if whole.values:
                first = StructureLine("", box["line"], box["ts"], box["rank"])
                placed = self._take(whole, first, state)
        if is_rule:
            return placed
        row = boxes.table_row(text, line.number, state)
        return placed + self._take(row or self._sketcher.sketch(text), line, state)

    def _take(self, read: Sketch, line: StructureLine, state: State) -> list[Placed]:
        at = state.setdefault("at", {})
        if not read.values and not read.counts:
            if read.phase is not None and read.words <= _HEADER_WORDS:
                at.update(phase=read.phase, word=read.phase_word, phase_line=line.number)
            return []
        phase, word = read.phase, read.phase_word
        if read.counts:
            at.pop("phase", None)
        elif phase is None and "phase" in at and line.number - at["phase_line"] <= _PHASE_LINES:
            phase, word = at["phase"], at["word"]
        if decides_ratio(read, phase, at):
            shapes = state.get("shapes", {})
            for key, step in waiting.settle_pairs(state, at):
                if key in shapes:
                    evidence.observe_step(shapes[key], step, None)
        where = place(read, phase, dict(at) if read.code else at)
        if not read.values:
            return []
        key = _hash(f"{read.shape()}|{word}")
        rank = read.rank if read.rank is not None else line.rank
        composed = Composed(key, line.number, line.ts_ms, rank, where, phase, word, read.values)
        return self._judge(composed, read, line, state)

    def _judge(self, composed: Composed, read: Sketch, line: StructureLine, state: State) -> list[Placed]:
        shapes = state.setdefault("shapes", {})
        shape = shapes.get(composed.key)
        if shape is None:
            _make_room(shapes)
            shape = shapes[composed.key] = evidence.new_shape(line.number)
        step, near = composed.place.step, evidence.is_near(state, line.number)
        if evidence.is_watched(shape):
            epoch = read.count(EPOCH)
            values = [value.value for value in read.values]
            evidence.observe(shape, step, values, epoch.value if epoch else None)
        shape["seen"] = line.number
        if composed.place.pair is not None:
            waiting.put(state, composed)
            return []
        since = None
        if not shape.get("proved"):
            if step is None:
                proved = line.stamped and shape["changed"] and evidence.is_pairs_alone(read)
            else:
                proved = evidence.proves_itself(shape, read)
            if proved or (step is not None and evidence.passes_door(shape, read, near)):
                shape["proved"] = 1 if proved else 2
                since = line.number - evidence.NEAR if proved else None
            elif step is not None and evidence.is_plain_record(read, near):
                _prove(state, line.number)
                return self._name([composed], state)
            else:
                composed.ready = step is not None and evidence.is_plain_record(read, near=True)
                waiting.put(state, composed)
                return []
        if shape["proved"] == 1:
            _prove(state, line.number)
        return self._name([*waiting.take(state, composed.key, since), composed], state)

    def _name(self, lines: list[Composed], state: State) -> list[Placed]:
        names, units = state.setdefault("names", {}), state.setdefault("units", {})
        naming.claimed(waiting.names(state), names)
        placed = []
        for line in lines:
            pairs, printed = [], {}
            for value in line.values:
                name = value.name
                if value.phase is None:
                    name = naming.name_of(names, name, line.phase, line.word)
                number, unit = naming.scaled(units, name, value.value, value.unit)
                pairs.append((name, number))
                if unit:
                    printed[name] = unit
            where = line.place
            record = Record(pairs, where.step, where.evaluation, target=where.target, units=printed or None)
            placed.append(Placed(line.number, line.ts_ms, line.rank, record))
        return placed


def _prove(state: State, number: int) -> None:
    state["proved"] = state.get("proved", 0) + 1
    state["proved_line"] = number


def _make_room(shapes: State) -> None:
    if len(shapes) >= _MOST_SHAPES:
        del shapes[min(shapes, key=lambda key: (shapes[key].get("proved", 0) > 0, shapes[key]["seen"]))]


@lru_cache(4096)
def _hash(key: str) -> str:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _last_of_each(placed: list[Placed]) -> list[Placed]:
    """Of records of one step that a redrawn line gave, the last one of the same names."""
    last: dict[tuple[int, int | None, tuple[str, ...]], Placed] = {}
    for each in placed:
        names = tuple(name for name, _ in each.record.values)
        key = (each.number, each.record.step, names)
        last.pop(key, None)
        last[key] = each
    return list(last.values())
