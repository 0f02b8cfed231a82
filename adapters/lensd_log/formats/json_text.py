"""JSON as training code writes it: Python's `NaN` and `Infinity` are accepted. Never raises."""

from __future__ import annotations

import json

import msgspec

_strict = msgspec.json.Decoder()
_INNER = ("metrics", "data", "values", "scalars", "logs")


def decode(text: str) -> object:
    """The value of a line of JSON; None if it is not JSON (or is `null`)."""
    if not text.startswith("{"):
        return None
    try:
        value: object = _strict.decode(text)
    except RecursionError:
        return None
    except (msgspec.DecodeError, UnicodeEncodeError):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
    return value


def decode_row(text: str) -> dict[str, object] | None:
    """The object in a line of JSON, with what lies in an inner one such as `metrics` beside the rest."""
    row = decode(text)
    if not isinstance(row, dict):
        return None
    for key in _INNER:
        inner = row.get(key)
        if isinstance(inner, dict):
            row = {**row, **inner}
    return row
