"""Numbers out of what users log, without importing the libraries that the values come from.

Numpy and torch scalars, arrays of one element and nested dictionaries count, as they do for wandb; strings,
media and larger arrays are no numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What the SDK writes beside the metrics of a row.
STEP, TIMESTAMP, RUNTIME, INTERNAL = "_step", "_timestamp", "_runtime", "_wandb"
BOOKKEEPING = frozenset({STEP, TIMESTAMP, RUNTIME, INTERNAL})

_DEEPEST = 16


def is_private(name: str) -> bool:
    """Whether a name belongs to wandb rather than to the user; includes BOOKKEEPING."""
    return name.startswith("_")


def numbers(data: Mapping[str, Any]) -> dict[str, float]:
    """Names to numbers. Nested names are joined with a dot, as wandb does: `{"opt": {"lr": 1}}` is `opt.lr`.

    Private names are left out.
    """
    collected: dict[str, float] = {}
    _collect(data, "", collected, 0)
    return collected


def _collect(data: Mapping[str, Any], prefix: str, collected: dict[str, float], depth: int) -> None:
    for key, value in data.items():
        kind = type(value)
        if kind is float or kind is int or kind is bool:
            pass
        elif isinstance(value, str):
            continue
        elif isinstance(value, Mapping):
            if depth < _DEEPEST:
                _collect(value, prefix + str(key) + ".", collected, depth + 1)
            continue
        number = as_number(value)
        if number is not None and (prefix or not is_private(str(key))):
            collected[prefix + str(key)] = number


def as_number(value: Any) -> float | None:
    """The value as a float, or None where it is not a single number."""
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
    except Exception:  # noqa: BLE001 - a value whose type raises is not a number
        return None
