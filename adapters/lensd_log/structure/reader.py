"""The structural reader: from lines to records, without a list of formats.

    text -> sketch (counters, values with names, phase) -> place (step composer) -> shape
         -> waiting room, until the shape has proved itself -> names and scales -> records

Everything it remembers is in the state it is given: JSON, of bounded size, kept in the cursor. It gives
records for the line it reads and for earlier lines that have just been proved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lensd_log.line.record import EarlierRecord, Entry, LogFormat, Record, State
from lensd_log.structure import boxes, evidence, hearing, naming, waiting
from lensd_log.structure.plans import Sketcher
from lensd_log.structure.sketch import Count, Sketch, Value
from lensd_log.structure.steps import Place, decides_ratio, place
from lensd_log.structure.tokens import LONGEST
from lensd_log.structure.waiting import Composed
from lensd_log.structure.words import EPOCH, TRAIN, phase_of

_MOST_SHAPES = 256
MOST_NAMES = 256
KNOWN = "known"  #: the last step of a name that another log format prints
_PHASE_LINES = 20  # that a header's phase holds for
_HEADER_WORDS = 6


#: The log format of lines that the structural reader has read.
STRUCTURE = LogFormat("structure", lambda entry, state: None, generic=True)


@dataclass(slots=True)
class StructureLine:
    """A line whose prefixes are stripped. number: its ordinal in the input, from 1. stamped: a time stood in
    front of it. states: what a redrawn line showed. last_step: of training, as far as the lines above are
    placed."""

    text: str
    number: int
    rank: int | None = None
    stamped: bool = False
    states: Sequence[str] = ()
    last_step: int | None = None


#: Is shown every line that counters or values were found in: the line, the key of its shape, and where it is.
Watch = Callable[[StructureLine, str, Sketch, Place], None]


class StructuralReader:
    """Holds nothing that a result depends on."""

    def __init__(self) -> None:
        self.sketcher = Sketcher()
        self.watch: Watch | None = None

    def read(self, line: StructureLine, state: State) -> list[EarlierRecord]:
        """The records of one line, and those of earlier lines that it proves. Moves `state` on."""
        if len(line.states) < 2:
            return self._read(line.text, line, state)
        placed: list[EarlierRecord] = []
        before = ""
        for text in line.states:
            text = text.strip()
            if text and text != before:
                placed += self._read(text, line, state)
            before = text
        return _last_of_each(placed)

    def read_header(self, entry: Entry, state: State) -> None:
        """Take the epoch from a line that another log format has read, without values (`Epoch 1/24`)."""
        if len(entry.states) == 1 and hearing.names_epoch(entry.text):
            read = self.sketcher.sketch(entry.text)
            epoch = read.count(EPOCH)
            if epoch is not None and not read.values and not read.code:
                header = Sketch(counts=[epoch])
                place(header, read.phase, state.setdefault("at", {}))

    def place_records(self, records: Iterable[Record], line: StructureLine, state: State) -> list[Record]:
        """Those of `records` that have values, at the step that their counters and the lines above tell."""
        at = state.setdefault("at", {})
        catch_up(at, line, state)
        placed = []
        for record in records:
            counts = [Count(kind, value, total) for kind, value, total in record.counters or ()]
            values = [Value(name, value) for name, value in record.values]
            where = place(Sketch(counts, values), phase_of(values[0].name) if values else None, at)
            record.step, record.evaluation, record.target = where.step, where.evaluation, where.target
            if record.values:
                placed.append(record)
        return placed

    def hears(self, entry: Entry, number: int, state: State) -> bool:
        """Can a line say anything here? Most lines of most texts cannot."""
        text = entry.text
        if len(text) > LONGEST or hearing.is_example(text):
            return False
        if len(entry.states) > 1 or listens(state) or evidence.is_near(state, number):
            return True
        at = state.get("at", {})
        if "header" in at and number - at["header"] < _PHASE_LINES:
            return True
        if "phase" in at and number - at["phase_line"] <= _PHASE_LINES:
            return True
        return hearing.may_speak(text)

    def is_inert(self, text: str) -> bool:
        """Does a line say nothing, whatever its digits are?"""
        if len(text) > LONGEST or hearing.is_example(text):
            return True
        if not hearing.may_speak(text) and not hearing.has_digit(text):
            return True
        read = self.sketcher.sketch(text)
        silent = not read.values and not read.counts and read.phase is None
        return silent and not boxes.may_belong(text)

    def results(self, lines: int, state: State) -> list[Record]:
        """What the end of a file of so many lines tells: the last box, and what an evaluation has printed
        where the file holds nothing else."""
        placed = self._close_box(StructureLine("", lines), state) if "box" in state else []
        if state.get("proved") or "known_line" in state:
            return [earlier.record for earlier in placed]
        last_lines = waiting.results(state, lines - evidence.NEAR)
        for line in last_lines:
            placed += self._name([line], state, None)
            placed[-1].record.ts_ms = line.ts_ms
        if last_lines:
            del state["waiting"]
        return [earlier.record for earlier in placed]

    def _read(self, text: str, line: StructureLine, state: State) -> list[EarlierRecord]:
        row = boxes.box_row(text, self.sketcher)
        if row is not None:
            placed = []
            if "box" in state and boxes.has_row(state["box"], row):
                placed = self._close_box(line, state)
            box = state.setdefault("box", {"line": line.number, "ts": None, "rank": line.rank})
            boxes.add_row(box, row)
            return placed
        is_rule = boxes.is_rule(text)
        if is_rule and not boxes.closes(text):
            return []
        placed = self._close_box(line, state) if "box" in state else []
        if is_rule:
            return placed
        row = boxes.table_row(text, line.number, state)
        return placed + self._take(row or self.sketcher.sketch(text), line, state)

    def _close_box(self, line: StructureLine, state: State) -> list[EarlierRecord]:
        """The record of the rows above. It belongs to the first of them."""
        box = state.pop("box")
        whole = boxes.sketch_of_box(box)
        if not whole.values:
            return []
        first = StructureLine("", box["line"], box["rank"], last_step=line.last_step)
        placed = self._take(whole, first, state)
        waiting.set_time(state, box["line"], box["ts"])
        for record in placed:
            record.ts_ms = box["ts"] if record.line == box["line"] else record.ts_ms
        return placed

    def _take(self, read: Sketch, line: StructureLine, state: State) -> list[EarlierRecord]:
        if not read.values and not read.counts:
            if read.phase is not None and read.words <= _HEADER_WORDS:
                at = state.setdefault("at", {})
                catch_up(at, line, state)
                at.update(phase=read.phase, word=read.phase_word, phase_line=line.number)
            return []
        at = state.setdefault("at", {})
        catch_up(at, line, state)
        phase, word = read.phase, read.phase_word
        if read.counts:
            at.pop("phase", None)
            note_header(at, read, line.number)
            if phase is not None and not read.values and read.words <= _HEADER_WORDS:
                at.update(phase=phase, word=word, phase_line=line.number)  # `Validation Results, Epoch 3:`
        elif phase is None and "phase" in at and line.number - at["phase_line"] <= _PHASE_LINES:
            phase, word = at["phase"], at["word"]
        if decides_ratio(read, phase, at):
            shapes = state.get("shapes", {})
            for key, step in waiting.settle_pairs(state, at):
                if key in shapes:
                    evidence.observe_step(shapes[key], step, None)
        where = place(read, phase, dict(at) if read.code else at)
        key = key_of(read, word)
        if self.watch is not None:
            self.watch(line, key, read, where)
        if not read.values:
            return []
        rank = read.rank if read.rank is not None else line.rank
        composed = Composed(key, line.number, None, rank, where, phase, word, read.values)
        return self._judge(composed, read, line, state)

    def _judge(
        self, composed: Composed, read: Sketch, line: StructureLine, state: State
    ) -> list[EarlierRecord]:
        shapes = state.setdefault("shapes", {})
        shape = shapes.get(composed.key)
        if shape is None:
            _make_room(shapes)
            shape = shapes[composed.key] = evidence.new_shape(line.number)
        step, near = composed.place.step, evidence.is_near(state, line.number)
        near_known = evidence.is_near_known(state, line.number)
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
            titled = composed.phase not in (None, TRAIN)
            if step is None:
                proved = shape["changed"] and evidence.is_pairs_alone(shape, read, line.stamped, titled)
            else:
                at = state["at"]
                headed = line.number - at.get("header", -_PHASE_LINES) < _PHASE_LINES and at["trains"]
                proved = evidence.proves_itself(shape, read, headed)
            agrees = composed.place.own and step == line.last_step
            if proved or (
                step is not None and evidence.passes_door(shape, read, near, near_known, titled, agrees)
            ):
                shape["proved"] = 1 if proved else 2
                since = line.number - evidence.NEAR if proved else None
            elif step is not None and evidence.is_plain_record(read, near):
                prove(state, line.number)
                return self._name([composed], state, line.last_step)
            else:
                if step is not None and evidence.is_plain_record(read, near=True):
                    composed.ready |= waiting.READY
                if evidence.is_result(read):
                    composed.ready |= waiting.RESULT
                waiting.put(state, composed)
                return []
        if shape["proved"] == 1:
            prove(state, line.number)
        waited = waiting.take(state, composed.key, since)
        if step is not None:  # what stood above the first header has no step
            waited = [earlier for earlier in waited if earlier.place.step is not None]
        return self._name([*waited, composed], state, line.last_step)

    def _name(self, lines: list[Composed], state: State, last_step: int | None) -> list[EarlierRecord]:
        names, units = state.setdefault("names", {}), state.setdefault("units", {})
        naming.claimed(waiting.names(state), names)
        last: State = state.setdefault("last", {})
        placed = []
        for line in lines:
            waited = line is not lines[-1]
            pairs, printed = [], {}
            for value in line.values:
                name = value.name
                if value.phase is None:
                    name = naming.name_of(names, name, line.phase, line.word)
                if not line.place.own and last.get(name) == KNOWN:
                    continue  # a summary repeats what a log format that is known has read
                if waited and _is_behind(last, name, line.place.step, last_step):
                    continue
                if last.get(name) != KNOWN and (name in last or len(last) < MOST_NAMES):
                    last[name] = line.place.step
                number, unit = naming.scaled(units, name, value.value, value.unit)
                pairs.append((name, number))
                if unit:
                    printed[name] = unit
            if not pairs:
                continue
            where = line.place
            record = Record(pairs, where.step, where.evaluation, target=where.target, units=printed or None)
            placed.append(EarlierRecord(line.number, line.ts_ms, line.rank, record))
        return placed


def note_header(at: State, read: Sketch, number: int) -> None:
    """Note a line of counters that opens a block, as `Epoch 3`."""
    if not read.values and read.words <= _HEADER_WORDS and evidence.is_worded(read):
        at.update(header=number, trains=evidence.counts_training(read))


def listens(state: State) -> bool:
    """Is a table or a box open, to which a line of numbers alone may belong?"""
    return "table" in state or "box" in state


def claim_names(records: Iterable[Record], state: State) -> None:
    """A log format that is known prints these names: they are taken."""
    for record in records:
        if record.values:
            names = state.setdefault("names", {})
            last = state.setdefault("last", {})
            for name, _ in record.values:
                if not record.evaluation or record.counters is not None:
                    naming.claim(names, name, TRAIN)
                if name not in last and len(last) < MOST_NAMES:
                    last[name] = KNOWN


def catch_up(at: State, line: StructureLine, state: State) -> None:
    """Take over the step of training where another log format has read lines above."""
    last_step = line.last_step
    if last_step is not None and last_step not in (at.get("step"), at.get("seen")):
        at.update(step=last_step, counted=True)
        at.pop("phase", None)
        state["proved_line"], state["known_line"] = line.number, line.number
    at["seen"] = last_step


def _is_behind(last: State, name: str, step: int | None, last_step: int | None) -> bool:
    """Has a series gone on, while this line waited? Its step would begin a new attempt."""
    reached = last.get(name)
    if reached == KNOWN:
        reached = last_step
    return reached is not None and step is not None and step < reached


def prove(state: State, number: int, count: int = 1) -> None:
    """Note that `count` lines, the last of them the line `number`, are of shapes that proved themselves."""
    state["proved"] = state.get("proved", 0) + count
    state["proved_line"] = number


def _make_room(shapes: State) -> None:
    if len(shapes) >= _MOST_SHAPES:
        del shapes[min(shapes, key=lambda key: (shapes[key].get("proved", 0) > 0, shapes[key]["seen"]))]


def key_of(sketch: Sketch, word: str) -> str:
    """The key of a shape, in the phase of this word."""
    return _hash(f"{sketch.shape()}|{word}")


@lru_cache(4096)
def _hash(key: str) -> str:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _last_of_each(placed: list[EarlierRecord]) -> list[EarlierRecord]:
    """Of records of one step that a redrawn line gave, the last one of the same names."""
    last: dict[tuple[int, int | None, tuple[str, ...]], EarlierRecord] = {}
    for earlier in placed:
        names = tuple(name for name, _ in earlier.record.values)
        key = (earlier.line, earlier.record.step, names)
        last.pop(key, None)
        last[key] = earlier
    return list(last.values())
