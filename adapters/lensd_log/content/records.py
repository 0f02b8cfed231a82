"""JSON lines, and JSON documents."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from lensd_log.content.vocabulary import counts, is_counter, is_metric
from lensd_log.formats.json_text import decode_row
from lensd_log.formats.proof import is_example, speaks_alone
from lensd_log.line.numbers import json_number, number

_MOSTLY = 0.5
_ENOUGH = 0.05

Row = Mapping[str, object]


def why_no_record(parts: list[list[str]]) -> str | None:
    """For lines of JSON: why they are no records of training, `""` if they may be. None where most lines are
    no JSON objects."""
    lines = sum(map(len, parts))
    rows = [[row for line in part if line[:1] == "{" and (row := _row(line)) is not None] for part in parts]
    total = sum(map(len, rows))
    if not total or total < _MOSTLY * lines:
        return None
    records = sum(_is_record(row) for part in rows for row in part)
    if records < max(1.0, _ENOUGH * total):
        return "JSON lines without a step or epoch and metrics beside it"
    names = {name for part in rows for row in part for name in row if is_counter(name)}
    if names and not any(_counts(part, name) for part in rows for name in names):
        return f"JSON lines whose {min(names)!r} does not count"
    others = {name for part in rows for row in part for name in row} - names
    if names and not any(map(is_metric, others)) and not any(_rises(part, n) for part in rows for n in names):
        return "JSON lines without a name like a metric's"
    return ""


def _row(line: str) -> Row | None:
    return decode_row(line) if line.rstrip().endswith("}") else None


def _is_record(row: Row) -> bool:
    if is_example(row):
        return False
    numbers = [name for name, value in row.items() if _number(value) is not None]
    metrics = [name for name in numbers if not is_counter(name)]
    if len(metrics) < len(numbers):
        return any(map(is_metric, metrics)) or (len(numbers) >= _MOSTLY * len(row) and bool(metrics))
    return speaks_alone(row, metrics)


def _counts(rows: list[Row], name: str) -> bool:
    values = [value for row in rows if (value := _number(row.get(name))) is not None]
    return bool(values) and counts(values)


def _rises(rows: list[Row], name: str) -> bool:
    values = [value for row in rows if (value := _number(row.get(name))) is not None]
    return all(a < b for a, b in pairwise(values))


def _number(value: object) -> float | None:
    """A number, which some writers put into a string."""
    return number(value) if isinstance(value, str) else json_number(value)
