"""Rows of history as columns.

A row is a list of items in no certain order (the Go part of the SDK walks over a map). One regular expression
finds the keys and numbers of all items of a row at once; rows of the same keys are one group, whose columns
are made together. Rows that hold anything else are read item by item (`items`), to which this is held.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import msgspec
import numpy as np

from lensd.model import Floats, Points, SeriesBuilder
from lensd.tail.protobuf import BYTES, VARINT, WireError, fields
from lensd.wandb.values import AXES, STEP, TIME, leaves, milliseconds, name_of, number_of, step_of
from lensd_wandb.items import items, path_of

_STEP = 2
#: An item: its length, its keys (tag, length and text of each), then a value. Lengths of over 127 and keys
#: with the bytes of a tag in them make a row that does not add up, which is for the plain reader.
_ITEM = re.compile(rb"\x0a[\x00-\x7f]([^\x82]+)\x82\x01[\x00-\x7f]([^\x0a\x12]+)")
_AROUND = 5  # bytes of an item that are in neither group
_IN_NUMBERS = b"0123456789+-.eENaIfinty"  # NaN and Infinity too
_GROUPS = 64  # of keys, that are known at a time
_FEWEST = 2  # items: step and time

Items = dict[bytes, bytes]


@dataclass
class _Group:
    """Rows with the same keys. pick: their values out of a row's items, in the order of names. size: bytes of
    a row's items but for their values. step, time: places of the axes among the names, -1 where they are
    missing."""

    names: list[str]
    pick: Callable[[Items], tuple[bytes, ...]]
    size: int
    step: int
    time: int
    found: list[tuple[bytes, ...]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class History:
    """Collects rows of history into columns. step: that of the last row. matched: rows that gave points.
    points: values so far."""

    def __init__(self, points: SeriesBuilder, step: int | None) -> None:
        self.step = step
        self.matched = 0
        self.points = 0
        self._builder = points
        self._groups: dict[frozenset[bytes], _Group] = {}
        self._last: _Group | None = None

    def add(self, data: bytes, begin: int, end: int, row: int) -> bool:
        """Take one HistoryRecord; false where it cannot be read at all. row: its ordinal in the batch."""
        given: Items = dict(_ITEM.findall(data, begin, end))
        group = self._last
        if group is None or len(group.names) != len(given):
            group = self._group(given)
        try:
            numbers = group.pick(given)
        except KeyError:
            group = self._group(given)
            numbers = group.pick(given)
        joined = b"".join(numbers)
        left = end - begin - group.size - len(joined)
        if (
            group.step < 0
            or (left and not _is_step(data, end - left, end))  # there is more than these items
            or joined.translate(None, _IN_NUMBERS)
            or not numbers[group.step].isdigit()
        ):
            return self._add_items(data, begin, end, row)
        self._last = group
        group.found.append(numbers)
        group.rows.append(row)
        self.step = int(numbers[group.step])
        self.points += len(numbers)
        return True

    def finish(self) -> None:
        """Put everything into the builder, which brings rows of several groups into order."""
        for group in self._groups.values():
            self._put(group)
        self._groups, self._last = {}, None

    def _group(self, given: Items) -> _Group:
        keys = frozenset(given)
        group = self._groups.get(keys)
        return self._new_group(keys) if group is None else group

    def _new_group(self, keys: frozenset[bytes]) -> _Group:
        ordered = sorted(keys)
        try:
            paths = [path_of(key) for key in ordered]
        except WireError:
            paths = []
        names = [name_of(path) for path in paths]
        usable = len(set(names)) == len(ordered) >= _FEWEST and (STEP,) in paths and (TIME,) in paths
        if len(self._groups) >= _GROUPS:
            self.finish()
        group = self._groups[keys] = _Group(
            names if usable else ["" for _ in ordered],
            itemgetter(*ordered) if usable else lambda items: tuple(items.values()),
            len(b"".join(ordered)) + len(ordered) * _AROUND,
            paths.index((STEP,)) if usable else -1,
            paths.index((TIME,)) if usable else -1,
        )
        return group

    def _put(self, group: _Group) -> None:
        if not group.found:
            return
        columns = list(zip(*group.found, strict=True))
        step = np.array(list(map(int, columns[group.step])), np.int64)
        ts_ms = _floats(columns[group.time]) * 1000.0
        rows = np.array(group.rows, np.int64)
        named = [index for index, name in enumerate(group.names) if name not in AXES]
        for index in named:
            self._builder.add_columns(group.names[index], Points(step, ts_ms, _floats(columns[index]), rows))
        self.matched += len(rows) if named else 0

    def _add_items(self, data: bytes, begin: int, end: int, row: int) -> bool:
        try:
            given = items(data, begin, end)
            told = given.get((STEP,), _told_step(data, begin, end))
        except WireError:
            return False
        step, ts_ms = step_of(told), milliseconds(given.get((TIME,)))
        if step is None or ts_ms is None:
            return False
        self.step, self._builder.row = step, row
        before = self._builder.points
        for path, value in given.items():
            if path[0] not in AXES:
                for leaf, inner in leaves(path, value):
                    number = number_of(inner)
                    if number is not None:
                        self._builder.add(name_of(leaf), step, ts_ms, number)
        self.points += self._builder.points - before
        self.matched += self._builder.points > before
        return True


_decode = msgspec.json.Decoder(list[float]).decode


def _floats(texts: Sequence[bytes]) -> Floats:
    """What `float` makes of each text; NaN of what is no number."""
    try:
        return np.array(_decode(b"[%b]" % b",".join(texts)), np.float64)  # five times as fast as `float`
    except msgspec.MsgspecError:  # NaN and Infinity are no JSON
        return np.array([_float(text) for text in texts], np.float64)


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_step(data: bytes, begin: int, end: int) -> bool:
    """Is this the field that tells the step, whole and alone?"""
    length = end - begin
    return 2 <= length <= 14 and data[begin] == _STEP << 3 | BYTES and data[begin + 1] == length - 2


def _told_step(data: bytes, begin: int, end: int) -> int | None:
    for number, kind, _, first, last in fields(data, begin, end):
        if number == _STEP and kind == BYTES:
            for inner, what, value, _, _ in fields(data, first, last):
                if inner == 1 and what == VARINT:
                    return value
            return 0  # a zero is not written
    return None
