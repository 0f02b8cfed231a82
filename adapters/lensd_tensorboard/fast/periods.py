"""Files that repeat the same tags every step, as writers do: one comparison verifies many steps.

The records of one step (a period) are learnt. As long as the file goes on with the same stride, its bytes are
a matrix with one row for each step. All rows are compared at once with the learnt one, under a mask that
leaves out what may vary: this verifies framing, checksums of lengths, field keys, tags and widths. `layouts`
verifies the checksums of the payloads. The first row that differs (the step got another byte, a tag was
added, damage) ends the matrix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lensd_tensorboard.fast.checksums import Bytes
from lensd_tensorboard.fast.layouts import EventColumns, Geometry, RecordLayout, decode
from lensd_tensorboard.frames import FOOTER, FRAME, HEADER, LONG, FrameState, frame_at, payload_at
from lensd_tensorboard.scalars import Scalars

#: Steps: fewer are faster to read in other ways.
LEAST = 16
_MANY = 600  # steps; for as many a call per record costs less than copying them together
_TRIES = 3  # strides that look like a period but are not one
_MAX_RECORDS = 1024  # in a period
_SLAB = 256 << 10  # bytes to compare at a time, so that they stay in the processor's cache
_WIDE = 1024  # bytes; shorter periods are compared several at a time


@dataclass(slots=True)
class Period:
    """The records of one step. stride: how many bytes they have. values: how many scalars."""

    layouts: list[RecordLayout]
    stride: int
    mask: Bytes
    fixed: Bytes
    sign: bytes  # the longest run of fixed bytes in its first frame: nearly always the tag
    sign_at: int
    values: int

    @classmethod
    def learn(cls, data: bytes, at: int) -> Period | None:
        """The period that begins at `at` and repeats for some steps; None where there is none."""
        first = _layout_at(data, at)
        if first is None:
            return None
        begins = [at]
        after = at + FRAME + first.geometry.length
        tries = _TRIES
        while after + HEADER <= len(data) and len(begins) <= _MAX_RECORDS and tries:
            stride = after - at
            if at + LEAST * stride > len(data):
                return None
            if _goes_on(data, begins, stride, first):
                period = cls._of(data, begins, stride)
                if period is not None and period.begins_at(data, at):
                    return period
                tries -= 1
            begins.append(after)
            after += FRAME + int.from_bytes(data[after : after + 8], "little")
        return None

    @classmethod
    def _of(cls, data: bytes, begins: list[int], stride: int) -> Period | None:
        layouts: list[RecordLayout] = []
        mask, fixed = [], []
        for begin in begins:
            layout = _layout_at(data, begin)
            if layout is None:
                return None
            layouts.append(layout)
            mask += [b"\xff" * HEADER, layout.geometry.mask().tobytes(), b"\0\0\0\0"]
            fixed += [data[begin : begin + HEADER], layout.fixed, b"\0\0\0\0"]
        run = max(re.finditer(b"\xff+", mask[0] + mask[1]), key=lambda run: len(run[0]))
        return cls(
            layouts,
            stride,
            np.frombuffer(b"".join(mask), np.uint8),
            np.frombuffer(b"".join(fixed), np.uint8),
            data[begins[0] + run.start() : begins[0] + run.end()],
            run.start(),
            sum(len(layout.tags) for layout in layouts),
        )

    def begins_at(self, data: bytes, at: int) -> bool:
        """Whether a few steps of this period are at `at`."""
        if not data.startswith(self.sign, at + self.sign_at) or at + LEAST * self.stride > len(data):
            return False
        return self._alike(self._matrix(data, at, LEAST)) == LEAST

    def read(self, data: bytes, at: int, most_points: int, scalars: Scalars) -> int:
        """Read the sound steps from `at` on, with at most `most_points` points; returns where they end."""
        count = min((len(data) - at) // self.stride, most_points // self.values)
        if count < LEAST or not self.begins_at(data, at):
            return at
        matrix = self._matrix(data, at, count)
        matrix = matrix[: self._alike(matrix)]
        decoded = self._decode_runs(matrix) if len(matrix) >= _MANY else self._decode_gathered(matrix)
        count = min(_first(~columns.sound.all(axis=1)) for _, columns in decoded)
        steps = scalars.row + np.arange(count, dtype=np.int64) * len(self.layouts)
        for members, columns in decoded:
            for column, index in enumerate(members if count else ()):
                columns.add_to(scalars, self.layouts[index], steps + index, (slice(count), column))
        scalars.row += count * len(self.layouts)
        scalars.matched += count * len(self.layouts)
        return at + count * self.stride

    def _decode_runs(self, matrix: Bytes) -> list[tuple[range, EventColumns]]:
        """Columns of the records at each place in the step, read in place; neighbours of one geometry
        together."""
        decoded = []
        offset = first = 0
        for geometry, members in groupby(self.layouts, key=lambda layout: layout.geometry):
            bases = np.array([[layout.base for layout in members]], np.uint32)
            run = range(first, first + bases.shape[1])
            decoded.append((run, decode(matrix, offset + HEADER, geometry, bases)))
            offset += len(run) * (FRAME + geometry.length)
            first = run.stop
        return decoded

    def _decode_gathered(self, matrix: Bytes) -> list[tuple[list[int], EventColumns]]:
        """The same for few steps with many records: copying the records of one geometry together costs less
        than a call for each record."""
        places: dict[Geometry, list[int]] = {}
        begins, offset = [], HEADER
        for index, layout in enumerate(self.layouts):
            places.setdefault(layout.geometry, []).append(index)
            begins.append(offset)
            offset += FRAME + layout.geometry.length
        decoded = []
        steps = np.arange(len(matrix))[:, None] * self.stride
        for geometry, members in places.items():
            window = sliding_window_view(matrix.reshape(-1), geometry.length + FOOTER)
            starts = (steps + np.array([begins[index] for index in members])).reshape(-1)
            bases = np.array([self.layouts[index].base for index in members], np.uint32)
            gathered = np.ascontiguousarray(window[starts])
            columns = decode(gathered, 0, geometry, np.tile(bases, len(matrix))[:, None])
            decoded.append((members, columns.reshaped(len(matrix), len(members))))
        return decoded

    def _matrix(self, data: bytes, at: int, count: int) -> Bytes:
        return np.frombuffer(data, np.uint8, count * self.stride, at).reshape(count, self.stride)

    def _alike(self, matrix: Bytes) -> int:
        """How many rows from the first on equal the learnt one under the mask."""
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


def _first(flags: Any) -> int:
    """The index of the first true value, or the length if there is none."""
    return int(flags.argmax()) if flags.any() else len(flags)


def _layout_at(data: bytes, at: int) -> RecordLayout | None:
    state, length = frame_at(data, at)
    if state is not FrameState.WHOLE or length > LONG:
        return None
    payload = payload_at(data, at, length)
    return None if payload is None else RecordLayout.of(payload)


def _goes_on(data: bytes, begins: list[int], stride: int, first: RecordLayout) -> bool:
    """Whether the first record comes again with this stride for some steps, and the others' lengths too.

    This is cheap: most strides fail the first comparison.
    """
    head = data[begins[0] : begins[0] + HEADER]
    for step in (1, LEAST - 1, 2):
        again = begins[0] + step * stride
        if data[again : again + HEADER] != head or not first.fits(data, again + HEADER):
            return False
    for step in (1, LEAST - 1):
        for begin in begins:
            again = begin + step * stride
            if data[again : again + HEADER] != data[begin : begin + HEADER]:
                return False
    return True
