"""Learns templates from the log formats themselves.

`LogFormat.parse` is the only definition of what a line means. A template is learnt from outside: the runs
of digits of a sample line are changed one after the other, and what changes in the record shows which run
belongs to which number. Then lines of random digits are read both ways. A template that differs anywhere is
thrown away, and the lines of that shape go on being read one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import Literal

import numpy as np

from lensd_log.fast.decimals import Number
from lensd_log.fast.grid import DIGITS, Runs, replaced, starts_of_runs
from lensd_log.fast.probe import Probe, outline_of
from lensd_log.fast.template import Template
from lensd_log.fast.timing import Timing
from lensd_log.fast.trials import is_right
from lensd_log.line.record import ParsedLine, Record
from lensd_log.line.timestamps import parse_iso
from lensd_log.structure.settled import Outline

_MOST_RUNS = 160
_LONGEST = 8192
_NUMBER = re.compile(rb"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_THOUSANDS = re.compile(rb"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_EPOCHS = (1000.0, 1.0, 1e-3, 1e-6)  # of seconds, milliseconds, microseconds, nanoseconds
_WIDEST_RUN = 64  # digits
_OTHER_DIGITS = bytes.maketrans(b"0123456789", b"3456789012")


#: A number of a record: the index of a value, or the step, target or epoch.
#: Of a line that is read by structure: `count` or `total`, and the index of the counter.
Field = int | Literal["step", "target", "epoch"] | tuple[str, int]


class Unsettled(Exception):
    """A shape has not proved yet what it is."""


def learn(line: bytes, probe: Probe) -> Template | None:
    """The template of a line's shape. None where its lines have to be read one by one. Raises Unsettled."""
    runs = starts_of_runs(line)
    if len(runs) > _MOST_RUNS or len(line) > _LONGEST:
        return None
    if any(end - begin > _WIDEST_RUN for begin, end in runs):
        return None
    sample = probe.read(line)
    if sample is None:
        return None
    outline = outline_of(sample)
    if outline is not None and not probe.is_settled(outline):
        raise Unsettled
    if not probe.is_columnar(line, sample) or (outline is not None and sample.unparsed):
        return None
    edges = np.array([0, *(end for _, end in runs)], np.int64)
    gaps = np.array([begin for begin, _ in runs], np.int64) - edges[:-1]
    template = Template(
        line.translate(None, DIGITS), sample, probe.state_of(sample.log_format), probe.specific, gaps
    )
    template.outline = outline
    if outline is not None:
        template.rivals = probe.rivals_of(line)
    if not _find_time(template, line, runs, probe.zone):
        return None
    if outline is not None and not _find_freedom(template, line, runs, _text(sample), outline):
        return None
    numbered = bool(sample.records) or outline is not None
    if numbered and (len(sample.records or ()) > 1 or not _find_numbers(template, line, runs, probe)):
        return None
    if b'{"' in line and not _find_limits(template, line, runs, probe):
        return None
    return template if is_right(template, line, runs, probe) else None


def _text(parsed_line: ParsedLine) -> str:
    return "" if parsed_line.entry is None else parsed_line.entry.text


def _find_freedom(template: Template, line: bytes, runs: Runs, text: str, outline: Outline) -> bool:
    """Find the runs of the text that the structural reader is given. False where it is not in the line as it
    is, or is there twice."""
    part = text.encode()
    begin = line.find(part)
    if begin < 0 or line.find(part, begin + 1) >= 0:
        return False
    first = sum(end <= begin for _, end in runs)
    if len(starts_of_runs(line[: begin + len(part)])) - first != len(starts_of_runs(part)):
        return False  # the text cuts a run
    if first < len(runs) and runs[first][0] < begin:
        return False
    freedom = outline.freedom
    template.fixed.update({first + run: line[slice(*runs[first + run])] for run in freedom.fixed})
    template.widths.update({first + run: width for run, width in freedom.widths.items()})
    template.minutes.update(first + run for run in freedom.minutes)
    return True


def _find_time(template: Template, line: bytes, runs: Runs, zone: tzinfo | None) -> bool:
    """Find the runs of the line's time. False where it has one that cannot be found."""
    sample, record = template.sample, template.record
    if record is not None and record.printed_time:
        ms = parse_iso(record.printed_time, zone)
        if ms is None or sample.stamp is not None or sample.container_ms is not None:
            return False
        template.timing = Timing.find(line.decode("latin-1"), ms, zone, runs)
        return template.timing is not None
    if record is not None and record.ts_ms is not None:
        return _find_ticks(template, line, runs, record.ts_ms)
    if sample.stamp is None and sample.container_ms is None:
        return True
    if sample.time is None:
        return False  # a timestamp without its year or date depends on the lines before it
    text = line.decode("latin-1")  # one character a byte
    template.timing = Timing.find(text, sample.time, zone, runs)
    return template.timing is not None or (
        sample.stamp is None and _find_ticks(template, line, runs, sample.time)
    )


def _find_ticks(template: Template, line: bytes, runs: Runs, ms: float) -> bool:
    """Find the number that is the line's time as ticks since 1970. Its size tells their unit."""
    for number, value in _numbers(line, runs):
        for scale in _EPOCHS:
            if number.whole and round(value * scale, 3) == ms:
                begin, end = runs[number.whole[0]]
                template.ticks = (number, scale)
                template.widths[number.whole[0]] = end - begin
                return True
    return False


def _find_numbers(template: Template, line: bytes, runs: Runs, probe: Probe) -> bool:
    """Find out, run by run, which number of the record it belongs to. False if that cannot be found out.

    The digits of each run are changed, and the numbers of the record that change with them are its own. A run
    whose digits change anything else is fixed.
    """
    record = template.record or Record(())
    if (
        record.labels
        or record.elapsed_s is not None
        or record.counters is not None
        or record.rank is not None
    ):
        return False
    if record.evaluation and record.step is None and template.outline is None:
        return False
    candidates = list(_numbers(line, runs))
    settled = {*template.fixed, *template.minutes, *(template.timing.runs if template.timing else ())}
    if template.ticks:
        settled.update(template.ticks[0].runs)
    for run, (begin, end) in enumerate(runs):
        if run in settled:
            continue
        digits = line[begin:end]
        changed = probe.read(replaced(line, runs, {run: digits.translate(_OTHER_DIGITS)}))
        fields = None if changed is None else _changed_fields(template.sample, changed)
        if fields is None:
            template.fixed[run] = digits
            continue
        for field in fields:
            value = _value_of(template.sample, field)
            number = next((n for n, printed in candidates if run in n.runs and printed == value), None)
            if number is None or not _assign(template, field, number):
                return False
            settled.update(number.runs)
    return record.step_ms is None or _find_step_time(template, record)


def _find_limits(template: Template, line: bytes, runs: Runs, probe: Probe) -> bool:
    """Find the runs of a line of JSON that may not begin with a zero, and those whose numbers become
    something else (a time) if they are large. False for a negative integer: `-0` is no negative zero."""
    timed = template.timing.runs if template.timing else ()
    for run, (begin, end) in enumerate(runs):
        if run in template.fixed or run in timed:
            continue
        padded = b"0" + (line[begin + 1 : end] or b"1")
        changed = probe.read(replaced(line, runs, {run: padded}))
        if changed is None or _changed_fields(template.sample, changed) is None:
            template.unpadded.add(run)
    for number in template.numbers.values():
        if number.plain and number.negative:
            return False
        begin, end = runs[number.runs[0]]
        changed = probe.read(replaced(line, runs, {number.runs[0]: b"9" * 18}))
        if number.whole and (changed is None or _changed_fields(template.sample, changed) is None):
            template.widths[number.runs[0]] = end - begin
    return True


def _assign(template: Template, field: Field, number: Number) -> bool:
    """Note where a field is printed. False for a step that is not printed as a plain integer, and an epoch
    with an exponent."""
    if isinstance(field, int):
        template.numbers[field] = number
        return True
    if isinstance(field, tuple):
        (template.counts if field[0] == "count" else template.totals)[field[1]] = number
        return number.plain and not number.negative
    if field == "epoch":
        template.epoch = number
        return len(number.whole) == 1 and number.exponent is None
    if field == "step":
        template.step = number
    else:
        template.target = number
    return number.plain


def _find_step_time(template: Template, record: Record) -> bool:
    """Find the value that says how long a step took, in milliseconds or seconds."""
    for index, (_, value) in enumerate(record.values):
        for scale in (1.0, 1000.0):
            if value * scale == record.step_ms and index in template.numbers:
                template.took = (index, scale)
    return template.took is not None


def _numbers(line: bytes, runs: Runs) -> Iterator[tuple[Number, float]]:
    """Every number that the line may print, with its value; those with a sign also without it."""
    run_at = {begin: index for index, (begin, _) in enumerate(runs)}
    for pattern in (_NUMBER, _THOUSANDS):
        for match in pattern.finditer(line):
            for text in {match[0], match[0].lstrip(b"+-")}:
                begin = match.end() - len(text)
                first = next(at for at in range(begin, match.end()) if at in run_at)
                number = Number.of(text, run_at[first])
                if number is not None:
                    yield number, float(text.replace(b",", b""))


def _value_of(parsed_line: ParsedLine, field: Field) -> float | None:
    if isinstance(field, tuple):
        outline = outline_of(parsed_line)
        assert outline is not None
        counter = outline.sketch.counts[field[1]]
        return counter.value if field[0] == "count" else counter.total
    record = (parsed_line.records or (Record(()),))[0]
    if isinstance(field, int):
        return record.values[field][1]
    return getattr(record, field)  # type: ignore[no-any-return]


def _changed_fields(sample: ParsedLine, changed: ParsedLine) -> list[Field] | None:
    """The fields in which the records of two lines differ. None where more than numbers differs."""
    outlines = outline_of(sample), outline_of(changed)
    if outlines[0] is not None and outlines[1] is not None:
        if not outlines[0].is_like(outlines[1]) or sample.rank != changed.rank:
            return None
        counters = range(len(outlines[0].sketch.counts))
        fields: list[Field] = [("count", index) for index in counters]
        fields += [("total", index) for index in counters]
        fields += range(len(outlines[0].sketch.values))
        return [field for field in fields if _differ(_value_of(sample, field), _value_of(changed, field))]
    if not sample.records or not changed.records or len(changed.records) > 1:
        return None
    old, new = sample.records[0], changed.records[0]
    same = (
        sample.log_format is changed.log_format
        and sample.rank == changed.rank
        and [name for name, _ in old.values] == [name for name, _ in new.values]
        and (old.evaluation, old.framework, old.units) == (new.evaluation, new.framework, new.units)
        and (old.step is None, old.target is None, old.step_ms is None, old.epoch is None)
        == (new.step is None, new.target is None, new.step_ms is None, new.epoch is None)
        and not new.labels
    )
    if not same:
        return None
    fields = [*range(len(old.values)), "step", "target", "epoch"]
    return [field for field in fields if _differ(_value_of(sample, field), _value_of(changed, field))]


def _differ(old: float | None, new: float | None) -> bool:
    return old != new and (old == old or new == new)  # NaN is like NaN
