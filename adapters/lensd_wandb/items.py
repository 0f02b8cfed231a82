"""Items: keys and values in history, summary, config and system records.

Format: wandb SDK 0.12 to 0.31, `wandb_internal.proto`: HistoryItem, SummaryItem, ConfigItem and StatsItem
have the same numbers for the fields that are read here. Values are JSON as Python and Go write it, with `NaN`
and `Infinity`. A nested value is either a JSON object or, since 0.17, an item of its own with a path of keys.
"""

from __future__ import annotations

from typing import Any

from lensd.tail.protobuf import BYTES, FIXED64, VARINT, WireError, double, fields, text, zigzag
from lensd.wandb.values import Path, loads

_KEY, _NESTED, _BOOLEAN, _INTEGER, _NUMBER, _TEXT, _JSON, _VALUE = 1, 2, 4, 5, 6, 7, 8, 16


def item(data: bytes, begin: int, end: int) -> tuple[Path, Any]:
    """Path and value of one item. Raises WireError, and ValueError where the value is not JSON."""
    path: list[str] = []
    value: Any = None
    for number, kind, varint, first, last in fields(data, begin, end):
        if kind == BYTES:
            if number in (_KEY, _NESTED):
                path.append(text(data, first, last))
            elif number in (_VALUE, _JSON):
                value = loads(data[first:last])
            elif number == _TEXT:
                value = text(data, first, last)
        elif number == _NUMBER and kind == FIXED64:
            value = double(data, first)
        elif number == _INTEGER and kind == VARINT:
            value = zigzag(varint)
        elif number == _BOOLEAN and kind == VARINT:
            value = bool(varint)
    if not path:
        raise WireError("an item has no key")
    return tuple(path), value


def path_of(data: bytes) -> Path:
    """The path in the encoded keys of an item. Raises WireError."""
    return tuple(text(data, first, last) for _, _, _, first, last in fields(data, 0, len(data)))


def items(data: bytes, begin: int, end: int, number: int = 1) -> dict[Path, Any]:
    """The items of a message by path: its fields of that number. Leaves out those that are invalid."""
    values: dict[Path, Any] = {}
    for field, kind, _, first, last in fields(data, begin, end):
        if field == number and kind == BYTES:
            try:
                path, value = item(data, first, last)
            except ValueError:
                continue
            values[path] = value
    return values
