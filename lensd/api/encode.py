"""Columns encoded as JSON, CSV and NDJSON, in chunks of bounded size."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from lensd.query.lens import IterationSlice
from lensd.query.results import PointsInfo, RowTable, Slice

_ENCODER = msgspec.json.Encoder()
_CHUNK_BYTES = 1 << 18


class Point(msgspec.Struct):
    """One point. `timestamp` is in UTC milliseconds. `attempt` is there if the request names attempts."""

    metric_name: str
    value: float
    timestamp: int
    iteration: int
    data_source: str
    attempt: int | msgspec.UnsetType = msgspec.UNSET


Group = Slice | IterationSlice


def points(group: Group) -> Iterator[Point]:
    """The points of a group, in order."""
    return _slice_points(group) if isinstance(group, Slice) else _iteration_points(group)


def _slice_points(slice_: Slice) -> Iterator[Point]:
    columns = (
        itertools.repeat(slice_.metric_name),
        slice_.value.tolist(),
        slice_.ts_ms.tolist(),
        slice_.iteration.tolist(),
        itertools.repeat(slice_.data_source),
    )
    if slice_.attempt is None:
        return map(Point, *columns)
    return map(Point, *columns, itertools.repeat(slice_.attempt))


def _iteration_points(slice_: IterationSlice) -> Iterator[Point]:
    """Each iteration as a point of `iteration`, then one of `target_iteration` if that is known."""
    rows = zip(
        slice_.iteration.tolist(),
        slice_.ts_ms.tolist(),
        slice_.target.tolist(),
        slice_.data_source,
        strict=True,
    )
    for step, ts_ms, target, source in rows:
        yield Point("iteration", step, ts_ms, step, source)
        if target == target:
            whole = int(target) if target.is_integer() else target
            yield Point("target_iteration", whole, ts_ms, step, source)


def points_json(uid: str, source: str | None, groups: Iterable[Group], info: PointsInfo) -> Iterator[bytes]:
    """The body of `metrics/data` and `iteration-times`. `total_count` is counted on the way."""
    yield b'{"workload_uid":%b,"data_source":%b,"data":[' % (_json(uid), _json(source or ""))
    count = 0
    for group in groups:
        entries = list(points(group))
        if entries:
            yield (b"," if count else b"") + _json(entries)[1:-1]
            count += len(entries)
    tail = b'],"total_count":%d' % count
    if info.total_points is not None:
        tail += b',"total_points":%d' % info.total_points
    yield tail + b',"next":"%d"}' % info.version


def points_ndjson(groups: Iterable[Group]) -> Iterator[bytes]:
    """One point per line."""
    for group in groups:
        # Pass a list: msgspec 0.22 leaks what it reads from an iterator (60 MB in 800,000 points).
        yield _ENCODER.encode_lines(list(points(group)))


def points_csv(groups: Iterable[Group], attempts: bool) -> Iterator[bytes]:
    """Points as CSV with a header. attempts: add the column `attempt`."""
    names = [name for name in Point.__struct_fields__ if attempts or name != "attempt"]
    yield (",".join(names) + "\n").encode()
    for group in groups:
        if isinstance(group, Slice):
            yield _slice_csv(group, attempts)
        else:
            yield b"".join(
                b"%b,%b,%d,%d,%b\n"
                % (p.metric_name.encode(), _json(p.value), p.timestamp, p.iteration, _cell(p.data_source))
                for p in _iteration_points(group)
            )


def _slice_csv(slice_: Slice, attempts: bool) -> bytes:
    # Encode whole columns, then fill a template of the constant cells: six times as fast as csv.writer.
    columns = (
        _json(column.tolist())[1:-1].split(b",") for column in (slice_.value, slice_.ts_ms, slice_.iteration)
    )
    last = b",%d" % (slice_.attempt or 1) if attempts else b""
    name, source = (_cell(text).replace(b"%", b"%%") for text in (slice_.metric_name, slice_.data_source))
    template = name + b",%b,%b,%b," + source + last + b"\n"
    return b"".join(map(template.__mod__, zip(*columns, strict=True)))


@functools.lru_cache(4096)
def _cell(text: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([text])  # quotes cells that contain line ends
    return out.getvalue()[:-1].encode()


def rows_json(table: RowTable) -> Iterator[bytes]:
    """The body of the rows of a run. A row leaves out the columns that it has no value for."""
    yield b'{"columns":%b,"rows":[' % _json(column_names(table))
    yield from row_objects(table)
    yield b'],"total":%d,"sampled":%d}' % (table.total, len(table))


def column_names(table: RowTable) -> list[str]:
    """The axis first, labels last; empty if there are no rows."""
    names = [table.axis_name, *table.columns, *table.labels] if len(table) else []
    return list(dict.fromkeys(names))  # a name may be a metric and a label


def row_objects(table: RowTable) -> Iterator[bytes]:
    """The rows as JSON objects with commas between them."""
    columns: list[list[Any]] = [table.axis.tolist()]
    columns += [_present(column) for column in table.values]
    columns += [[msgspec.UNSET if t is None else t for t in texts] for texts in table.labels.values()]
    rows = map(_row_type([table.axis_name, *table.columns, *table.labels]), *columns)
    first = True
    while some := list(itertools.islice(rows, 2048)):
        yield (b"" if first else b",") + _json(some)[1:-1]
        first = False


def _row_type(names: list[str]) -> Any:
    """A callable from values to a row. A struct if possible: msgspec encodes those fastest."""
    fields = [(f"c{index}", Any) for index in range(len(names))]
    renamed = {f"c{index}": name for index, name in enumerate(names)}
    try:
        return msgspec.defstruct("Row", fields, rename=renamed)
    except ValueError:  # msgspec refuses duplicate names, quotes and control characters
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


def in_chunks(parts: Iterable[bytes], size: int = _CHUNK_BYTES) -> Iterator[bytes]:
    """The same bytes in chunks of about `size` bytes."""
    pending: list[bytes] = []
    length = 0
    for part in parts:
        pending.append(part)
        length += len(part)
        if length >= size:
            yield b"".join(pending)
            pending, length = [], 0
    if pending:
        yield b"".join(pending)


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
