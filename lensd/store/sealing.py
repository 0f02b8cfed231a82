"""Writes points: as plain rows first, sealed into chunks as soon as there are enough for one."""

from __future__ import annotations

import sqlite3

import numpy as np

from lensd.store.backlog import HeldLevels
from lensd.store.chunks import CHUNK, EncodedColumns, encode_floats, encode_ints, encode_times
from lensd.store.columns import Columns, is_ascending, joined
from lensd.store.plan import Part
from lensd.store.reader import Reader

#: So many points at once are a backlog. They are sealed as a shorter chunk, because as rows the next batch
#: would only take them out again.
BULK = 512

_INSERT_HEAD = "INSERT INTO head (series_id, attempt, step, ts_ms, value, version) VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_CHUNK = """
INSERT INTO chunk (series_id, attempt, points, finite, ascending, min_step, max_step, min_ts, max_ts, version,
  low_step, low_ts, low, high_step, high_ts, high, steps, times, "values", versions)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class Sealer:
    """Appends the points of one batch to their series, within the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, reader: Reader, levels: HeldLevels, *, hold: bool) -> None:
        """hold: more points of the same input follow at once."""
        self._db = db
        self._reader = reader
        self._levels = levels
        self._hold = hold
        self._encoded = EncodedColumns()

    def append(self, series: int, attempt: int, head: int, points: Columns) -> int:
        """Add points to a series. head: how many plain rows it has in this attempt. Returns their new
        number."""
        if head + len(points) < CHUNK and len(points) < BULK:
            _insert_rows(self._db, series, attempt, points)
            return head + len(points)
        if head:
            points = joined([self._reader.head(Part(series, attempt)), points])
            self._db.execute("DELETE FROM head WHERE series_id = ? AND attempt = ?", (series, attempt))
        rest = len(points) % CHUNK
        sealed = len(points) - rest if rest < BULK else len(points)
        before = _newest_chunk(self._db, series, attempt)
        starts = range(0, sealed, CHUNK)
        self._db.executemany(
            _INSERT_CHUNK,
            (
                _chunk_row(
                    series, attempt, points.take(slice(at, min(at + CHUNK, sealed))), at, self._encoded
                )
                for at in starts
            ),
        )
        newest = _newest_chunk(self._db, series, attempt) or 0
        ends = [int(points.step[min(at + CHUNK, sealed) - 1]) for at in starts]
        inside = points.take(slice(sealed))
        self._levels.extend(series, attempt, before, newest, inside, ends, hold=self._hold)
        _insert_rows(self._db, series, attempt, points.take(slice(sealed, None)))
        return len(points) - sealed


def _newest_chunk(db: sqlite3.Connection, series: int, attempt: int) -> int | None:
    sql = "SELECT max(id) FROM chunk WHERE series_id = ? AND attempt = ?"
    ((newest,),) = db.execute(sql, (series, attempt))
    return None if newest is None else int(newest)


def _insert_rows(db: sqlite3.Connection, series: int, attempt: int, points: Columns) -> None:
    columns = (points.step.tolist(), points.ts_ms.tolist(), points.value.tolist(), points.version.tolist())
    db.executemany(_INSERT_HEAD, ((series, attempt, *row) for row in zip(*columns, strict=True)))


def _chunk_row(
    series: int, attempt: int, points: Columns, at: int, encoded: EncodedColumns
) -> tuple[object, ...]:
    is_finite = np.isfinite(points.value)
    finite = int(is_finite.sum())
    low: tuple[object, ...] = (None, None, None)
    high = low
    if finite:
        inside = points if finite == len(points) else points.take(is_finite)
        low, high = _at(inside, int(inside.value.argmin())), _at(inside, int(inside.value.argmax()))
    return (
        series, attempt, len(points), finite, is_ascending(points.step),
        int(points.step.min()), int(points.step.max()),
        float(points.ts_ms.min()), float(points.ts_ms.max()), int(points.version.max()),
        *low, *high,
        encoded.get(("steps", at), points.step, encode_ints),
        encoded.get(("times", at), points.ts_ms, encode_times),
        encode_floats(points.value),
        encoded.get(("versions", at), points.version, encode_ints),
    )  # fmt: skip


def _at(points: Columns, index: int) -> tuple[object, ...]:
    return int(points.step[index]), float(points.ts_ms[index]), float(points.value[index])
