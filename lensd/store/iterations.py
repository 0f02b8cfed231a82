"""The iterations of a batch: the steps that its metrics report, made into a series of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lensd.model import Points


def iterations(series: Mapping[str, Points], targets: Points | None, begins: Sequence[int]) -> Points:
    """The distinct steps that the metrics of a batch report: each at its earliest time, with the target
    iteration as value (NaN where none was reported), and with the row that reported it first.

    begins: rows at which attempts begin. A step that comes again in the next attempt is another iteration.
    """
    pieces: list[Points] = []
    for points in series.values():
        without_target = Points(points.iteration, points.ts_ms, np.full(len(points), np.nan), points.row)
        if begins or not _merged_into(pieces, without_target):
            pieces.append(without_target)
    if targets is not None and (begins or not _merged_into(pieces, targets)):
        pieces.append(targets)
    if not pieces:
        return Points.of((), (), ())
    row = np.concatenate([p.row for p in pieces])
    order = np.argsort(row, kind="stable")
    ordered = Points(
        np.concatenate([p.iteration for p in pieces])[order],
        np.concatenate([p.ts_ms for p in pieces])[order],
        np.concatenate([p.value for p in pieces])[order],
        row[order],
    )
    return _distinct(ordered, np.searchsorted(np.asarray(begins, np.int64), ordered.row, "right"))


def _merged_into(pieces: list[Points], points: Points) -> bool:
    """Merge points into a piece with the same steps, if there is one: most metrics are reported together."""
    for index, piece in enumerate(pieces):
        if np.array_equal(piece.iteration, points.iteration):
            pieces[index] = Points(
                piece.iteration,
                np.minimum(piece.ts_ms, points.ts_ms),
                np.fmax(piece.value, points.value),
                np.minimum(piece.row, points.row),
            )
            return True
    return False


def _distinct(points: Points, attempt: npt.NDArray[np.intp]) -> Points:
    """One point for each run of equal steps: its earliest time, its first row, and its target."""
    if len(points) == 0:
        return points
    first = np.ones(len(points), np.bool_)
    first[1:] = (points.iteration[1:] != points.iteration[:-1]) | (attempt[1:] != attempt[:-1])
    starts = np.flatnonzero(first)
    target = np.fmax.reduceat(points.value, starts)
    return Points(
        points.iteration[starts], np.minimum.reduceat(points.ts_ms, starts), target, points.row[starts]
    )
