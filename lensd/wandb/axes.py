"""Which number is the iteration of a metric: W&B's own count of log calls, or a metric that the run names.

`define_metric(NAME, step_metric=AXIS)` names one, and so does the Hugging Face Trainer with
`train/global_step`. Such an axis counts as long as its values are integers that never fall and are distinct
for each metric; otherwise the count of log calls stays. Epochs are no iterations beside metrics that are
counted in steps, so an epoch counts only as the axis of all metrics. The axis is a series like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from lensd.model import Fact, Ints, Points, Series

#: An axis that counts without a definition, because the Hugging Face Trainer logs it with every row.
TRAINER_STEP = "train/global_step"
_SYSTEM = "system/"
_EPOCH = re.compile(r"(?:^|[/._-])epochs?$", re.IGNORECASE)
_LARGEST = float(1 << 53)


class Placed(msgspec.Struct, array_like=True):
    """The last point of a metric: its count of log calls, its iteration, its value as text."""

    logged: int
    iteration: int
    value: str


class Axes(msgspec.Struct, array_like=True):
    """The axes of one run, as its cursor keeps them.

    defined: (name or `beginning*` of a metric, its axis), the most telling first. current: the last value of
    each axis. last: of each metric that has an axis. broken: axes that turned out to be none. begun: some
    points were placed.
    """

    defined: list[tuple[str, str]] = []
    current: dict[str, int] = {}
    last: dict[str, Placed] = {}
    broken: list[str] = []
    begun: bool = False

    def define(self, pattern: str, axis: str) -> bool:
        """Take a definition. Returns whether points may have been placed that it would have placed
        elsewhere."""
        if not pattern or not axis or pattern == axis or self._axis_of(pattern) == axis:
            return False
        if (pattern, axis) in self.defined:
            return False
        self.defined = [one for one in self.defined if one[0] != pattern] + [(pattern, axis)]
        self.defined.sort(key=lambda one: (one[0].endswith("*"), -len(one[0])))
        return self.begun and self._counts(axis)

    def place(self, series: Mapping[str, Series]) -> tuple[dict[str, Series], bool]:
        """The series of consecutive rows with their iterations, out of those with counts of log calls.

        The second value is true if an axis broke that earlier points were placed by.
        """
        late = TRAINER_STEP in series and self.define("*", TRAINER_STEP)
        while True:
            broken = self._first_broken(series)
            if broken is None:
                break
            late = late or broken in self.current
            self.broken.append(broken)
            self.last = {name: at for name, at in self.last.items() if self._axis_of(name) is not None}
        result = {name: self._placed(name, one, series) for name, one in series.items()}
        self.last = dict(sorted(self.last.items()))  # readers may bring the series in any order
        for axis in {axis for _, axis in self.defined}:
            if axis in series and self._counts(axis):
                self.current[axis] = int(series[axis].points.value[-1])
        self.begun = self.begun or bool(series)
        return result, late

    def facts(self) -> dict[str, Fact]:
        """`step_metric`: the names of the axes, whether they count or not."""
        names = list(dict.fromkeys(axis for _, axis in self.defined))
        return {"step_metric": ", ".join(names)} if names else {}

    def _axis_of(self, name: str) -> str | None:
        for pattern, axis in self.defined:
            is_match = name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
            if is_match:
                return axis if self._counts(axis) else None
        return name if self._counts(name) and any(axis == name for _, axis in self.defined) else None

    def _counts(self, axis: str) -> bool:
        is_epoch = bool(_EPOCH.search(axis)) and ("*", axis) not in self.defined
        return not is_epoch and axis not in self.broken

    def _first_broken(self, series: Mapping[str, Series]) -> str | None:
        for name, one in sorted(series.items()):
            axis = self._axis_of(name)
            if axis is not None and not name.startswith(_SYSTEM) and not self._holds(name, axis, one, series):
                return axis
        return None

    def _holds(self, name: str, axis: str, one: Series, series: Mapping[str, Series]) -> bool:
        """Whether the iterations of a metric do not fall, and are distinct or say the same again."""
        iteration = self._along(axis, one.points, series)
        if iteration is None:
            return False
        points, last = one.points, self.last.get(name)
        value = points.value
        if last is not None:
            fresh = points.iteration > last.logged  # others are posted again
            iteration = np.concatenate([[last.iteration], iteration[fresh]])
            value = np.concatenate([[float(last.value)], value[fresh]])
        rises = np.diff(iteration)
        same = (value[1:] == value[:-1]) | (np.isnan(value[1:]) & np.isnan(value[:-1]))
        return bool(((rises > 0) | ((rises == 0) & same)).all())

    def _along(self, axis: str, points: Points, series: Mapping[str, Series]) -> Ints | None:
        """The value of an axis at each point, or before it; None where it has none that is an integer."""
        reported = series.get(axis)
        value = reported.points.value if reported is not None else np.empty(0)
        if not (np.isfinite(value).all() and (np.abs(value) < _LARGEST).all() and (value % 1 == 0).all()):
            return None
        values = value.astype(np.int64)
        at = np.searchsorted(reported.points.row, points.row, "right") if reported is not None else 0
        before = self.current.get(axis)
        if before is None and np.any(np.equal(at, 0)):
            return None
        values_so_far = np.concatenate([[before or 0], values])
        return np.broadcast_to(values_so_far[at], len(points)).astype(np.int64)

    def _placed(self, name: str, one: Series, series: Mapping[str, Series]) -> Series:
        axis = self._axis_of(name)
        iteration = self._along(axis, one.points, series) if axis is not None else None
        if iteration is None:
            return one
        if not name.startswith(_SYSTEM):
            newest = int(np.argmax(one.points.iteration))
            logged, last = int(one.points.iteration[newest]), self.last.get(name)
            if last is None or logged >= last.logged:
                value = repr(float(one.points.value[newest]))
                self.last[name] = Placed(logged, int(iteration[newest]), value)
        return replace(one, points=replace(one.points, iteration=iteration))


def definitions(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name or pattern, axis) of the definitions below `_wandb.m` of a configuration.

    Format: SDK 0.12 to 0.31: MetricRecords with field numbers for names. 1: name, 2: pattern, 4: the axis, 5:
    its place in this list, from 1.
    """
    internal = config.get("_wandb")
    if isinstance(internal, dict) and isinstance(internal.get("value"), dict):
        internal = internal["value"]
    records = internal.get("m") if isinstance(internal, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        return []
    result = []
    for record in records:
        pattern = record.get("1") or record.get("2")
        axis = record.get("4") or _name_at(records, record.get("5"))
        if isinstance(pattern, str) and isinstance(axis, str):
            result.append((pattern, axis))
    return result


def _name_at(records: Sequence[dict[str, Any]], place: object) -> object:
    if isinstance(place, int) and 1 <= place <= len(records):
        return records[place - 1].get("1")
    return None
