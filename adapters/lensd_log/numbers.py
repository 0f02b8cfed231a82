"""Numbers as frameworks print them."""

from __future__ import annotations

import re
from math import inf

#: A number: `1`, `-1.5`, `1e-05`, `1,234.5`, `.5`, `nan`, `-inf`. No part can match in two ways, so it
#: cannot backtrack.
NUMBER = (
    r"[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
    r"|(?:nan|NaN|NAN|[iI]nf(?:inity)?|INF)(?=[^A-Za-z_]|ms\b|\Z))"
)
#: What may stand behind a number without changing it: `%`, `GiB`, `ms`, `it/s`, `GB/s`.
UNIT = r"(?:%|[A-Za-zµ]{1,12}(?:/[A-Za-z]{1,12}){0,3})?"

_NUMBER = re.compile(NUMBER)
_WHOLE = re.compile(rf"\s*({NUMBER})\s*\Z")
_WITH_UNIT = re.compile(rf"\s*({NUMBER})\s?{UNIT}(?: ?\([^()]{{0,40}}\))?\s*\Z")


def to_float(text: str) -> float:
    """The number that a match of `NUMBER` holds."""
    try:
        return float(text)
    except ValueError:
        return float(text.replace(",", ""))


def number(text: str) -> float | None:
    """`text` as a number and nothing else, else None."""
    found = _WHOLE.match(text)
    return to_float(found[1]) if found else None


def leading(text: str) -> float | None:
    """The number that `text` begins with, whatever follows it: `2701.3/2712.7`, `9.46GiB(64.99%)`."""
    found = _NUMBER.match(text.lstrip())
    return to_float(found[0]) if found else None


def quantity(text: str) -> float | None:
    """`text` as a number with at most a unit and an aside behind it (`9.46GiB(64.99%)`), which are
    dropped."""
    found = _WITH_UNIT.match(text)
    return to_float(found[1]) if found else None


def json_number(value: object) -> float | None:
    """A JSON value as a metric value: numbers only; booleans, null and strings are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def json_step(value: object) -> int | None:
    """A JSON value as a step: what `int()` makes of a number or of a string of digits, within 64 bits."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 19 or not text.removeprefix("-").isdecimal():
            return None
        step = int(text)
    elif isinstance(value, (int, float)) and value == value and abs(value) != inf:
        step = int(value)
    else:
        return None
    return step if -(2**63) <= step < 2**63 else None
