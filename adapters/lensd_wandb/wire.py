"""Protobuf's wire format, as far as the records of a `.wandb` file need it; knows no field's meaning.

Format: protobuf, "Encoding". Groups do not occur and are damage.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_DOUBLE = struct.Struct("<d")
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

#: (number, wire type, the value of a varint or 0, where the content begins, where it ends)
Field = tuple[int, int, int, int, int]


class WireError(ValueError):
    """These bytes are no message."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    result = shift = 0
    try:
        while True:
            byte = data[at]
            at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result, at
            shift += 7
            if shift > 63:
                raise WireError("a number without an end")
    except IndexError:
        raise WireError("a number that is cut off") from None


def fields(data: bytes, at: int, end: int) -> Iterator[Field]:
    """The fields of the message that lies between two places. Raises WireError."""
    while at < end:
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        value, begin = 0, at
        if kind == VARINT:
            value, at = varint(data, at)
        elif kind == BYTES:
            length, begin = varint(data, at)
            at = begin + length
        elif kind == FIXED64:
            at += 8
        elif kind == FIXED32:
            at += 4
        else:
            raise WireError(f"wire type {kind}")
        if at > end:
            raise WireError("a field that is cut off")
        yield number, kind, value, begin, at


def double(data: bytes, at: int) -> float:
    (value,) = _DOUBLE.unpack_from(data, at)
    return float(value)


def signed(value: int) -> int:
    """A varint as int32 or int64."""
    return value - (1 << 64) if value >= 1 << 63 else value


def zigzag(value: int) -> int:
    """A varint as sint64."""
    return (value >> 1) ^ -(value & 1)


def text(data: bytes, begin: int, end: int) -> str:
    return data[begin:end].decode("utf-8", "backslashreplace")


def timestamp_ms(data: bytes, begin: int, end: int) -> float:
    """google.protobuf.Timestamp as UTC milliseconds. Raises WireError."""
    seconds = nanos = 0
    for number, _, value, _, _ in fields(data, begin, end):
        if number == 1:
            seconds = signed(value)
        elif number == 2:
            nanos = signed(value)
    return seconds * 1000.0 + nanos / 1e6
