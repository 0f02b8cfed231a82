"""What the log formats share: names and printed quantities of a line, as the values of a record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lensd_log.formats.names import COUNTERS
from lensd_log.line.numbers import NUMBER, UNIT, measure
from lensd_log.line.record import State

#: Times that are no measurement of training.
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
        """Counters, clocks and what is no number are left out."""
        name = name.strip()
        if not name or name.lower() in COUNTERS or name.lower() in _CLOCKS:
            return
        found = measure(printed)
        if found is not None:
            self.values.append((prefix + name, found.value))
            if found.unit:
                self.units[prefix + name] = found.unit


def parted(text: str, between: str, sign: str) -> Iterator[tuple[str, str]]:
    """`name sign value` pairs with `between` between them."""
    for part in text.split(between):
        name, found, printed = part.partition(sign)
        if found:
            yield name, printed


def averaged(printed: str) -> str:
    """Of `current (average)` the average; whatever else is printed as it is."""
    found = _AVERAGED.match(printed)
    return found[1] if found else printed


_NAMES = 512  # of training that are remembered


def kept_apart(read: Values, state: State, prefix: str, *, trains: bool = False) -> None:
    """Rename values of an evaluation whose names training prints too, so that neither replaces the other.

    trains: these are values of training, whose names are remembered in `state["trained"]`.
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
