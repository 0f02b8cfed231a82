"""A writer repeats the same list of tags every step: one compare proves a whole block of such steps.

The records of one step (a period) are learnt; as long as the file goes on in the same stride, its bytes are
a matrix of one row a step. All rows are compared at once with the learnt one, under a mask that leaves out
what may vary: that proves framing, checksums of lengths, field keys, tags and widths. The payload checksums
are proven by `layouts`. The first row that differs (the step got another byte, a tag was added, damage) ends
the block.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from lensd_tensorboard.crc import Bytes
from lensd_tensorboard.frames import FRAME, HEADER, LONG, State, frame_at, payload_at
from lensd_tensorboard.layouts import Layout, decode
from lensd_tensorboard.scalars import Scalars

#: Fewer steps are read sooner in other ways.
LEAST = 16
_MOST = 1024  # records in a period
_SLAB = 256 << 10  # bytes compared at a time, so that they stay in the processor's cache
_WIDE = 1024  # short periods are compared several at a time


@dataclass(slots=True)
class Period:
    """The records of one step: how long they are together and what they fix."""

    layouts: list[Layout]
    stride: int
    mask: Bytes
    fixed: Bytes
    head: bytes  # of its first frame
    values: int

    @classmethod
    def learn(cls, data: bytes, at: int) -> Period | None:
        """The period that begins at `at` and goes on for some steps; None where there is none."""
        if frame_at(data, at)[0] is not State.WHOLE:
            return None
        head = data[at : at + HEADER]
        begins = [at]
        after = at + FRAME + int.from_bytes(head[:8], "little")
        while after + HEADER <= len(data) and len(begins) <= _MOST:
            stride = after - at
            if at + LEAST * stride > len(data):
                return None
            again = data[after : after + HEADER] == head
            if again and _goes_on(data, begins, stride):
                return cls._of(data, begins, stride)
            begins.append(after)
            after += FRAME + int.from_bytes(data[after : after + 8], "little")
        return None

    @classmethod
    def _of(cls, data: bytes, begins: list[int], stride: int) -> Period | None:
        layouts: list[Layout] = []
        mask, fixed = [], []
        for begin in begins:
            state, length = frame_at(data, begin)
            if state is not State.WHOLE or length > LONG:
                return None
            payload = payload_at(data, begin, length)
            layout = None if payload is None else Layout.of(payload)
            if layout is None:
                return None
            layouts.append(layout)
            mask += [b"\xff" * HEADER, layout.geometry.mask().tobytes(), b"\0\0\0\0"]
            fixed += [data[begin : begin + HEADER], layout.fixed, b"\0\0\0\0"]
        return cls(
            layouts,
            stride,
            np.frombuffer(b"".join(mask), np.uint8),
            np.frombuffer(b"".join(fixed), np.uint8),
            data[begins[0] : begins[0] + HEADER],
            sum(len(layout.tags) for layout in layouts),
        )

    def begins_at(self, data: bytes, at: int) -> bool:
        """Whether a few steps of this period stand at `at`."""
        if data[at : at + HEADER] != self.head or at + LEAST * self.stride > len(data):
            return False
        return self._alike(self._matrix(data, at, LEAST)) == LEAST

    def read(self, data: bytes, at: int, most_points: int, found: Scalars) -> int:
        """All steps from `at` on that are proven, of no more points than `most_points`; returns where they
        end."""
        count = min((len(data) - at) // self.stride, most_points // self.values)
        if count < LEAST or not self.begins_at(data, at):
            return at
        matrix = self._matrix(data, at, count)
        matrix = matrix[: self._alike(matrix)]
        count = len(matrix)
        runs = []
        offset = first = 0
        for geometry, members in groupby(self.layouts, key=lambda layout: layout.geometry):
            layouts = list(members)
            columns = decode(matrix, offset + HEADER, layouts)
            count = min(count, _first(~columns.sound.all(axis=1)))
            runs.append((first, layouts, columns))
            offset += len(layouts) * (FRAME + geometry.length)
            first += len(layouts)
        steps = found.row + np.arange(count, dtype=np.int64)[:, None] * len(self.layouts)
        if count:
            for first, layouts, columns in runs:
                rows = steps + (first + np.arange(len(layouts), dtype=np.int64))
                columns.give(layouts, rows, count, found)
        found.row += count * len(self.layouts)
        found.matched += count * len(self.layouts)
        return at + count * self.stride

    def _matrix(self, data: bytes, at: int, count: int) -> Bytes:
        return np.frombuffer(data, np.uint8, count * self.stride, at).reshape(count, self.stride)

    def _alike(self, matrix: Bytes) -> int:
        """How many rows from the first on are like the learnt one."""
        several = max(1, _WIDE // self.stride)
        mask, fixed = np.tile(self.mask, several), np.tile(self.fixed, several)
        count = len(matrix)
        whole = count - count % several
        wide = matrix[:whole].reshape(-1, several * self.stride)
        slab = max(1, _SLAB // wide.shape[1])
        for begin in range(0, len(wide), slab):
            part = wide[begin : begin + slab]
            alike = _first(((part & mask) != fixed).any(axis=1))
            if alike < len(part):
                begin = (begin + alike) * several
                return begin + self._alike_singly(matrix[begin : begin + several])
        return whole + self._alike_singly(matrix[whole:])

    def _alike_singly(self, matrix: Bytes) -> int:
        return _first(((matrix & self.mask) != self.fixed).any(axis=1))


def _first(found: Any) -> int:
    """The index of the first true one of an array, or how many there are if none is."""
    return int(found.argmax()) if found.any() else len(found)


def _goes_on(data: bytes, begins: list[int], stride: int) -> bool:
    """Whether frames of the same lengths follow each other for some steps in this stride."""
    return all(
        data[begin + step * stride : begin + step * stride + HEADER] == data[begin : begin + HEADER]
        for step in (1, 2, LEAST - 1)
        for begin in begins
    )
