"""Learns from the log format itself what the lines of one shape say.

A log format's `parse` is the only definition of what a line means. A template is what can be seen from
outside: the runs of digits of a sample line are changed one after the other, and what changes in the
record tells which run belongs to which number. Then lines of random digits are read both ways; a template
that differs anywhere is thrown away, and the lines of that shape go on being read one by one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import tzinfo

import numpy as np

from lensd_log.fast.decimals import Number
from lensd_log.fast.grid import DIGITS, LineBlock, replaced, starts_of_runs
from lensd_log.fast.template import RecordColumns, Template
from lensd_log.fast.timing import Timing
from lensd_log.line.record import Look, ParsedLine, Record

_MOST_RUNS = 160
_LONGEST = 8192
_TRIALS = 6
_NUMBER = re.compile(rb"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_THOUSANDS = re.compile(rb"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_EPOCHS = (1000.0, 1.0, 1e-3, 1e-6)  # of seconds, milliseconds, microseconds, nanoseconds
_WIDEST_RUN = 64  # digits; no number is longer
_OTHER = bytes.maketrans(b"0123456789", b"3456789012")


def learn(line: bytes, look: Look, zone: tzinfo | None) -> Template | None:
    """The template of a line's shape; None where its lines have to be read one by one."""
    runs = starts_of_runs(line)
    if len(runs) > _MOST_RUNS or len(line) > _LONGEST:
        return None
    if any(end - begin > _WIDEST_RUN for begin, end in runs):
        return None
    parsed_line = look(line)
    if parsed_line is None or not parsed_line.columns or not parsed_line.steady:
        return None
    edges = np.array([0, *(end for _, end in runs)], np.int64)
    gaps = np.array([begin for begin, _ in runs], np.int64) - edges[:-1]
    template = Template(line.translate(None, DIGITS), parsed_line, gaps)
    if not _find_time(template, line, runs, zone):
        return None
    if parsed_line.records and (
        len(parsed_line.records) > 1 or not _find_numbers(template, line, runs, look)
    ):
        return None
    return template if _is_right(template, line, runs, look, zone) else None


def _find_time(template: Template, line: bytes, runs: list[tuple[int, int]], zone: tzinfo | None) -> bool:
    parsed_line, record = template.sample, template.record
    if record is not None and record.printed_time:
        return False
    if record is not None and record.ts_ms is not None:
        for number, value in _numbers(line, runs):
            for scale in _EPOCHS:
                if round(value * scale, 3) == record.ts_ms:
                    template.epoch = (number, scale)
                    return True
        return False
    if parsed_line.stamp is None and parsed_line.container_ms is None:
        return True
    if parsed_line.time is None:
        return False  # a stamp without its year or date depends on the lines before it
    text = line.decode("latin-1")  # one character a byte
    template.timing = Timing.find(text, parsed_line.time, zone, runs)
    return template.timing is not None


def _find_numbers(template: Template, line: bytes, runs: list[tuple[int, int]], look: Look) -> bool:
    """Which run belongs to which number of the record."""
    record = template.record
    if record is None or record.labels or record.elapsed_s is not None:
        return False
    if record.evaluation and record.step is None:
        return False
    known = list(_numbers(line, runs))
    settled = set(template.timing.runs) if template.timing else set()
    if template.epoch:
        settled |= set(template.epoch[0].runs)
    for run, (begin, end) in enumerate(runs):
        if run in settled:
            continue
        other = look(replaced(line, runs, {run: line[begin:end].translate(_OTHER)}))
        parts = _changed(template.sample, other)
        if parts is None:
            template.fixed[run] = line[begin:end]
            continue
        for part in parts:
            printed = _value_of(record, part)
            number = next((n for n, value in known if run in n.runs and value == printed), None)
            if number is None or (not number.plain and part in ("step", "target")):
                return False
            settled |= set(number.runs)
            if part == "step":
                template.step = number
            elif part == "target":
                template.target = number
            else:
                template.numbers[int(part)] = number
    if record.step_ms is not None:
        for index, (_, value) in enumerate(record.values):
            for scale in (1.0, 1000.0):
                if value * scale == record.step_ms and index in template.numbers:
                    template.took = (index, scale)
        if template.took is None:
            return False
    return True


def _numbers(line: bytes, runs: list[tuple[int, int]]) -> Iterator[tuple[Number, float]]:
    """Every number that a line may be said to hold, signed and not."""
    run_at = {begin: index for index, (begin, _) in enumerate(runs)}
    for pattern in (_NUMBER, _THOUSANDS):
        for found in pattern.finditer(line):
            text = found[0]
            for candidate in {text, text.lstrip(b"+-")}:
                begin = found.end() - len(candidate)
                first = next(at for at in range(begin, found.end()) if at in run_at)
                number = Number.of(candidate, run_at[first])
                if number is not None:
                    yield number, float(candidate.replace(b",", b""))


def _value_of(record: Record, part: str) -> float | None:
    if part == "step":
        return record.step
    return record.target if part == "target" else record.values[int(part)][1]


def _changed(base: ParsedLine, other: ParsedLine | None) -> list[str] | None:
    """Which numbers of the record differ; None where more than numbers does."""
    if other is None or not other.steady or not base.records or not other.records or len(other.records) > 1:
        return None
    old, new = base.records[0], other.records[0]
    same = (
        base.log_format is other.log_format
        and base.rank == other.rank
        and [name for name, _ in old.values] == [name for name, _ in new.values]
        and (old.evaluation, old.framework, old.units) == (new.evaluation, new.framework, new.units)
        and (old.step is None, old.target is None, old.step_ms is None)
        == (new.step is None, new.target is None, new.step_ms is None)
        and not new.labels
    )
    if not same:
        return None
    parts = [
        str(index)
        for index, (a, b) in enumerate(zip(old.values, new.values, strict=True))
        if a[1] != b[1] and not (a[1] != a[1] and b[1] != b[1])
    ]
    return parts + [part for part in ("step", "target") if _value_of(old, part) != _value_of(new, part)]


def _is_right(
    template: Template, line: bytes, runs: list[tuple[int, int]], look: Look, zone: tzinfo | None
) -> bool:
    """Do lines of random digits say the same to the log format and to the template?"""
    dice = random.Random(len(line))  # any sequence will do, as long as it is the same each time
    timing, ours = template.timing, set(template.fixed)
    lines = [line]
    for _ in range(_TRIALS if runs else 0):
        texts: dict[int, bytes] = {}
        for run, (begin, end) in enumerate(runs):
            if run not in ours:
                texts[run] = _digits(dice, end - begin)
        for number in template.numbers.values():
            for at, run in enumerate(number.whole[1:]):
                texts[run] = _digits(dice, 3, leading=at >= 0)
            if number.exponent is not None:
                texts[number.exponent] = b"%02d" % dice.randrange(19)
        if template.epoch:
            texts[template.epoch[0].whole[0]] = b"17%0*d" % (
                len(line[slice(*runs[template.epoch[0].whole[0]])]) - 2,
                dice.randrange(10**6),
            )
        if timing:
            date = (
                b"%04d" % dice.randrange(1990, 2060),
                b"%02d" % dice.randrange(1, 13),
                b"%02d" % dice.randrange(1, 29),
            )
            texts.update(zip(timing.date, date if len(timing.date) > 1 else (b"".join(date),), strict=True))
            clock = (b"%02d" % dice.randrange(24), b"%02d" % dice.randrange(60), b"%02d" % dice.randrange(60))
            texts.update(zip(timing.clock, clock, strict=True))
        lines.append(replaced(line, runs, texts))
    block = LineBlock(b"".join(each + b"\n" for each in lines))
    grid, members = template.grid(block, np.arange(len(lines)))
    found = template.decode(members, grid, zone)
    if len(found.lines) == 0 or found.lines[0] != 0:
        return False
    for row, index in enumerate(found.lines.tolist()):
        parsed_line = look(lines[index])
        if parsed_line is None or not parsed_line.steady or parsed_line.log_format is not template.log_format:
            return False
        if parsed_line.unparsed != template.sample.unparsed:
            return False
        if template.record is not None and parsed_line.rank != template.sample.rank:
            return False
        if _row(found, row) != _expected(parsed_line):
            return False
    return True


def _digits(dice: random.Random, width: int, leading: bool = False) -> bytes:
    """Random digits, about as many."""
    if not leading and width < 12:
        width = max(1, width + dice.choice((-1, 0, 0, 1)))
    text = b"%0*d" % (width, dice.randrange(10**width))
    return text if leading or text[:1] != b"0" or width == 1 else b"%d" % (dice.randrange(1, 10),) + text[1:]


def _row(found: RecordColumns, row: int) -> tuple[object, ...]:
    record = found.template.record
    ts_ms = None if found.ts_ms is None else float(found.ts_ms[row])
    if record is None:
        return (ts_ms,)
    return (
        ts_ms,
        None if found.step is None else int(found.step[row]),
        None if found.target is None else int(found.target[row]),
        [
            (name, repr(float(column[row])))
            for (name, _), column in zip(record.values, found.values, strict=True)
        ],
        None if found.step_ms is None else float(found.step_ms[row]),
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
