"""Writes points: as plain rows first, sealed into chunks as soon as there are enough for one."""

from __future__ import annotations

import sqlite3

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints
from lensd.store.chunks import CHUNK, PARTS, encode_floats, encode_ints
from lensd.store.columns import Columns, is_ascending, joined
from lensd.store.levels import LevelWriter, is_in_backlog
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


class EncodedColumns:
    """Caches the encoded columns of one batch. Most of its series have the same steps and times, and encoding
    those is most of the work of storing them."""

    def __init__(self) -> None:
        self._encoded: dict[tuple[str, int], tuple[npt.NDArray[np.generic], bytes]] = {}

    def ints(self, kind: str, at: int, column: Ints) -> bytes:
        """A column of integers, encoded. kind, at: its name and its place in the batch, under which series
        share it."""
        return self._get(kind, at, column) or self._put(kind, at, column, encode_ints(column))

    def times(self, at: int, ts_ms: Floats) -> bytes:
        """A column of UTC milliseconds, encoded."""
        blob = self._get("times", at, ts_ms)
        return blob or self._put("times", at, ts_ms, encode_ints(np.rint(ts_ms * PARTS).astype(np.int64)))

    def _get(self, kind: str, at: int, column: npt.NDArray[np.generic]) -> bytes | None:
        cached = self._encoded.get((kind, at))
        return cached[1] if cached is not None and np.array_equal(cached[0], column) else None

    def _put(self, kind: str, at: int, column: npt.NDArray[np.generic], blob: bytes) -> bytes:
        self._encoded[kind, at] = column, blob
        return blob


def append(
    db: sqlite3.Connection,
    reader: Reader,
    series: int,
    attempt: int,
    head: int,
    points: Columns,
    encoded: EncodedColumns,
) -> int:
    """Add points to a series. head: how many plain rows it has in this attempt. Returns their new number."""
    if head + len(points) < CHUNK and len(points) < BULK:
        _insert_rows(db, series, attempt, points)
        return head + len(points)
    if head:
        points = joined([reader.head(Part(series, attempt)), points])
        db.execute("DELETE FROM head WHERE series_id = ? AND attempt = ?", (series, attempt))
    rest = len(points) % CHUNK
    sealed = len(points) - rest if rest < BULK else len(points)
    before = _newest_chunk(db, series, attempt)
    db.executemany(
        _INSERT_CHUNK,
        (
            _chunk_row(series, attempt, points.take(slice(at, min(at + CHUNK, sealed))), at, encoded)
            for at in range(0, sealed, CHUNK)
        ),
    )
    ((newest,),) = db.execute("SELECT last_insert_rowid()")
    if not is_in_backlog(db, series, attempt):
        LevelWriter(db, series, attempt).extend(before, newest, points.take(slice(sealed)))
    _insert_rows(db, series, attempt, points.take(slice(sealed, None)))
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
        encoded.ints("steps", at, points.step),
        encoded.times(at, points.ts_ms),
        encode_floats(points.value),
        encoded.ints("versions", at, points.version),
    )  # fmt: skip


def _at(points: Columns, index: int) -> tuple[object, ...]:
    return int(points.step[index]), float(points.ts_ms[index]), float(points.value[index])
