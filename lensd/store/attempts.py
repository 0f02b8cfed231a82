"""Finds where in a batch attempts begin, by steps that go back.

Within one attempt the steps of a series never decrease. What a decrease means depends on the input (see
`Restarts`). Most batches have none, which one comparison per series shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lensd.model import Ints, Points, Restarts
from lensd.store.columns import Columns
from lensd.store.plan import LOWEST

_Indices = npt.NDArray[np.intp]
_BEFORE_ALL = -1


@dataclass(slots=True)
class Split:
    """The places in a batch where a new attempt begins.

    rows: rows of the batch (see Points) where the input as a whole begins one, ascending.
    first_steps: the first step of each of these attempts, at which it cuts all series of the input; LOWEST
    for one that leaves nothing of those before; None for one that cuts only the series that report in it.
    own: for single series, the indices of points where only that series begins one.
    """

    rows: list[int] = field(default_factory=list)
    first_steps: list[int | None] = field(default_factory=list)
    own: dict[str, list[int]] = field(default_factory=dict)

    def places(self, name: str, row: Ints) -> list[int]:
        """The indices, in a metric series with these rows, at which its attempt number rises by one."""
        shared = [int(np.searchsorted(row, r, "left")) for r in self.rows]
        return sorted(shared + self.own.get(name, []))


def split(
    series: Mapping[str, Points], last_steps: Mapping[str, int | None], restarts: Restarts, restart: bool
) -> Split:
    """Find the attempts that begin in a batch.

    series: the metric series of the batch, none empty. last_steps: the last stored step of each series in the
    current attempt, None where it has none. restart: the input was replaced, so the whole batch belongs to a
    new attempt.
    """
    result = Split()
    if restart:
        first = min((int(p.row[0]), int(p.iteration[0])) for p in series.values())[1] if series else None
        result.rows.append(_BEFORE_ALL)
        # Rows by step that were written anew replace all rows before.
        cuts = {Restarts.INPUT: first, Restarts.NEVER: LOWEST}
        result.first_steps.append(cuts.get(restarts))
        last_steps = {}
    if restarts is Restarts.NEVER:
        return result
    descents = {name: _descents(points, last_steps.get(name)) for name, points in series.items()}
    if restarts is Restarts.SERIES:
        result.own = {name: indices.tolist() for name, indices in descents.items() if len(indices)}
    elif any(len(indices) for indices in descents.values()):
        _split_input(series, descents, result)
    return result


def by_attempt(points: Columns, places: list[int]) -> Iterator[tuple[int, Columns]]:
    """(how many attempts after the first, points) for the stretches between the places."""
    edges = [0, *places, len(points)]
    for later in range(len(edges) - 1):
        if edges[later] < edges[later + 1]:
            yield later, points.take(slice(edges[later], edges[later + 1]))


def _descents(points: Points, last: int | None) -> _Indices:
    """Indices of the points whose step is below that of the point before; `last` is the step before all."""
    steps = points.iteration
    indices = np.flatnonzero(steps[1:] < steps[:-1]) + 1
    if last is not None and steps[0] < last:
        indices = np.concatenate((np.zeros(1, np.intp), indices))
    return indices


def _split_input(series: Mapping[str, Points], descents: Mapping[str, _Indices], result: Split) -> None:
    """The first series that goes back begins an attempt for all. A series that goes back later, but with its
    first point since then, comes from the same restart and begins none."""
    events = sorted(
        (int(series[name].row[index]), int(index), name)
        for name, indices in descents.items()
        for index in indices
    )
    began: int | None = None
    for row, index, name in events:
        before = int(series[name].row[index - 1]) if index else _BEFORE_ALL
        if began is not None and (row == began or before < began):
            continue
        began = row
        result.rows.append(row)
        result.first_steps.append(int(series[name].iteration[index]))
