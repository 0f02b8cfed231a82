"""Writes points: plain rows first, sealed into chunks as soon as a chunk is full."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints, Points
from lensd.store.chunks import CHUNK, PARTS, encode_floats, encode_ints
from lensd.store.columns import Columns, is_ascending, joined
from lensd.store.plan import Part
from lensd.store.reader import Reader

#: So many points at once are a backlog being read: they are sealed as a shorter chunk rather than kept as
#: rows that the next batch would only have to take out again.
BULK = 512

_INSERT_HEAD = "INSERT INTO head (series_id, attempt, step, ts_ms, value, version) VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_CHUNK = """
INSERT INTO chunk (series_id, attempt, points, finite, ascending, min_step, max_step, min_ts, max_ts, version,
  low_step, low_ts, low, high_step, high_ts, high, steps, times, "values", versions)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class Packed:
    """Columns that were packed for one series of a batch, for the others: most are reported at the same steps
    and times, and packing them is what storing costs."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[npt.NDArray[np.generic], bytes]] = {}

    def ints(self, kind: str, at: int, column: Ints) -> bytes:
        """A column of whole numbers; `kind` and `at` say where the same one may have been before."""
        return self._get(kind, at, column) or self._put(kind, at, column, encode_ints(column))

    def times(self, at: int, ts_ms: Floats) -> bytes:
        """A column of UTC milliseconds."""
        found = self._get("times", at, ts_ms)
        return found or self._put("times", at, ts_ms, encode_ints(np.rint(ts_ms * PARTS).astype(np.int64)))

    def _get(self, kind: str, at: int, column: npt.NDArray[np.generic]) -> bytes | None:
        known = self._known.get((kind, at))
        return known[1] if known is not None and np.array_equal(known[0], column) else None

    def _put(self, kind: str, at: int, column: npt.NDArray[np.generic], blob: bytes) -> bytes:
        self._known[kind, at] = column, blob
        return blob


def append(
    db: sqlite3.Connection,
    reader: Reader,
    series: int,
    attempt: int,
    head: int,
    points: Columns,
    packed: Packed,
) -> int:
    """Add points to a series; `head` is how many plain rows it has in this attempt. Returns how many it has
    afterwards."""
    if head + len(points) < CHUNK and len(points) < BULK:
        _insert_rows(db, series, attempt, points)
        return head + len(points)
    if head:
        points = joined([reader.head(Part(series, attempt)), points])
        db.execute("DELETE FROM head WHERE series_id = ? AND attempt = ?", (series, attempt))
    rest = len(points) % CHUNK
    sealed = len(points) - rest if rest < BULK else len(points)
    db.executemany(
        _INSERT_CHUNK,
        (
            _chunk_row(series, attempt, points.take(slice(at, min(at + CHUNK, sealed))), at, packed)
            for at in range(0, sealed, CHUNK)
        ),
    )
    _insert_rows(db, series, attempt, points.take(slice(sealed, None)))
    return len(points) - sealed


def _insert_rows(db: sqlite3.Connection, series: int, attempt: int, points: Columns) -> None:
    columns = (points.step.tolist(), points.ts_ms.tolist(), points.value.tolist(), points.version.tolist())
    db.executemany(_INSERT_HEAD, ((series, attempt, *row) for row in zip(*columns, strict=True)))


def _chunk_row(series: int, attempt: int, points: Columns, at: int, packed: Packed) -> tuple[object, ...]:
    finite = np.isfinite(points.value)
    count = int(finite.sum())
    low: tuple[object, ...] = (None, None, None)
    high = low
    if count:
        inside = points if count == len(points) else points.take(finite)
        low, high = _at(inside, int(inside.value.argmin())), _at(inside, int(inside.value.argmax()))
    return (
        series, attempt, len(points), count, is_ascending(points.step),
        int(points.step.min()), int(points.step.max()),
        float(points.ts_ms.min()), float(points.ts_ms.max()), int(points.version.max()),
        *low, *high,
        packed.ints("steps", at, points.step),
        packed.times(at, points.ts_ms),
        encode_floats(points.value),
        packed.ints("versions", at, points.version),
    )  # fmt: skip


def _at(points: Columns, index: int) -> tuple[object, ...]:
    return int(points.step[index]), float(points.ts_ms[index]), float(points.value[index])


def iterations(series: Mapping[str, Points], targets: Points | None, begins: Sequence[int]) -> Points:
    """The distinct steps that the metrics of a batch report, each at its earliest time, with the target
    iteration as value where one was told (else NaN), and the row at which the step was first reported.

    begins: rows at which attempts begin; a step that comes again in the next attempt is another one there.
    """
    pieces: list[Points] = []
    for points in series.values():
        untold = Points(points.iteration, points.ts_ms, np.full(len(points), np.nan), points.row)
        if begins or not _merged_into(pieces, untold):
            pieces.append(untold)
    if targets is not None and (begins or not _merged_into(pieces, targets)):
        pieces.append(targets)
    if not pieces:
        return Points.of((), (), ())
    every = Points(
        np.concatenate([p.iteration for p in pieces]),
        np.concatenate([p.ts_ms for p in pieces]),
        np.concatenate([p.value for p in pieces]),
        np.concatenate([p.row for p in pieces]),
    )
    order = np.argsort(every.row, kind="stable")
    ordered = Points(every.iteration[order], every.ts_ms[order], every.value[order], every.row[order])
    return _distinct(ordered, np.searchsorted(np.asarray(begins, np.int64), ordered.row, "right"))


def _merged_into(pieces: list[Points], points: Points) -> bool:
    """Metrics are mostly reported at the same steps: columns of equal steps become one at once."""
    for index, seen in enumerate(pieces):
        if len(seen) == len(points) and np.array_equal(seen.iteration, points.iteration):
            pieces[index] = Points(
                seen.iteration,
                np.minimum(seen.ts_ms, points.ts_ms),
                np.fmax(seen.value, points.value),
                np.minimum(seen.row, points.row),
            )
            return True
    return False


def _distinct(points: Points, attempt: npt.NDArray[np.intp]) -> Points:
    """One point for each run of equal steps: earliest time, first row, the target if any record told it."""
    if len(points) == 0:
        return points
    first = np.ones(len(points), np.bool_)
    first[1:] = (points.iteration[1:] != points.iteration[:-1]) | (attempt[1:] != attempt[:-1])
    starts = np.flatnonzero(first)
    target = np.fmax.reduceat(points.value, starts)
    return Points(
        points.iteration[starts], np.minimum.reduceat(points.ts_ms, starts), target, points.row[starts]
    )


def runs(points: Columns, places: list[int]) -> Iterator[tuple[int, Columns]]:
    """(how many attempts later, points) for the stretches between the places."""
    edges = [0, *places, len(points)]
    for rise in range(len(edges) - 1):
        if edges[rise] < edges[rise + 1]:
            yield rise, points.take(slice(edges[rise], edges[rise + 1]))
