"""Columns encoded as JSON, CSV and NDJSON, in chunks of bounded size."""

from __future__ import annotations

import functools
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from lensd.query.lens import IterationSlice
from lensd.query.results import PointsInfo, RowTable, Slice
from lensd.query.rows import LongRows
from lensd.query.time_order import TimeOrdered, WideRows
from lensd.store import Reader

_ENCODER = msgspec.json.Encoder()
_CHUNK_BYTES = 1 << 18
_CELLS = 1 << 16  # of rows that are encoded at a time
_MORE = ("attempt", "workload_uid")  # fields of a point that are not always there


class Point(msgspec.Struct):
    """One point. `timestamp` is in UTC milliseconds. `attempt` is there if the request names attempts,
    `workload_uid` if it names several workloads."""

    metric_name: str
    value: float
    timestamp: int
    iteration: int
    data_source: str
    attempt: int | msgspec.UnsetType = msgspec.UNSET
    workload_uid: str | msgspec.UnsetType = msgspec.UNSET


Group = Slice | IterationSlice | TimeOrdered


def points(group: Group) -> Iterator[Point]:
    """The points of a group, in order."""
    if isinstance(group, TimeOrdered):
        return _ordered_points(group)
    return _slice_points(group) if isinstance(group, Slice) else _iteration_points(group)


def _ordered_points(ordered: TimeOrdered) -> Iterator[Point]:
    names = [(c.name, c.source, msgspec.UNSET if c.workload is None else c.workload) for c in ordered.curves]
    counts = [name in ("iteration", "target_iteration") for name, _, _ in names]
    columns = (ordered.curve, ordered.value, ordered.ts_ms, ordered.iteration, ordered.attempt)
    for curve, value, ts_ms, iteration, attempt in zip(*(c.tolist() for c in columns), strict=True):
        name, source, workload = names[curve]
        number = int(value) if counts[curve] and value.is_integer() else value
        yield Point(name, number, ts_ms, iteration, source, attempt or msgspec.UNSET, workload)


def _slice_points(slice_: Slice) -> Iterator[Point]:
    columns = (
        itertools.repeat(slice_.metric_name),
        slice_.value.tolist(),
        slice_.ts_ms.tolist(),
        slice_.iteration.tolist(),
        itertools.repeat(slice_.data_source),
    )
    if slice_.attempt is None and slice_.workload is None:
        return map(Point, *columns)
    more = (msgspec.UNSET if constant is None else constant for constant in (slice_.attempt, slice_.workload))
    return map(Point, *columns, *map(itertools.repeat, more))


def _iteration_points(slice_: IterationSlice) -> Iterator[Point]:
    """Each iteration as a point of `iteration`, then one of `target_iteration` if that is known."""
    rows = zip(
        slice_.iteration.tolist(),
        slice_.ts_ms.tolist(),
        slice_.target.tolist(),
        slice_.data_source,
        strict=True,
    )
    last = msgspec.UNSET, msgspec.UNSET if slice_.workload is None else slice_.workload
    for step, ts_ms, target, source in rows:
        yield Point("iteration", step, ts_ms, step, source, *last)
        if target == target:
            whole = int(target) if target.is_integer() else target
            yield Point("target_iteration", whole, ts_ms, step, source, *last)


def points_json(uid: str, source: str, groups: Iterable[Group], info: PointsInfo) -> Iterator[bytes]:
    """The body of `metrics/data` and `iteration-times`. `total_count` is counted on the way."""
    yield b'{"workload_uid":%b,"data_source":%b,"data":[' % (_json(uid), _json(source))
    count = 0
    for group in groups:
        entries = list(points(group))
        if entries:
            yield (b"," if count else b"") + _json(entries)[1:-1]
            count += len(entries)
    yield _end(count, info)


def wide_json(
    uid: str, source: str, names: list[str], rows: Iterable[WideRows], info: PointsInfo
) -> Iterator[bytes]:
    """Rows with a column for each series, in the envelope of `points_json`. A row leaves out the series that
    it has no value of."""
    yield b'{"workload_uid":%b,"data_source":%b,"data":[' % (_json(uid), _json(source))
    row_type, count = _row_type(("time", "iteration", *names)), 0
    for some in rows:
        columns = [some.ts_ms.tolist(), some.iteration.tolist(), *map(_present, some.values.T)]
        entries = list(map(row_type, *columns))
        yield (b"," if count else b"") + _json(entries)[1:-1]
        count += len(entries)
    yield _end(count, info)


def wide_csv(names: list[str], rows: Iterable[WideRows]) -> Iterator[bytes]:
    """Rows as CSV with a header; cells without a value are empty."""
    yield b",".join([b"time", b"iteration", *map(csv_cell, names)]) + b"\n"
    for some in rows:
        columns = [_numbers(column) for column in (some.ts_ms, some.iteration, *some.values.T)]
        yield b"".join(b"%b\n" % b",".join(row) for row in zip(*columns, strict=True))


def _end(count: int, info: PointsInfo) -> bytes:
    total = b"" if info.total_points is None else b',"total_points":%d' % info.total_points
    return b'],"total_count":%d%b,"next":"%d"}' % (count, total, info.version)


def points_ndjson(groups: Iterable[Group]) -> Iterator[bytes]:
    """One point per line."""
    for group in groups:
        # Pass a list: msgspec 0.22 leaks what it reads from an iterator (60 MB in 800,000 points).
        yield _ENCODER.encode_lines(list(points(group)))


def points_csv(groups: Iterable[Group], *more: str) -> Iterator[bytes]:
    """Points as CSV with a header. more: the columns that are there beside the usual ones, `attempt` and
    `workload_uid`."""
    names = [name for name in Point.__struct_fields__ if name not in _MORE or name in more]
    yield (",".join(names) + "\n").encode()
    for group in groups:
        yield _slice_csv(group, more) if isinstance(group, Slice) else _other_csv(group, more)


def _other_csv(group: IterationSlice | TimeOrdered, more: Sequence[str]) -> bytes:
    lines = []
    for point in points(group):
        cells = [csv_cell(point.metric_name), _json(point.value), b"%d" % point.timestamp]
        cells += [b"%d" % point.iteration, csv_cell(point.data_source)]
        cells += [csv_cell(str(getattr(point, name))) for name in _MORE if name in more]
        lines.append(b",".join(cells))
    return b"".join(b"%b\n" % line for line in lines)


def _slice_csv(slice_: Slice, more: Sequence[str]) -> bytes:
    # Encode whole columns, then fill a template of the constant cells: six times as fast as csv.writer.
    columns = (
        _json(column.tolist())[1:-1].split(b",") for column in (slice_.value, slice_.ts_ms, slice_.iteration)
    )
    texts = [slice_.metric_name, slice_.data_source]
    texts += [str(slice_.attempt or 1)] if "attempt" in more else []
    texts += [slice_.workload or ""] if "workload_uid" in more else []
    name, *last = (csv_cell(text).replace(b"%", b"%%") for text in texts)
    template = name + b",%b,%b,%b," + b",".join(last) + b"\n"
    return b"".join(map(template.__mod__, zip(*columns, strict=True)))


_TO_QUOTE = re.compile('[",\x00-\x1f\x7f-\x9f\u2028\u2029]')
_CSV_CELL = re.compile(rb'"(?:[^"]|"")*"|[^",\n]+')
_FORMULA = re.compile(rb'"?[=+@\t\r-]')
_CSV_NUMBER = re.compile(rb"-?[\d.]+(?:[eE][+-]?\d+)?")


@functools.lru_cache(4096)
def csv_cell(text: str) -> bytes:
    """A text as one cell; whatever may end a cell or a line for some reader is quoted."""
    if _TO_QUOTE.search(text):
        text = '"{}"'.format(text.replace('"', '""'))
    return text.encode("utf-8", "replace")


def for_spreadsheets(parts: Iterable[bytes]) -> Iterator[bytes]:
    """CSV, of whole lines, in which no text is a formula: an apostrophe stands before those that would be."""
    return (_CSV_CELL.sub(_no_formula, part) for part in parts)


def _no_formula(cell: re.Match[bytes]) -> bytes:
    text = cell[0]
    if not _FORMULA.match(text) or _CSV_NUMBER.fullmatch(text):
        return text
    return b"\"'" + text[1:] if text.startswith(b'"') else b"'" + text


def rows_json(table: RowTable) -> Iterator[bytes]:
    """The body of the rows of a run. A row leaves out the columns that it has no value for."""
    yield b'{"columns":%b,"rows":[' % _json(column_names(table))
    yield from row_objects(table)
    yield b'],"total":%d,"sampled":%d}' % (table.total, len(table))


def long_rows_json(rows: LongRows, reader: Reader) -> Iterator[bytes]:
    """The same of rows that are read while they are sent."""
    yield b'{"columns":%b,"rows":[' % _json(rows.names)
    for objects, _ in long_row_objects(rows, reader):
        yield objects
    yield b'],"total":%d,"sampled":%d}' % (rows.total, rows.rows)


def long_row_objects(rows: LongRows, reader: Reader) -> Iterator[tuple[bytes, int]]:
    """(rows as JSON objects with commas between them, how many)."""
    comma = b""
    for table in rows.tables(reader):
        yield comma + b"".join(row_objects(table)), len(table)
        comma = b","


def rows_csv(names: Sequence[str], tables: Iterable[RowTable]) -> Iterator[bytes]:
    """Rows as CSV with a header. A cell is empty where a row has no value.

    names: of all columns, the axis first. tables: the rows piece by piece, each with some of the columns.
    """
    yield b",".join(map(csv_cell, names)) + b"\n"
    for table in tables:
        for lo in range(0, len(table), 2048):
            part = slice(lo, lo + 2048)
            cells = {table.axis_name: _numbers(table.axis[part])}
            named = zip(table.columns, table.values, strict=True)
            cells |= {name: _numbers(column[part]) for name, column in named}
            for name, texts in table.labels.items():
                cells[name] = [b"" if text is None else csv_cell(text) for text in texts[part]]
            empty = [b""] * len(cells[table.axis_name])
            columns = [cells.get(name, empty) for name in names]
            yield b"".join(b"%b\n" % b",".join(row) for row in zip(*columns, strict=True))


def _numbers(column: np.ndarray[Any, Any]) -> list[bytes]:
    """A column of numbers as cells; what is not finite is an empty one, as it is null in JSON."""
    return _json(column.tolist())[1:-1].replace(b"null", b"").split(b",")


def column_names(table: RowTable) -> list[str]:
    """The axis first, labels last; empty if there are no rows."""
    names = [table.axis_name, *table.columns, *table.labels] if len(table) else []
    return list(dict.fromkeys(names))  # a name may be a metric and a label


def row_objects(table: RowTable) -> Iterator[bytes]:
    """The rows as JSON objects with commas between them."""
    row_type = _row_type((table.axis_name, *table.columns, *table.labels))
    size = max(1, min(2048, _CELLS // (1 + len(table.columns))))
    for at in range(0, len(table), size):
        part = slice(at, at + size)
        columns: list[list[Any]] = [table.axis[part].tolist()]
        columns += [_present(column[part]) for column in table.values]
        columns += [
            [msgspec.UNSET if t is None else t for t in texts[part]] for texts in table.labels.values()
        ]
        yield (b"," if at else b"") + _json(list(map(row_type, *columns)))[1:-1]


@functools.lru_cache(32)
def _row_type(names: tuple[str, ...]) -> Any:
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
