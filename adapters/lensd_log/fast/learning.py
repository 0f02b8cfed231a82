"""Learns templates from the log formats themselves.

`LogFormat.parse` is the only definition of what a line means. A template is learnt from outside: the runs
of digits of a sample line are changed one after the other, and what changes in the record shows which run
belongs to which number. Then lines of random digits are read both ways. A template that differs anywhere is
thrown away, and the lines of that shape go on being read one by one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import Literal

import numpy as np

from lensd_log.fast.decimals import Number
from lensd_log.fast.grid import DIGITS, LineBlock, replaced, starts_of_runs
from lensd_log.fast.probe import Probe
from lensd_log.fast.template import RecordColumns, Template
from lensd_log.fast.timing import Timing
from lensd_log.line.record import ParsedLine, Record

_MOST_RUNS = 160
_LONGEST = 8192
_TRIALS = 6
_NUMBER = re.compile(rb"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_THOUSANDS = re.compile(rb"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_EPOCHS = (1000.0, 1.0, 1e-3, 1e-6)  # of seconds, milliseconds, microseconds, nanoseconds
_WIDEST_RUN = 64  # digits
_OTHER_DIGITS = bytes.maketrans(b"0123456789", b"3456789012")


Runs = list[tuple[int, int]]  # byte ranges of the runs of digits in a line
#: A number of a record: the index of a value, or the step or target.
Field = int | Literal["step", "target"]


def learn(line: bytes, probe: Probe) -> Template | None:
    """The template of a line's shape. None where its lines have to be read one by one."""
    runs = starts_of_runs(line)
    if len(runs) > _MOST_RUNS or len(line) > _LONGEST:
        return None
    if any(end - begin > _WIDEST_RUN for begin, end in runs):
        return None
    sample = probe.read(line)
    if sample is None or not probe.is_columnar(line, sample):
        return None
    edges = np.array([0, *(end for _, end in runs)], np.int64)
    gaps = np.array([begin for begin, _ in runs], np.int64) - edges[:-1]
    template = Template(
        line.translate(None, DIGITS), sample, probe.state_of(sample.log_format), probe.specific, gaps
    )
    if not _find_time(template, line, runs, probe.zone):
        return None
    if sample.records and (len(sample.records) > 1 or not _find_numbers(template, line, runs, probe)):
        return None
    return template if _is_right(template, line, runs, probe) else None


def _find_time(template: Template, line: bytes, runs: Runs, zone: tzinfo | None) -> bool:
    """Find the runs of the line's time. False where it has one that cannot be found."""
    sample, record = template.sample, template.record
    if record is not None and record.printed_time:
        return False
    if record is not None and record.ts_ms is not None:
        for number, value in _numbers(line, runs):
            for scale in _EPOCHS:
                if round(value * scale, 3) == record.ts_ms:
                    template.epoch = (number, scale)
                    return True
        return False
    if sample.stamp is None and sample.container_ms is None:
        return True
    if sample.time is None:
        return False  # a timestamp without its year or date depends on the lines before it
    text = line.decode("latin-1")  # one character a byte
    template.timing = Timing.find(text, sample.time, zone, runs)
    return template.timing is not None


def _find_numbers(template: Template, line: bytes, runs: Runs, probe: Probe) -> bool:
    """Find out, run by run, which number of the record it belongs to. False if that cannot be found out.

    The digits of each run are changed, and the numbers of the record that change with them are its own. A run
    whose digits change anything else is fixed.
    """
    record = template.record
    if record is None or record.labels or record.elapsed_s is not None:
        return False
    if record.evaluation and record.step is None:
        return False
    candidates = list(_numbers(line, runs))
    settled = set(template.timing.runs) if template.timing else set()
    if template.epoch:
        settled.update(template.epoch[0].runs)
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
            value = _value_of(record, field)
            number = next((n for n, printed in candidates if run in n.runs and printed == value), None)
            if number is None or not _assign(template, field, number):
                return False
            settled.update(number.runs)
    return record.step_ms is None or _find_step_time(template, record)


def _assign(template: Template, field: Field, number: Number) -> bool:
    """Note where a field is printed. False for a step that is not printed as a plain integer."""
    if isinstance(field, int):
        template.numbers[field] = number
        return True
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


def _value_of(record: Record, field: Field) -> float | None:
    if isinstance(field, int):
        return record.values[field][1]
    return record.step if field == "step" else record.target


def _changed_fields(sample: ParsedLine, changed: ParsedLine) -> list[Field] | None:
    """The fields in which the records of two lines differ. None where more than numbers differs."""
    if not sample.records or not changed.records or len(changed.records) > 1:
        return None
    old, new = sample.records[0], changed.records[0]
    same = (
        sample.log_format is changed.log_format
        and sample.rank == changed.rank
        and [name for name, _ in old.values] == [name for name, _ in new.values]
        and (old.evaluation, old.framework, old.units) == (new.evaluation, new.framework, new.units)
        and (old.step is None, old.target is None, old.step_ms is None)
        == (new.step is None, new.target is None, new.step_ms is None)
        and not new.labels
    )
    if not same:
        return None
    fields: list[Field] = [*range(len(old.values)), "step", "target"]
    return [field for field in fields if _differ(_value_of(old, field), _value_of(new, field))]


def _differ(old: float | None, new: float | None) -> bool:
    return old != new and (old == old or new == new)  # NaN is like NaN


def _is_right(template: Template, line: bytes, runs: Runs, probe: Probe) -> bool:
    """Do the template and the log format agree on the line and on lines of random digits?"""
    dice = random.Random(len(line))  # the same sequence each time
    trials = _TRIALS if runs else 0
    lines = [line, *(replaced(line, runs, _random_digits(template, runs, dice)) for _ in range(trials))]
    block = LineBlock(b"".join(sample + b"\n" for sample in lines))
    grid, members = template.grid(block, np.arange(len(lines)))
    columns = template.decode(members, grid, probe.zone)
    if len(columns.lines) == 0 or columns.lines[0] != 0:
        return False
    return all(
        _agrees(columns, row, probe.read(lines[index])) for row, index in enumerate(columns.lines.tolist())
    )


def _agrees(columns: RecordColumns, row: int, parsed_line: ParsedLine | None) -> bool:
    """Does a row of the columns say what the log format says?"""
    template = columns.template
    return (
        parsed_line is not None
        and parsed_line.log_format is template.log_format
        and parsed_line.unparsed == template.sample.unparsed
        and (template.record is None or parsed_line.rank == template.sample.rank)
        and _row(columns, row) == _expected(parsed_line)
    )


def _random_digits(template: Template, runs: Runs, dice: random.Random) -> dict[int, bytes]:
    """Digits for the runs that are not fixed, such that numbers and times stay what they are."""
    texts = {
        run: _digits(dice, end - begin) for run, (begin, end) in enumerate(runs) if run not in template.fixed
    }
    for number in template.numbers.values():
        for run in number.whole[1:]:
            texts[run] = _digits(dice, 3, exactly=True)
        if number.exponent is not None:
            texts[number.exponent] = b"%02d" % dice.randrange(19)
    if template.epoch:
        seconds = template.epoch[0].whole[0]
        begin, end = runs[seconds]
        texts[seconds] = b"17%0*d" % (end - begin - 2, dice.randrange(10**6))
    if template.timing:
        timing = template.timing
        date = (
            b"%04d" % dice.randrange(1990, 2060),
            b"%02d" % dice.randrange(1, 13),
            b"%02d" % dice.randrange(1, 29),
        )
        texts.update(zip(timing.date, date if len(timing.date) > 1 else (b"".join(date),), strict=True))
        clock = (b"%02d" % dice.randrange(24), b"%02d" % dice.randrange(60), b"%02d" % dice.randrange(60))
        texts.update(zip(timing.clock, clock, strict=True))
    return texts


def _digits(dice: random.Random, width: int, exactly: bool = False) -> bytes:
    """About `width` random digits without a leading zero, or exactly so many of any kind."""
    if not exactly and width < 12:
        width = max(1, width + dice.choice((-1, 0, 0, 1)))
    text = b"%0*d" % (width, dice.randrange(10**width))
    if exactly or text[:1] != b"0" or width == 1:
        return text
    return b"%d" % dice.randrange(1, 10) + text[1:]


def _row(columns: RecordColumns, row: int) -> tuple[object, ...]:
    """One row, to be compared with `_expected`."""
    record = columns.template.record
    ts_ms = None if columns.ts_ms is None else float(columns.ts_ms[row])
    if record is None:
        return (ts_ms,)
    values = zip(record.values, columns.values, strict=True)
    return (
        ts_ms,
        None if columns.step is None else int(columns.step[row]),
        None if columns.target is None else int(columns.target[row]),
        [(name, repr(float(column[row]))) for (name, _), column in values],
        None if columns.step_ms is None else float(columns.step_ms[row]),
    )


def _expected(parsed_line: ParsedLine) -> tuple[object, ...]:
    if not parsed_line.records:
        return (parsed_line.time,)
    record = parsed_line.records[0]
    return (
        parsed_line.time if record.ts_ms is None else record.ts_ms,
        record.step,
        record.target,
        [(name, repr(value)) for name, value in record.values],
        record.step_ms,
    )
