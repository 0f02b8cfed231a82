"""The steps at which training is where a line of a log is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lensd.model import LineMark, Series


def with_steps(
    marks: Sequence[LineMark], rows: Sequence[int], series: Mapping[str, Series]
) -> list[LineMark]:
    """The marks with the step of the first record at or below each, where the batch has one.

    rows: of each mark, the row of its line.
    """
    nearest = np.full(len(marks), np.iinfo(np.int64).max)
    steps: list[int | None] = [None] * len(marks)
    for one in series.values():
        row, step = one.points.row, one.points.iteration
        for index, at in enumerate(np.searchsorted(row, rows).tolist()):
            if at < len(row) and row[at] < nearest[index]:
                nearest[index], steps[index] = row[at], int(step[at])
    return [replace(mark, step=step) for mark, step in zip(marks, steps, strict=True)]
