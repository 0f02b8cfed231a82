"""The names that values get, and the scale of their numbers.

A name is as printed. A phase that stands beside the name is part of it; one that stands elsewhere qualifies
it (`val/loss`) where another phase has claimed the plain name, which training always gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lensd_log.line.record import State
from lensd_log.structure.words import TRAIN

_MOST_NAMES = 256
_COUNTS = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9}
_BYTES = {
    unit: 1024.0**power
    for power, units in enumerate(("B Bytes b", "KB KiB kB K k Kb", "MB MiB Mb M", "GB GiB Gb G", "TB TiB T"))
    for unit in units.split()
}
_TIMES = {  # in microseconds: whole factors, so that `1.1 ms` is 1100 us exactly
    **dict.fromkeys(("us", "µs", "μs"), 1.0),
    "ms": 1e3,
    **dict.fromkeys(("s", "sec", "secs", "seconds"), 1e6),
    **dict.fromkeys(("m", "min", "mins", "minutes"), 60e6),
    **dict.fromkeys(("h", "hours"), 3600e6),
}
_PREFIXED = re.compile(r"(K|M|G|T|P)((?:iB|B|b|FLOP|Flop|flop|Hz|W)\S{0,20})\Z")
_PREFIXES = "KMGTP"
_MEMORY = ("mem", "cache", "ram", "alloc", "reserved", "vram")


def claim(names: State, name: str, phase: str) -> None:
    """Training prints this name, or a first other phase does. `Loss` and `loss` are one name."""
    name = name.lower()
    if name in names:
        if phase == TRAIN:
            names[name] = TRAIN
    elif len(names) < _MOST_NAMES:
        names[name] = phase


def name_of(names: State, name: str, phase: str | None, word: str) -> str:
    """The name of a value of a line in this phase. Claims it.

    names: name -> the phase whose plain name it is. word: the phase as printed.
    """
    phase = phase or TRAIN
    claim(names, name, phase)
    if names.get(name.lower(), phase) == phase:
        return name
    return f"{word}/{name}"


def scaled(units: State, name: str, value: float, unit: str) -> tuple[float, str]:
    """A value at the scale of its series, and its unit: that of the first value. `524K` alone is 524000."""
    unit, factor, divisor = scale_of(units, name, unit)
    return value * factor / divisor, unit


def scale_of(units: State, name: str, unit: str) -> tuple[str, float, float]:
    """The unit of a series, and by what values that are printed in `unit` are multiplied and divided."""
    if unit in _COUNTS and not any(part in name.lower() for part in _MEMORY):
        return "", _COUNTS[unit], 1.0
    if not unit:
        return "", 1.0, 1.0
    first = units.get(name)
    if first is None:
        if len(units) < _MOST_NAMES:
            units[name] = unit
        return unit, 1.0, 1.0
    if first == unit:
        return unit, 1.0, 1.0
    for family in (_BYTES, _TIMES):
        if first in family and unit in family:
            return first, family[unit], family[first]
    before, now = _PREFIXED.match(first), _PREFIXED.match(unit)
    if before and now and before[2] == now[2]:  # `GFLOP/s` and `TFLOP/s`, `KB/s` and `MB/s`
        base = 1024.0 if now[2][0] in "Bbi" else 1000.0
        return first, base ** (_PREFIXES.index(now[1]) - _PREFIXES.index(before[1])), 1.0
    return unit, 1.0, 1.0


def claimed(rows: Iterable[tuple[str, str | None]], names: State) -> None:
    """Claim the plain names that training prints in lines that still wait."""
    for name, phase in rows:
        if phase in (None, TRAIN):
            claim(names, name, TRAIN)
