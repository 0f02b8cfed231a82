"""Rows of history as columns.

The items of a row come in no particular order (the Go part of the SDK iterates over a map). One regular
expression finds the keys and numbers of all items of a row at once. Rows with the same keys are a group,
whose columns are made together. Rows that hold anything else are read item by item.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import msgspec
import numpy as np

from lensd.model import Floats, Points
from lensd.tail.protobuf import BYTES, WireError
from lensd.wandb.values import BOOKKEEPING, STEP, TIMESTAMP, name_of
from lensd_wandb.history import STEP_FIELD, History
from lensd_wandb.items import path_of

#: An item: its length, its keys (tag, length and text of each), then a value. Lengths over 127 and keys that
#: contain the bytes of a tag make a row that does not add up, which the plain reader takes.
_ITEM = re.compile(rb"\x0a[\x00-\x7f]([^\x82]+)\x82\x01[\x00-\x7f]([^\x0a\x12]+)")
_ITEM_OVERHEAD = 5  # bytes of an item that are in neither group
_NUMBER_BYTES = b"0123456789+-.eENaIfinty"  # NaN and Infinity too
#: Steps and times that are plain and possible; the plain reader judges all others.
_STEP_TEXT = re.compile(rb"0|[1-9]\d{0,17}").fullmatch
_TIME_TEXT = re.compile(rb"[1-9]\d{0,9}(?:\.\d+)?|[1-9]\.\d+[eE]\+09").fullmatch
_MAX_GROUPS = 64
_MIN_ITEMS = 2  # step and time

#: The encoded keys of each item, and its value in JSON.
Items = dict[bytes, bytes]


@dataclass
class _RowGroup:
    """Rows with the same keys.

    pick: their values out of a row's items, in the order of `names`. size: bytes of a row's items without
    their values. step, time: places of the axes among the names, -1 where they are missing. metrics: places
    of the others that the SDK does not use for itself.
    """

    names: list[str]
    pick: Callable[[Items], tuple[bytes, ...]]
    size: int
    step: int
    time: int
    metrics: list[int]
    values: list[tuple[bytes, ...]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class ColumnHistory(History):
    """Collects rows in columns, which `finish` hands over."""

    _groups: dict[frozenset[bytes], _RowGroup]
    _last: _RowGroup | None

    def add(self, record: bytes, begin: int, end: int, row: int) -> bool:
        items: Items = dict(_ITEM.findall(record, begin, end))
        group = self._last
        if group is None or len(group.names) != len(items):
            group = self._group(items)
        try:
            values = group.pick(items)
        except KeyError:
            group = self._group(items)
            values = group.pick(items)
        joined = b"".join(values)
        rest = end - begin - group.size - len(joined)  # bytes that are not in these items
        if (
            group.step < 0
            or (rest and not _is_step_field(record, end - rest, end))
            or joined.translate(None, _NUMBER_BYTES)
            or not _STEP_TEXT(values[group.step])
            or not _TIME_TEXT(values[group.time])
        ):
            return super().add(record, begin, end, row)
        self._last = group
        group.values.append(values)
        group.rows.append(row)
        self.step, self.ts_ms = int(values[group.step]), float(values[group.time]) * 1000.0
        self.pending += len(values)
        return True

    def finish(self) -> None:
        """Put the columns into the builder, which brings rows of several groups into order."""
        for group in self._groups.values():
            self._add_columns(group)
        self._clear()

    def _clear(self) -> None:
        super()._clear()
        self._groups, self._last = {}, None

    def _group(self, items: Items) -> _RowGroup:
        keys = frozenset(items)
        group = self._groups.get(keys)
        return self._new_group(keys) if group is None else group

    def _new_group(self, keys: frozenset[bytes]) -> _RowGroup:
        if len(self._groups) >= _MAX_GROUPS:
            self.finish()
        ordered = sorted(keys)
        try:
            paths = [path_of(key) for key in ordered]
        except WireError:
            paths = []
        names = [name_of(path) for path in paths]
        usable = len(set(names)) == len(ordered) >= _MIN_ITEMS and (STEP,) in paths and (TIMESTAMP,) in paths
        group = self._groups[keys] = _RowGroup(
            names if usable else ["" for _ in ordered],
            itemgetter(*ordered) if usable else lambda items: tuple(items.values()),
            len(b"".join(ordered)) + len(ordered) * _ITEM_OVERHEAD,
            paths.index((STEP,)) if usable else -1,
            paths.index((TIMESTAMP,)) if usable else -1,
            [index for index, path in enumerate(paths) if path[0] not in BOOKKEEPING],
        )
        return group

    def _add_columns(self, group: _RowGroup) -> None:
        if not group.values:
            return
        columns = list(zip(*group.values, strict=True))
        step = np.array(list(map(int, columns[group.step])), np.int64)
        ts_ms = _floats(columns[group.time]) * 1000.0
        rows = np.array(group.rows, np.int64)
        for index in group.metrics:
            self._builder.add_columns(group.names[index], Points(step, ts_ms, _floats(columns[index]), rows))
        self.matched += len(rows) if group.metrics else 0


_decode = msgspec.json.Decoder(list[float]).decode


def _floats(texts: Sequence[bytes]) -> Floats:
    """The number in each text; NaN where there is none."""
    try:
        return np.array(_decode(b"[%b]" % b",".join(texts)), np.float64)  # five times as fast as `float`
    except msgspec.MsgspecError:  # NaN and Infinity are not JSON
        return np.array([_float(text) for text in texts], np.float64)


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_step_field(record: bytes, begin: int, end: int) -> bool:
    """Whether these bytes are the step's field, and nothing else."""
    length = end - begin
    return 2 <= length <= 14 and record[begin] == STEP_FIELD << 3 | BYTES and record[begin + 1] == length - 2
