"""What `lensd doctor` shows of a text log: the shapes of its lines, what each became, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lensd.adapter import Diagnosis, LineShape
from lensd.model import Batch
from lensd.tail import Line
from lensd_log.cursor import LogCursor
from lensd_log.line.record import ParsedLine, Record
from lensd_log.names import METRIC_LIKE
from lensd_log.placement import ROWS_PER_LINE
from lensd_log.proposal import SampleLine, block, propose
from lensd_log.structure.hearing import names_metric
from lensd_log.structure.reader import STRUCTURE, StructureLine
from lensd_log.structure.reasons import left_over, why_not
from lensd_log.structure.scan import scan
from lensd_log.structure.sketch import Sketch
from lensd_log.structure.steps import Place
from lensd_log.structure.tokens import LONGEST, blanked, cleaned, tokens
from lensd_log.structure.waiting import looks_measured
from lensd_log.structure.words import is_strong

_SAMPLES = 3  # lines that say nothing
_WIDEST = 160
_MOST_SHAPES = 400
_MOST_PENDING = 5000  # lines whose fate is not known yet
_KEPT = 12  # lines of a shape from which a pattern is made
_MOST_NAMES = 6  # of a known log format, that are listed
_NO_DIGITS = str.maketrans("", "", "0123456789")


@dataclass(slots=True)
class _Shape:
    """A shape while it is read. key: of the structural reader. box: its lines are the rows of a box. names,
    step: the metrics of a known log format, and the step of the first line. last: the line counted last."""

    report: LineShape
    key: str = ""
    samples: list[SampleLine] = field(default_factory=list)
    box: bool = False
    names: dict[str, None] = field(default_factory=dict)
    step: int | None = None
    last: int = 0


@dataclass(slots=True)
class _Seen:
    """What the structural reader has found in a line."""

    line: StructureLine
    key: str
    sketch: Sketch
    place: Place


class DiagnosisBuilder:
    """Makes a diagnosis of the lines and batches of one reading. `see` is shown what the structural reader
    finds (`Recognition.watch`)."""

    def __init__(self) -> None:
        self.diagnosis = Diagnosis()
        self._shapes: dict[str, _Shape] = {}
        self._seen: list[_Seen] = []
        self._naming: list[str] = []  # samples that name a metric
        self._first_row = ""  # of the box that is open
        self._pending: dict[int, tuple[_Shape, SampleLine]] = {}

    def see(self, line: StructureLine, key: str, sketch: Sketch, place: Place) -> None:
        self._seen.append(_Seen(line, key, sketch, place))

    def add_line(self, line: Line, parsed_line: ParsedLine | None, cursor: LogCursor) -> None:
        """Add a line that was read and is not placed yet. Placing fills in the steps of its records."""
        diagnosis = self.diagnosis
        diagnosis.lines += 1
        sightings, self._seen = self._seen, []
        if parsed_line is None or parsed_line.blank or parsed_line.entry is None:
            return
        text = parsed_line.entry.text
        diagnosis.naming += len(text) <= LONGEST and names_metric(text)
        shown = printable(line.text)
        for seen in sightings:
            self._add_seen(seen, text, parsed_line.entry.states, shown, cursor)
            if parsed_line.unparsed and seen.key in self._shapes:
                self._shapes[seen.key].report.metric_like = True
        if cursor.structure.get("box", {}).get("line") == cursor.lines:
            self._first_row = shown
        records = [record for record in parsed_line.records or () if record.values or record.labels]
        for record in records:
            _count(diagnosis.step_from, _step_origin(record))
            _count(diagnosis.time_from, _time_origin(record, parsed_line))
        name = parsed_line.log_format.name if parsed_line.log_format is not None else ""
        if name and name != STRUCTURE.name:
            self._add_known(name, parsed_line, records, shown)
        elif not name and not sightings:
            self._add_silent(text, parsed_line, shown)
        for earlier in parsed_line.earlier:
            self._store(earlier.line, earlier.record)
            _count(diagnosis.step_from, _step_origin(earlier.record))
            _count(diagnosis.time_from, _time_origin(earlier.record, parsed_line))
        if name == STRUCTURE.name:
            for record in records:
                self._store(cursor.lines, record)

    def add_rest(self, record: Record) -> None:
        """Add a record that waited until nothing more came."""
        _count(self.diagnosis.step_from, _step_origin(record))
        for number, (_, sample) in reversed(self._pending.items()):
            names = [value.name for value in sample.sketch.values]
            if not sample.names and all(name.endswith(tuple(names)) for name, _ in record.values):
                self._store(number, record)
                return

    def add_batch(self, batch: Batch) -> None:
        self.diagnosis.add(batch, ROWS_PER_LINE)

    def finish(self, cursor: LogCursor) -> Diagnosis:
        """The diagnosis, with the shapes and the reasons. cursor: after the last line."""
        diagnosis, states = self.diagnosis, cursor.structure.get("shapes", {})
        for shape in self._shapes.values():
            report = shape.report
            if report.stored:
                _count(diagnosis.log_formats, report.log_format, report.stored)
            diagnosis.matched += report.stored
            if shape.key:
                self._explain(shape, states)
            elif shape.names:
                names = list(shape.names)
                more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
                step = "" if shape.step is None else f"step {shape.step}; "
                report.slots = [f"{step}metrics {', '.join(names[:_MOST_NAMES])}{more}"]
            if report.metric_like:
                diagnosis.metric_like += report.lines - report.stored
        diagnosis.samples = [*self._naming, *diagnosis.samples][:_SAMPLES]
        diagnosis.shapes = sorted(
            (shape.report for shape in self._shapes.values() if shape.report.slots or shape.report.why),
            key=lambda report: (-report.points, not report.metric_like, -report.lines),
        )
        return diagnosis

    def _shape(self, key: str, log_format: str, line: int, example: str) -> _Shape:
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _MOST_SHAPES:
                key, example = "", "(lines of many other shapes)"
            shape = self._shapes.setdefault(
                key, _Shape(LineShape(log_format=log_format, line=line, example=example))
            )
        return shape

    def _add_seen(self, seen: _Seen, text: str, states: Sequence[str], shown: str, cursor: LogCursor) -> None:
        sketch, number = seen.sketch, seen.line.number
        is_box = number != cursor.lines or not seen.line.text
        if not sketch.values:
            return
        shape = self._shape(seen.key, STRUCTURE.name, number, (is_box and self._first_row) or shown)
        shape.key, shape.box = seen.key, is_box
        if shape.last != number:  # a redrawn line has many states
            shape.report.lines, shape.last = shape.report.lines + 1, number
        measured = any(looks_measured(value.name, value.value) for value in sketch.values)
        shape.report.metric_like = shape.report.metric_like or measured
        table = cursor.structure.get("table", {})
        sample = SampleLine(text, sketch, seen.place.step)
        if len(states) > 1:
            sample.text = next((state for state in states if _is_sketch_of(state, sketch)), text)
        if not is_box and not _is_sketch_of(sample.text, sketch):
            sample.columns = table.get("names", ())
        if len(self._pending) < _MOST_PENDING:
            self._pending[number] = shape, sample
        if len(shape.samples) < _KEPT:
            shape.samples.append(sample)
        else:
            shape.samples[-1] = sample

    def _add_known(self, name: str, parsed_line: ParsedLine, records: Sequence[Record], shown: str) -> None:
        if not records and not parsed_line.unparsed:
            return  # a header, or a bar
        shape = self._shape(f"{name}|{bool(records)}", name, self.diagnosis.lines, shown)
        shape.report.lines += 1
        if not records:
            shape.report.metric_like, shape.report.why = True, f"it is cut off, or no valid line of {name}"
            return
        if not shape.report.stored:
            shape.step = records[0].step
        shape.report.stored += 1
        shape.report.points += sum(len(record.values) + len(record.labels) for record in records)
        for record in records:
            shape.names.update(dict.fromkeys(name for name, _ in (*record.values, *record.labels)))

    def _add_silent(self, text: str, parsed_line: ParsedLine, shown: str) -> None:
        """A line that nothing was found in."""
        if not parsed_line.unparsed:
            samples = self._naming if names_metric(text[:LONGEST]) else self.diagnosis.samples
            if len(samples) < _SAMPLES:
                samples.append(shown)
            return
        shape = self._shape(f"silent|{text[:200].translate(_NO_DIGITS)}", "", self.diagnosis.lines, shown)
        shape.report.lines += 1
        shape.report.metric_like = True
        if len(text) > LONGEST:
            shape.report.why = f"the line is longer than {LONGEST} characters"
        elif text[:2] in ('{"', "{'"):
            shape.report.why = "a dict over several lines, or cut off: taken for a configuration"
        elif METRIC_LIKE.search(cleaned(text)) is None:
            shape.report.why = "its numbers are part of the name of a file"
        else:
            shape.report.why = "no number in it has a name that stands in a record"

    def _store(self, number: int, record: Record) -> None:
        """The line `number` has become a record."""
        shape, sample = self._pending.get(number, (None, None))
        if shape is None or sample is None:
            return
        shape.report.stored = min(shape.report.lines, shape.report.stored + 1)
        shape.report.points += len(record.values)
        for value in sample.sketch.values:
            for name, _ in record.values:
                if name == value.name or name.endswith(f"/{value.name}"):
                    sample.names.setdefault(value.name, name)
        sample.step = record.step if record.step is not None else sample.step

    def _explain(self, shape: _Shape, states: dict[str, dict[str, object]]) -> None:
        report, sample = shape.report, shape.samples[0]
        report.slots = list(_slots(shape))
        if not report.stored:
            report.why = why_not(sample.sketch, states.get(shape.key))
            if sample.text[:1] == "{" and report.lines == 1 and not sample.sketch.counts:
                report.why = "a dict that is printed once, without a counter: taken for a configuration"
            state = states.get(shape.key)
            rises = report.lines > 1 and state is not None and bool(state["up"] and state["changed"])
            named = any(is_strong(value.name) for value in sample.sketch.values)
            report.likely = rises or (named and (report.lines > 1 or bool(sample.sketch.counts)))
        if shape.box:
            return
        others = [s.text for o in self._shapes.values() if o is not shape for s in o.samples[:4]]
        proposal = propose(shape.samples, others, exact=bool(report.stored))
        if proposal is not None:
            report.pattern = block(f"like-line-{report.line}", *proposal)


def _slots(shape: _Shape) -> Iterator[str]:
    """What each number of the first line became."""
    sample = shape.samples[0]
    sketch, stored = sample.sketch, bool(shape.report.stored)
    counters = []
    for count in sketch.counts:
        total = f"/{count.total}" if count.total is not None else ""
        counters.append(f"{count.word.strip('[') or count.kind} {count.value}{total}")
    if sample.columns or shape.box:
        counters = counters and [f"{', '.join(counters)} of the {'box' if shape.box else 'table'}"]
    step = f"step {sample.step}" if sample.step is not None else "no step"
    if counters:
        yield f"{', '.join(counters)} -> {step}"
    elif sample.step is not None:
        yield f"no counter: {step} of the lines above"
    elif stored:
        yield "no counter: the ordinal of the record is its step"
    values = []
    for value in sketch.values[:_MOST_NAMES]:
        name = next((s.names[value.name] for s in shape.samples if value.name in s.names), None)
        became = f"metric {name}" if name else ("nothing" if stored else f"would be {value.name}")
        values.append(f"{value.value:g}{value.unit} -> {became}")
    more = len(sketch.values) - len(values)
    yield "; ".join(values) + (f"; and {more} more" if more > 0 else "")
    if not shape.box and not sample.columns and len(sample.text) <= LONGEST:
        text = blanked(sample.text)
        text_tokens = tokens(text)
        left = left_over(text, text_tokens, scan(text, list(text_tokens))) if text_tokens else []
        if left:
            yield "left out: " + "; ".join(left)


def _is_sketch_of(text: str, sketch: Sketch) -> bool:
    text = blanked(text)
    text_tokens = tokens(text)
    read_alone = scan(text, text_tokens) if text_tokens else Sketch()
    values, others = ([value.value for value in one.values] for one in (read_alone, sketch))
    return read_alone.shape() == sketch.shape() and repr(values) == repr(others)


def _step_origin(record: Record) -> str:
    if record.step is not None:
        return "printed, in the line or in a header above it"
    return "the training step before it" if record.evaluation else "none printed: the record's ordinal"


def _time_origin(record: Record, parsed_line: ParsedLine) -> str:
    if record.ts_ms is not None or record.printed_time:
        return "a field of the record"
    if parsed_line.stamp is not None:
        return (
            "printed in the line"
            if parsed_line.stamp.ms is not None
            else "printed in part, the rest from the file"
        )
    if parsed_line.container_ms is not None:
        return "the container's prefix"
    return "none printed: a line just before it, or inferred from the file's own time"


def _count(origins: dict[str, int], origin: str, number: int = 1) -> None:
    origins[origin] = origins.get(origin, 0) + number


def printable(text: bytes) -> str:
    """A line that a terminal can show: no control characters, at most 160 characters."""
    head = text[: 4 * _WIDEST].decode("utf-8", "replace")
    line = "".join(c if c.isprintable() else " " for c in head).strip()
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."
