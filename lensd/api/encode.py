"""Columns as JSON, CSV and lines of JSON, a bounded piece at a time."""

from __future__ import annotations

import csv
import io
import itertools
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from lensd.query.answers import PointsInfo, RowTable, Slice
from lensd.query.lens import IterationSlice

_ENCODER = msgspec.json.Encoder()
_PIECE = 1 << 18


class Point(msgspec.Struct):
    """One point of an answer; `timestamp` in UTC milliseconds."""

    metric_name: str
    value: float
    timestamp: int
    iteration: int
    data_source: str


class AttemptPoint(Point):
    """A point of an answer that spans attempts."""

    attempt: int


def slice_points(each: Slice) -> Iterator[Point]:
    columns = (
        itertools.repeat(each.metric_name),
        each.value.tolist(),
        each.ts_ms.tolist(),
        each.iteration.tolist(),
        itertools.repeat(each.data_source),
    )
    if each.attempt is None:
        return map(Point, *columns)
    return map(AttemptPoint, *columns, itertools.repeat(each.attempt))


def iteration_points(each: IterationSlice) -> Iterator[Point]:
    """An entry `iteration`, and after it `target_iteration` where that is known."""
    rows = zip(
        each.iteration.tolist(), each.ts_ms.tolist(), each.target.tolist(), each.data_source, strict=True
    )
    for step, ts_ms, target, source in rows:
        yield Point("iteration", step, ts_ms, step, source)
        if target == target:
            whole = int(target) if target.is_integer() else target
            yield Point("target_iteration", whole, ts_ms, step, source)


def points_json(
    uid: str, source: str | None, groups: Iterable[Iterable[Point]], info: PointsInfo
) -> Iterator[bytes]:
    """The answer of `metrics/data` and `iteration-times`; `total_count` is counted on the way."""
    yield b'{"workload_uid":%b,"data_source":%b,"data":[' % (_json(uid), _json(source or ""))
    count = 0
    for group in groups:
        points = list(group)
        if points:
            yield (b"," if count else b"") + _json(points)[1:-1]
            count += len(points)
    tail = b'],"total_count":%d' % count
    if info.total_points is not None:
        tail += b',"total_points":%d' % info.total_points
    yield tail + b',"next":"%d"}' % info.version


def points_ndjson(groups: Iterable[Iterable[Point]]) -> Iterator[bytes]:
    for group in groups:
        yield b"".join(_json(point) + b"\n" for point in group)


def points_csv(groups: Iterable[Iterable[Point]], attempts: bool) -> Iterator[bytes]:
    header = (AttemptPoint if attempts else Point).__struct_fields__
    yield (",".join(header) + "\n").encode()
    for group in groups:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(msgspec.structs.astuple(point) for point in group)
        yield out.getvalue().encode()


def rows_json(table: RowTable) -> Iterator[bytes]:
    """The rows of a run: `columns`, `rows`, `total`, `sampled`; a row leaves out what it does not have."""
    yield b'{"columns":%b,"rows":[' % _json(column_names(table))
    yield from row_objects(table)
    yield b'],"total":%d,"sampled":%d}' % (table.total, len(table))


def column_names(table: RowTable) -> list[str]:
    """The axis first, labels last; none where there are no rows."""
    return [table.axis_name, *table.columns, *table.labels] if len(table) else []


def row_objects(table: RowTable) -> Iterator[bytes]:
    """The rows as JSON objects with commas between them."""
    columns: list[list[Any]] = [table.axis.tolist()]
    columns += [_present(column) for column in table.values]
    columns += [[msgspec.UNSET if t is None else t for t in texts] for texts in table.labels.values()]
    rows = map(_row_type(column_names(table)), *columns)
    first = True
    while some := list(itertools.islice(rows, 2048)):
        yield (b"" if first else b",") + _json(some)[1:-1]
        first = False


def _row_type(names: list[str]) -> Any:
    """A callable that makes a row of values: a struct, for msgspec encodes those fastest."""
    fields = [(f"c{index}", Any) for index in range(len(names))]
    renamed = {f"c{index}": name for index, name in enumerate(names)}
    try:
        return msgspec.defstruct("Row", fields, rename=renamed)
    except ValueError:  # names with quotes or control characters cannot be field names
        return lambda *values: {
            name: value for name, value in zip(names, values, strict=True) if value is not msgspec.UNSET
        }


def _present(column: np.ndarray[Any, np.dtype[np.float64]]) -> list[Any]:
    finite = np.isfinite(column)
    values: list[Any] = column.tolist()
    if not finite.all():
        for index in np.flatnonzero(~finite).tolist():
            values[index] = msgspec.UNSET
    return values


def in_pieces(parts: Iterable[bytes], size: int = _PIECE) -> Iterator[bytes]:
    """The same bytes in pieces of about `size`."""
    held: list[bytes] = []
    length = 0
    for part in parts:
        held.append(part)
        length += len(part)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)


def gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes as one gzip stream."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for part in parts:
        packed = packer.compress(part)
        if packed:
            yield packed
    yield packer.flush()


def _json(value: object) -> bytes:
    return _ENCODER.encode(value)
