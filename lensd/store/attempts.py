"""Where in a batch attempts begin, told from steps that go back.

Within one attempt the steps of a series do not go back; what it means when they do depends on the input (see
`Restarts`). The common batch has no such place, which one comparison per series tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lensd.model import Ints, Points, Restarts

_Indices = npt.NDArray[np.intp]
_BEFORE_ALL = -1


@dataclass(slots=True)
class Split:
    """The places at which a batch goes over to the next attempt.

    rows: rows of the batch (see Points) at which the input as a whole does, ascending.
    begins: the first step of each of these attempts; None where it cuts nothing but what it rewrites itself.
    own: for single series the indices of points at which only that series does.
    """

    rows: list[int] = field(default_factory=list)
    begins: list[int | None] = field(default_factory=list)
    own: dict[str, list[int]] = field(default_factory=dict)

    def places(self, name: str, row: Ints) -> list[int]:
        """Indices into a series with these rows at which its attempt number rises by one each."""
        shared = [int(np.searchsorted(row, r, "left")) for r in self.rows]
        return sorted(shared + self.own.get(name, []))


def split(
    series: Mapping[str, Points], last_steps: Mapping[str, int | None], restarts: Restarts, restart: bool
) -> Split:
    """Find the attempts that begin in a batch.

    series: the metric series of the batch, none empty. last_steps: the last step stored of each series in the
    current attempt, None where it has none. restart: the input was replaced, so that the whole batch belongs
    to a new attempt.
    """
    result = Split()
    if restart:
        first = min((int(p.row[0]), int(p.iteration[0])) for p in series.values())[1] if series else None
        result.rows.append(_BEFORE_ALL)
        result.begins.append(first if restarts is Restarts.INPUT else None)
        last_steps = {}
    if restarts is Restarts.NEVER:
        return result
    descents = {name: _descents(points, last_steps.get(name)) for name, points in series.items()}
    if restarts is Restarts.SERIES:
        result.own = {name: found.tolist() for name, found in descents.items() if len(found)}
    elif any(len(found) for found in descents.values()):
        _split_input(series, descents, result)
    return result


def _descents(points: Points, last: int | None) -> _Indices:
    """Indices of points whose step is below that of the point before."""
    steps = points.iteration
    found = np.flatnonzero(steps[1:] < steps[:-1]) + 1
    if last is not None and steps[0] < last:
        found = np.concatenate((np.zeros(1, np.intp), found))
    return found


def _split_input(series: Mapping[str, Points], descents: Mapping[str, _Indices], result: Split) -> None:
    """The first series to go back begins an attempt for all of them. A series that goes back with its first
    point since then came through the same restart and begins none."""
    events = sorted(
        (int(series[name].row[index]), int(index), name)
        for name, found in descents.items()
        for index in found
    )
    began: int | None = None
    for row, index, name in events:
        before = int(series[name].row[index - 1]) if index else _BEFORE_ALL
        if began is not None and (row == began or before < began):
            continue
        began = row
        result.rows.append(row)
        result.begins.append(int(series[name].iteration[index]))
