"""Numbers out of what users log, without importing what they come from.

Numpy and torch scalars, one-element arrays and nested dictionaries count, as they do for wandb; texts, media
and larger arrays are no numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEEPEST = 16


def numbers(data: Mapping[str, Any]) -> dict[str, float]:
    """Names to numbers. Nested names are joined with a dot, as wandb does: `{"opt": {"lr": 1}}` is `opt.lr`.

    Names with a leading underscore are wandb's own bookkeeping and are left out.
    """
    found: dict[str, float] = {}
    _collect(data, "", found, 0)
    return found


def _collect(data: Mapping[str, Any], prefix: str, found: dict[str, float], depth: int) -> None:
    for key, value in data.items():
        kind = type(value)
        if kind is float or kind is int or kind is bool:
            pass
        elif isinstance(value, str):
            continue
        elif isinstance(value, Mapping):
            if depth < _DEEPEST:
                _collect(value, prefix + str(key) + ".", found, depth + 1)
            continue
        number = as_number(value)
        if number is not None and (prefix or not str(key).startswith("_")):
            found[prefix + str(key)] = number


def as_number(value: Any) -> float | None:
    """The value as a float, or None where it is no single number."""
    try:
        if isinstance(value, (int, float)):
            return float(value)
        shape = getattr(value, "shape", None)
        if shape is not None and any(int(length) != 1 for length in shape):
            return None
        item = getattr(value, "item", None)
        if callable(item):
            value = item()
            return float(value) if isinstance(value, (int, float)) else None
        if shape is None and not hasattr(type(value), "__float__"):
            return None
        return float(value)
    except Exception:  # noqa: BLE001 - whatever such a type does: it is no number
        return None
