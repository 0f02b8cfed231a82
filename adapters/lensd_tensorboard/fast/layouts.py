"""Records that differ only in wall time, step, values and checksum: where these are, and their columns.

A layout is learnt from one record. Any record of the same length with the same other bytes, whose step has as
many bytes, would be parsed in the same way: its numbers can be taken from their places. Its checksum is
verified with them. `periods` and `groups` find the records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints
from lensd.tail.protobuf import WireError
from lensd_tensorboard import crc
from lensd_tensorboard.event import WIDTHS, parse
from lensd_tensorboard.fast.checksums import Bytes, Words, contribution, unmasked
from lensd_tensorboard.frames import FRAME
from lensd_tensorboard.scalars import LATEST_S, Scalars, TagPoints

#: Bytes of a wall time that vary: its sign, exponent and highest bits stay the same for days.
_WALL_VARIES = 6


@dataclass(frozen=True, slots=True)
class NumberPlace:
    """Where a value is in the payload. kind: as in `event.WIDTHS`."""

    at: int
    kind: str


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where all numbers are. Records with one geometry are decoded together, whatever their tags."""

    length: int
    wall_at: int
    step_at: int
    step_width: int  # 0 where there is no step
    places: tuple[NumberPlace, ...]

    def varying(self) -> list[int]:
        """Indices of the bytes of the payload that may differ."""
        indices = [*range(self.wall_at, self.wall_at + _WALL_VARIES)]
        indices += range(self.step_at, self.step_at + self.step_width)
        for place in self.places:
            indices += range(place.at, place.at + WIDTHS[place.kind])
        return indices

    def mask(self) -> Bytes:
        """0xFF for a byte that must be the same, 0x80 in the step (whose width must be), 0 for any byte."""
        mask = np.full(self.length, 0xFF, np.uint8)
        mask[self.varying()] = 0
        mask[self.step_at : self.step_at + self.step_width] = 0x80
        return mask


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """What the records of one layout share. base: their CRC32C if all varying bytes were zero."""

    geometry: Geometry
    tags: tuple[tuple[bytes, bool], ...]  # with whether it is a tensor
    base: int
    fixed: bytes  # the payload masked

    @classmethod
    def of(cls, payload: bytes) -> RecordLayout | None:
        """The layout of a record; None if it has no scalars, or some without a fixed place."""
        try:
            event = parse(payload)
        except WireError:
            return None
        if not event.values or event.foreign or event.wall_at is None:
            return None
        places = tuple(NumberPlace(value.at, value.kind) for value in event.values if value.at is not None)
        if len(places) < len(event.values):
            return None
        geometry = Geometry(len(payload), event.wall_at, event.step_at or 0, event.step_width, places)
        varying = geometry.varying()
        bare = bytearray(payload)
        for at in varying:
            bare[at] = 0
        fixed = (np.frombuffer(payload, np.uint8) & geometry.mask()).tobytes()
        tags = tuple((value.tag, value.tensor) for value in event.values)
        return cls(geometry, tags, crc.plain(bytes(bare)), fixed)

    def fits(self, data: bytes, at: int) -> bool:
        """Whether the payload of a record with this layout is at `at`."""
        payload = np.frombuffer(data[at : at + self.geometry.length], np.uint8)
        return (payload & self.geometry.mask()).tobytes() == self.fixed


@lru_cache(maxsize=2048)
def layout_of_fixed(fixed: bytes) -> RecordLayout | None:
    """The layout of all records whose masked payload is this: bytes that vary do not matter to it."""
    return RecordLayout.of(fixed)


@dataclass(slots=True)
class EventColumns:
    """Records of one geometry as arrays of one shape. sound: whether checksum and wall time are right."""

    wall_s: Floats
    step: Ints
    numbers: list[Floats]  # one per value
    sound: npt.NDArray[np.bool_]

    def add_to(self, scalars: Scalars, layout: RecordLayout, rows: Ints, which: Any) -> None:
        """Add the records of one layout. which: an index that picks them. rows: their ordinals."""
        wall_s, step = self.wall_s[which], self.step[which]
        for place, (tag, tensor) in enumerate(layout.tags):
            scalars.add(tag, TagPoints(rows, wall_s, step, self.numbers[place][which], tensor, place))

    def reshaped(self, *shape: int) -> EventColumns:
        numbers = [column.reshape(shape) for column in self.numbers]
        return EventColumns(
            self.wall_s.reshape(shape), self.step.reshape(shape), numbers, self.sound.reshape(shape)
        )


def decode(matrix: Bytes, at: int, geometry: Geometry, bases: Words) -> EventColumns:
    """The columns (k x m) of records of one geometry, whose fixed bytes were compared before.

    matrix: contiguous, k rows, each with m frames of these records, one after the other; the payload of the
    first begins at `at`. bases: of the records' layouts, k x m or 1 x m.
    """
    shape = (len(matrix), bases.shape[1])
    strides = (matrix.shape[1], geometry.length + FRAME)

    def column(kind: str, place: int) -> npt.NDArray[Any]:
        return np.ndarray(shape, kind, matrix.data, at + place, strides)

    wall_s = column("<f8", geometry.wall_at).astype(np.float64)
    step = np.zeros(shape, np.uint64)
    for index in range(geometry.step_width):
        low = column("u1", geometry.step_at + index).astype(np.uint64)
        low &= np.uint64(0x7F)
        low <<= np.uint64(7 * index)
        step |= low
    numbers = [_numbers(column, place) for place in geometry.places]
    checksums = np.empty(shape, np.uint32)
    checksums[:] = bases
    for place in geometry.varying():
        checksums ^= contribution(geometry.length - 1 - place).take(column("u1", place))
    stored = column("<u4", geometry.length).astype(np.uint32)
    sound = (checksums == unmasked(stored)) & (np.abs(wall_s) <= LATEST_S)
    return EventColumns(wall_s, step.view(np.int64), numbers, sound)


def _numbers(column: Callable[[str, int], npt.NDArray[Any]], place: NumberPlace) -> Floats:
    if place.kind == "bf16":
        upper = column("<u2", place.at).astype(np.uint32) << np.uint32(16)
        return _widened(upper.view(np.float32))
    if place.kind == "bool":
        return np.asarray(column("u1", place.at) != 0, np.float64)
    return _widened(column(place.kind, place.at))


def _widened(numbers: npt.NDArray[Any]) -> Floats:
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        return np.asarray(numbers, np.float64)
