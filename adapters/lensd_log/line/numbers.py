"""Numbers as frameworks print them.

    printed                               value     unit
    12.3%, 9.46GiB(64.99%), 123ms, 3.4G   as is     %, GiB, ms, G
    1,234  1,234.5 tok/s                  1234      tok/s
    1.2k                                  1200      (none: the k comes and goes within one run)
    1:02:03  9:59.5  1 day, 2:03:04       seconds   s
    2701.3/2712.7                         2701.3    current and average: the first counts
    tensor(0.53, device='cuda:0')  np.float32(0.5)  [1e-05, 1e-06]  the number within, of a list the first
    nan  -inf  Infinity  -nan

No other unit scales the number: a series has the numbers that a person reads in the log.
"""

from __future__ import annotations

import re
from math import inf
from typing import NamedTuple

#: A number: `1`, `-1.5`, `1e-05`, `1,234.5`, `.5`, `nan`, `-inf`. No part can match in two ways, so it
#: cannot backtrack.
NUMBER = (
    r"[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
    r"|(?:nan|NaN|NAN|[iI]nf(?:inity)?|INF)(?=[^A-Za-z_]|ms\b|\Z))"
)
#: A unit, which may follow a number without changing it: `%`, `GiB`, `ms`, `it/s`, `GB/s`.
UNIT = r"(?:%|[A-Za-zµ]{1,12}(?:/[A-Za-z]{1,12}){0,3})?"
#: A clock time: `1:02:03`, `02:03.5`, `1 day, 2:03:04`.
CLOCK = r"(?:\d{1,5} days?, )?(?:\d{1,4}:)?\d{1,4}:[0-5]\d(?:\.\d{1,9})?"

_LONGEST = 400  # characters of a quantity; a list with a number for each parameter group is long
_NUMBER = re.compile(NUMBER)
_WHOLE = re.compile(rf"\s*({NUMBER})\s*\Z")
_WITH_UNIT = re.compile(rf"\s*({NUMBER})\s?({UNIT})(?: ?\([^()]{{0,40}}\))?\s*\Z")
_RATIO = re.compile(rf"\s*({NUMBER})({UNIT})/{NUMBER}{UNIT}\s*\Z")
_CLOCK = re.compile(rf"\s*({CLOCK})\s*\Z")
_WRAPPED = re.compile(
    r"\s*(?:(?:torch\.|np\.|numpy\.|jnp\.|tf\.)?(?:tensor|Tensor|array|Array|float\d{1,3}|int\d{1,3}|float_|DeviceArray)\(|[\[(])"
    rf"\s*[\[(]{{0,4}}\s*({NUMBER})(?=\s*[,\])])"
)


class Measure(NamedTuple):
    """A number and the unit that follows it (`""` for none)."""

    value: float
    unit: str = ""


def measure(text: str) -> Measure | None:
    """`text` as one quantity in any of the spellings above; None for everything else."""
    if len(text) > _LONGEST:
        return None
    match = _WITH_UNIT.match(text)
    if match:
        value = to_float(match[1])
        return Measure(value * 1000) if match[2] == "k" else Measure(value, match[2])
    if ":" in text:
        return Measure(seconds(text), "s") if _CLOCK.match(text) else None
    match = _RATIO.match(text)
    if match:
        return Measure(to_float(match[1]), match[2])
    match = _WRAPPED.match(text)
    return Measure(to_float(match[1])) if match else None


def seconds(text: str) -> float:
    """The seconds of a match of `CLOCK`."""
    days, _, clock = text.strip().rpartition(", ")
    total = float(days.split(" ")[0]) * 86_400 if days else 0.0
    scale = 1.0
    for part in reversed(clock.split(":")):
        total += float(part) * scale
        scale *= 60
    return total


def to_float(text: str) -> float:
    """The number that a match of `NUMBER` holds."""
    try:
        return float(text)
    except ValueError:
        return float(text.replace(",", ""))


def number(text: str) -> float | None:
    """`text` as a number and nothing else, else None."""
    match = _WHOLE.match(text)
    return to_float(match[1]) if match else None


def leading(text: str) -> float | None:
    """The number that `text` begins with, whatever follows it: `2701.3/2712.7`, `9.46GiB(64.99%)`."""
    match = _NUMBER.match(text.lstrip())
    return to_float(match[0]) if match else None


def quantity(text: str) -> float | None:
    """The value of `measure`, without its unit."""
    measured = measure(text)
    return measured.value if measured else None


def json_number(value: object) -> float | None:
    """A JSON value as a metric value. None for booleans, null and strings."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def json_step(value: object) -> int | None:
    """A JSON number or string of digits as a step, within 64 bits; else None."""
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
