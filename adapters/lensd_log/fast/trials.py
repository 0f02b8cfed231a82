"""Trials of a template: does it read lines of random digits as they are read one by one?"""

from __future__ import annotations

import random
from datetime import tzinfo

import numpy as np

from lensd_log.fast.grid import LineBlock, Runs, replaced
from lensd_log.fast.probe import Probe, outline_of
from lensd_log.fast.template import RecordColumns, Template
from lensd_log.line.record import ParsedLine, Record
from lensd_log.line.timestamps import parse_iso
from lensd_log.structure.settled import Outline

_TRIALS = 6


def is_right(template: Template, line: bytes, runs: Runs, probe: Probe) -> bool:
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
        _agrees(columns, row, probe.read(lines[index]), probe.zone)
        for row, index in enumerate(columns.lines.tolist())
    )


def _agrees(columns: RecordColumns, row: int, parsed_line: ParsedLine | None, zone: tzinfo | None) -> bool:
    """Does a row of the columns say what the log format says?"""
    template = columns.template
    return (
        parsed_line is not None
        and parsed_line.log_format is template.log_format
        and parsed_line.unparsed == template.sample.unparsed
        and (template.record is None or parsed_line.rank == template.sample.rank)
        and _is_like_outline(template.outline, outline_of(parsed_line))
        and _row(columns, row) == _expected(parsed_line, zone)
    )


def _is_like_outline(outline: Outline | None, other: Outline | None) -> bool:
    if outline is None or other is None:
        return outline is other
    return outline.is_like(other)


def _random_digits(template: Template, runs: Runs, dice: random.Random) -> dict[int, bytes]:
    """Digits for the runs that are not fixed, such that numbers and times stay what they are."""
    texts = {
        run: _digits(dice, end - begin) for run, (begin, end) in enumerate(runs) if run not in template.fixed
    }
    for run, width in template.widths.items():
        texts[run] = _digits(dice, width, exactly=run not in template.unpadded, widens=False)
    texts.update({run: b"%02d" % dice.randrange(60) for run in template.minutes})
    for number in template.numbers.values():
        for run in number.whole[1:]:
            texts[run] = _digits(dice, 3, exactly=True)
        if number.exponent is not None:
            texts[number.exponent] = b"%02d" % dice.randrange(19)
    if template.ticks:
        seconds = template.ticks[0].whole[0]
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


def _digits(dice: random.Random, width: int, exactly: bool = False, widens: bool = True) -> bytes:
    """About `width` random digits without a leading zero, or exactly so many of any kind."""
    if not exactly and widens and width < 12:
        width = max(1, width + dice.choice((-1, 0, 0, 1)))
    text = b"%0*d" % (width, dice.randrange(10**width))
    if exactly or text[:1] != b"0" or width == 1:
        return text
    return b"%d" % dice.randrange(1, 10) + text[1:]


def _row(columns: RecordColumns, row: int) -> tuple[object, ...]:
    """One row, to be compared with `_expected`."""
    record = columns.template.record
    ts_ms = None if columns.ts_ms is None else float(columns.ts_ms[row])
    if columns.template.outline is not None:
        counts = [int(column[row]) for column in columns.counts.values()]
        totals = [int(column[row]) for column in columns.totals.values()]
        return (ts_ms, counts, totals, [repr(float(column[row])) for column in columns.values])
    if record is None:
        return (ts_ms,)
    values = zip(record.values, columns.values, strict=True)
    return (
        ts_ms,
        None if columns.step is None else int(columns.step[row]),
        None if columns.target is None else int(columns.target[row]),
        None if columns.epoch is None else int(columns.epoch[row]),
        [(name, repr(float(column[row]))) for (name, _), column in values],
        None if columns.step_ms is None else float(columns.step_ms[row]),
    )


def _time(parsed_line: ParsedLine, record: Record, zone: tzinfo | None) -> float | None:
    if record.ts_ms is not None:
        return record.ts_ms
    return parse_iso(record.printed_time, zone) if record.printed_time else parsed_line.time


def _expected(parsed_line: ParsedLine, zone: tzinfo | None) -> tuple[object, ...]:
    outline = outline_of(parsed_line)
    if outline is not None:
        counters = outline.sketch.counts
        counts = [counter.value for counter in counters]
        totals = [counter.total for counter in counters if counter.total is not None]
        return (parsed_line.time, counts, totals, [repr(value.value) for value in outline.sketch.values])
    if not parsed_line.records:
        return (parsed_line.time,)
    record = parsed_line.records[0]
    return (
        _time(parsed_line, record, zone),
        record.step,
        record.target,
        None if record.epoch is None else int(record.epoch),
        [(name, repr(value)) for name, value in record.values],
        record.step_ms,
    )
