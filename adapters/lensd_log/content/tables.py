"""Tables with a header, their cells apart by commas, tabs, semicolons or blanks."""

from __future__ import annotations

import csv
import re
from itertools import dropwhile

from lensd_log.content.vocabulary import counts, counts_from_the_start, is_counter, is_metric, is_strong
from lensd_log.formats.proof import is_example
from lensd_log.line.numbers import number
from lensd_log.names import TIME_KEYS

_NAME = re.compile(r"[^\W\d][^=\"{}\[\n]{0,119}\Z")
_WIDEST = 2000
_SAME_WIDTH = 0.8
_NUMERIC = 0.3  # of the cells of a table
_NUMERIC_APART = 0.6  # where blanks set the cells apart, as they do words
_DECIMAL_COMMA = re.compile(r"(?<![^;])([-+]?\d*),(\d+(?:[eE][-+]?\d+)?)(?![^;])")
_MONITOR = ["r", "l", "t"]  # of Stable-Baselines
_TENSORBOARD = ["Wall time", "Step", "Value"]  # what its dashboard downloads
_TIMES = frozenset((*TIME_KEYS, "wall time", "wall_time", ""))


def why_no_record(lines: list[str]) -> str | None:
    """For the lines at the head of a table: why it is no record of training, `""` if it may be one. None
    where this is no table."""
    if _is_all_numbers(lines):
        return "numbers without a header"
    for below in (lines, list(dropwhile(lambda line: line.startswith("#"), lines))):
        for separator in (",", "\t", ";", None):
            table = _table(below, separator) if below else None
            if table is not None:
                return _verdict(*table)
    return None


def _is_all_numbers(lines: list[str]) -> bool:
    return len(lines) > 1 and all(
        number(cell) is not None for line in lines for cell in re.split(r"[,;\s]+", line.strip(" ,;\t"))
    )


def _table(lines: list[str], separator: str | None) -> tuple[list[str], list[list[str]]] | None:
    """The header and the rows; None where most lines do not fit the first."""
    header = _cells(lines[0].lstrip("\ufeff# "), separator)
    unnamed = header[:1] == [""] and separator == ","  # the index of pandas
    if not 1 < len(header) <= _WIDEST or len(set(header)) < len(header):
        return None
    if not all(_NAME.match(name) and not name.endswith(":") for name in header[unnamed:]):
        return None
    rows = [row for line in lines[1:] if (row := _cells(line, separator)) != header]
    fitting = [row for row in rows if len(row) == len(header)]
    if len(fitting) < _SAME_WIDTH * len(rows):
        return None
    cells = [cell for row in fitting for cell in row if cell]
    # Prose and commands have as many words in a line as the line above now and then, but few numbers.
    least = (_NUMERIC_APART if separator is None else _NUMERIC) * len(cells)
    few = sum(number(cell) is not None for cell in cells) < least
    if (few or not rows) and (separator is None or not any(map(is_counter, header))):
        return None
    return header, fitting


def _cells(line: str, separator: str | None) -> list[str]:
    if separator == ";":
        line = _DECIMAL_COMMA.sub(r"\1.\2", line)
    if separator is None or '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
    except (csv.Error, StopIteration):
        return []


def _verdict(header: list[str], rows: list[list[str]]) -> str:
    if header == _TENSORBOARD or header[:3] == _MONITOR:
        return ""
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=False)) if rows else {}
    counters = [name for name in header if is_counter(name)]
    others = [name for name in header if name not in counters and name.lower() not in _TIMES]
    if not counters:
        if others and sum(map(is_strong, others)) * 2 > len(others):
            return ""
        return "a table without a column of steps or epochs"
    texts = [name for name in others if is_example({name: "".join(columns.get(name, [])[:1])})]
    if texts:
        return f"a table with texts in its column {texts[0]!r}"
    if not any(_counts(columns.get(name, [])) for name in counters):
        return f"a table whose column {counters[0]!r} does not count"
    if any(map(is_metric, others)) or any(name.endswith("__MIN") for name in others):  # W&B's download
        return ""
    numeric = all(number(cell) is not None for name in others for cell in columns.get(name, []) if cell)
    if numeric and others and counts_from_the_start(_numbers(columns.get(counters[0], []))):
        return ""
    return "a table without a column that is named like a metric"


def _counts(cells: list[str]) -> bool:
    values = _numbers(cells)
    return len(values) == sum(map(bool, cells)) and counts(values)


def _numbers(cells: list[str]) -> list[float]:
    return [value for cell in cells if (value := number(cell)) is not None]
