"""TFRecord framing: u64 length, its masked CRC32C, payload, its masked CRC32C, all little endian.

Format: TensorFlow 2, `lib/io/record_writer.h`. Finds where records begin and end, and the next sound one
after damage. Knows nothing of what is in them, and opens no file.
"""

from __future__ import annotations

import struct
from enum import Enum, auto

from lensd_tensorboard import crc

HEADER, FOOTER = 12, 4
FRAME = HEADER + FOOTER

#: A longer payload holds no scalar and is stepped over unread (images, audio, graphs, profiles).
LONG = 1 << 20

_HEAD = struct.Struct("<QI")
_WORD = struct.Struct("<I")


class FrameState(Enum):
    """What is where a frame should begin."""

    WHOLE = auto()
    TORN = auto()  # its end is not there (yet)
    DAMAGED = auto()  # the checksum of its length is wrong


def frame_at(data: bytes, at: int) -> tuple[FrameState, int]:
    """The state of the frame at `at`, and the length of its payload (0 where that is unknown)."""
    if at + HEADER > len(data):
        return FrameState.TORN, 0
    length, stored = _HEAD.unpack_from(data, at)
    if crc.masked(data[at : at + 8]) != stored:
        return FrameState.DAMAGED, 0
    return (FrameState.WHOLE if at + FRAME + length <= len(data) else FrameState.TORN), length


def payload_at(data: bytes, at: int, length: int) -> bytes | None:
    """The payload of the whole frame at `at`; None where its checksum is wrong."""
    begin = at + HEADER
    payload = data[begin : begin + length]
    (stored,) = _WORD.unpack_from(data, begin + length)
    return payload if crc.masked(payload) == stored else None


def next_sound(data: bytes, at: int) -> int | None:
    """The first place from `at` on where the checksum of a frame's length is right.

    The upper half of any plausible length is zero: searching for zeros finds the few candidates quickly.
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
