"""Text logs that count their steps from 1 while event files or W&B count the same steps from 0.

Lightning and Keras print how many batches or epochs are done, and log to files the number of each. A log
whose values are those of such a series one step later counts from 1; it is read anew and counted from 0.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lensd.model import Batch, Fact, Ints, Points
from lensd.store.columns import Columns, joined
from lensd.store.plan import Member, plan
from lensd.store.reader import Reader

#: The fact that says so of an input.
COUNTS_FROM = "counts_from"

_COMPARED = 256  # points of a series
_ENOUGH = 3  # of them with different values
_MOST_PAIRS = 64  # of series
_MOST_WINDOWS = 4  # of points, of another series
#: What programs print of a value differs from it by less than this, as a share of it or absolutely.
_RELATIVE, _ABSOLUTE = 6e-3, 6e-5
_OFTEN = 0.95
_TARGET = "target_iteration"


def shift_of(db: sqlite3.Connection, input_id: int) -> int:
    """What to add to the steps that an input counts."""
    sql = "SELECT 1 FROM fact WHERE input_id = ? AND name = ?"
    return 0 if db.execute(sql, (input_id, COUNTS_FROM)).fetchone() is None else -1


def shifted(batch: Batch, shift: int) -> Batch:
    """The batch with all steps moved. Series that share their steps still do."""
    if not shift:
        return batch
    moved: dict[int, Ints] = {}

    def move(points: Points) -> Points:
        steps = points.iteration
        return replace(points, iteration=moved.setdefault(id(steps), steps + shift))

    facts: dict[str, Fact] = dict(batch.facts)
    target = facts.get(_TARGET)
    if isinstance(target, int):
        facts[_TARGET] = target + shift
    targets = batch.targets
    if targets is not None:
        targets = replace(targets, iteration=targets.iteration + shift, value=targets.value + shift)
    series = {name: replace(one, points=move(one.points)) for name, one in batch.series.items()}
    return replace(batch, series=series, targets=targets, facts=facts)


def counts_from_one(reader: Reader, workload_id: int, key: str) -> bool | None:
    """Whether the text input `key` counts from 1 what another input of its workload counts from 0. None if
    there is nothing to compare that would show it."""
    members = reader.members(workload_id, kind="metric")
    exact: dict[str, list[Member]] = {}
    for member in members:
        if member.input.structured or member.input.data_source != "log":
            exact.setdefault(_word(member.name), []).append(member)
    votes: set[bool | None] = set()
    left = _MOST_PAIRS
    for member in members:
        same = exact.get(_word(member.name), [])[:left] if member.input.key == key else []
        points = _last_part(reader, member) if same else None
        if points is not None:
            votes |= {_vote(points, _beside(reader, other, points)) for other in same}
            left -= len(same)
    votes.discard(None)
    return votes == {True} if votes else None


def _word(name: str) -> str:
    """The last word of a name: `train/epoch_loss` and `loss` may be one value."""
    return re.split(r"[^a-z0-9]+", name.lower())[-1]


def _last_part(reader: Reader, member: Member) -> Columns | None:
    """The first points of the last attempt."""
    parts = plan([member])
    windows = reader.windows(parts[-1]) if parts else []
    if not windows:
        return None
    points = reader.read_window(windows[0], parts[-1])
    return points.take(slice(0, _COMPARED)) if len(points) else None


def _beside(reader: Reader, member: Member, points: Columns) -> Columns | None:
    """Points of another series at about the same steps."""
    parts = [part.clipped(int(points.step[0]) - 1, int(points.step[-1]) + 1) for part in plan([member])[-1:]]
    pieces = [
        reader.read_window(window, part) for part in parts for window in reader.windows(part)[:_MOST_WINDOWS]
    ]
    return joined(pieces) if any(map(len, pieces)) else None


def _vote(log: Columns, exact: Columns | None) -> bool | None:
    if exact is None:
        return None
    at_same, at_next = _agreement(log, exact, 0), _agreement(log, exact, 1)
    if at_same == at_next or None in (at_same, at_next):
        return None
    return at_next


def _agreement(log: Columns, exact: Columns, later: int) -> bool | None:
    """Whether the log has the values of the exact points so many steps later. None if too few differ."""
    at = np.minimum(np.searchsorted(log.step, exact.step + later), len(log) - 1)
    both = (log.step[at] == exact.step + later) & np.isfinite(exact.value) & np.isfinite(log.value[at])
    printed, value = log.value[at][both], exact.value[both]
    if len(np.unique(value)) < _ENOUGH - (not later):  # the first step has none before it
        return None
    near: Sequence[bool] = np.abs(printed - value) <= np.maximum(_RELATIVE * np.abs(value), _ABSOLUTE)
    return bool(np.mean(near) >= _OFTEN)
