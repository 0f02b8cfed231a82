"""TFRecord framing: u64 length, its masked CRC32C, payload, its masked CRC32C, all little endian.

Format: TensorFlow 2, `lib/io/record_writer.h`. Finds where records begin and end, and where sound ones begin
again after damage; knows nothing of what is in them, and opens no file.
"""

from __future__ import annotations

import struct
from enum import Enum, auto

from lensd_tensorboard import crc

HEADER, FOOTER = 12, 4
FRAME = HEADER + FOOTER

#: No scalar is in a payload longer than this: it is stepped over unread (images, audio, graphs, profiles).
LONG = 1 << 20

_HEAD = struct.Struct("<QI")
_WORD = struct.Struct("<I")


class FrameState(Enum):
    """What stands where a frame should begin."""

    WHOLE = auto()
    TORN = auto()  # its beginning is sound, the rest is not there (yet)
    DAMAGED = auto()  # the checksum of its length does not hold


def frame_at(data: bytes, at: int) -> tuple[FrameState, int]:
    """What the frame at `at` is, and the length of its payload (0 while that is unknown)."""
    if at + HEADER > len(data):
        return FrameState.TORN, 0
    length, stored = _HEAD.unpack_from(data, at)
    if crc.masked(data[at : at + 8]) != stored:
        return FrameState.DAMAGED, 0
    return (FrameState.WHOLE if at + FRAME + length <= len(data) else FrameState.TORN), length


def payload_at(data: bytes, at: int, length: int) -> bytes | None:
    """The payload of the whole frame at `at`; None where its checksum does not hold."""
    begin = at + HEADER
    payload = data[begin : begin + length]
    (stored,) = _WORD.unpack_from(data, begin + length)
    return payload if crc.masked(payload) == stored else None


def next_sound(data: bytes, at: int) -> int | None:
    """Where, at or behind `at`, the checksum of a frame's length holds.

    The upper half of any length that fits on a disk is zero, which finds the few candidates at C speed.
    """
    zeros = data.find(b"\0\0\0\0", at + 4)
    while zeros >= 0:
        start = zeros - 4
        if start + HEADER > len(data):
            return None
        if frame_at(data, start)[0] is not FrameState.DAMAGED:
            return start
        zeros = data.find(b"\0\0\0\0", zeros + 1)
    return None
