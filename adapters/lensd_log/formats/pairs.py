"""Shared by the log formats: names and printed quantities of a line, as the values of a record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lensd_log.line.numbers import NUMBER, UNIT, measure
from lensd_log.line.record import State
from lensd_log.names import COUNTERS

#: Clock times, which are not metrics.
_CLOCKS = frozenset(("eta", "remaining", "elapsed", "time elapsed", "hours left"))

_AVERAGED = re.compile(rf"\s*{NUMBER}{UNIT}\s?\(\s{{0,8}}({NUMBER})")


class Values:
    """The values of one record, in the order they were printed, and the units of those that have one."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), prefix: str = "") -> None:
        self.values: list[tuple[str, float]] = []
        self.units: dict[str, str] = {}
        for name, printed in pairs:
            self.add(name, printed, prefix)

    def add(self, name: str, printed: str, prefix: str = "") -> None:
        """Counters, clock times and what is not a number are ignored."""
        name = name.strip()
        if not name or name.lower() in COUNTERS or name.lower() in _CLOCKS:
            return
        quantity = measure(printed)
        if quantity is not None:
            self.values.append((prefix + name, quantity.value))
            if quantity.unit:
                self.units[prefix + name] = quantity.unit


def split_pairs(text: str, between: str, sign: str) -> Iterator[tuple[str, str]]:
    """`name sign value` pairs, separated by `between`."""
    for part in text.split(between):
        name, joined, printed = part.partition(sign)
        if joined:
            yield name, printed


def average_of(printed: str) -> str:
    """The average of `current (average)`; anything else unchanged."""
    match = _AVERAGED.match(printed)
    return match[1] if match else printed


_NAMES = 512  # training names that are remembered


def qualify_evaluation(read: Values, state: State, prefix: str, *, trains: bool = False) -> None:
    """Put `prefix` before evaluation names that training prints too, so that neither replaces the other.

    trains: these are training values, whose names are remembered in `state["trained"]`.
    """
    trained: list[str] = state.setdefault("trained", [])
    if trains:
        for name, _ in read.values:
            if name not in trained and len(trained) < _NAMES:
                trained.append(name)
        return
    again = {name for name, _ in read.values if name in trained}
    read.values = [(prefix + name if name in again else name, value) for name, value in read.values]
    read.units = {prefix + name if name in again else name: unit for name, unit in read.units.items()}
