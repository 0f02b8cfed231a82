"""Protobuf's wire format: the fields of a message, without knowing what they mean.

Format: "Encoding" in the documentation of Protocol Buffers. Groups (wire types 3 and 4) are not supported.
Callers get places in the data instead of copies, so that a field that nobody needs costs nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

#: Wire types.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

#: (field number, wire type, value of a varint or else 0, where the content begins, where it ends). A plain
#: tuple: it takes half the time of a named one, and there is one for every field of every record.
Field = tuple[int, int, int, int, int]

_DOUBLE = struct.Struct("<d")
_UINT64 = (1 << 64) - 1


class WireError(ValueError):
    """These bytes are not a protobuf message."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned 64-bit number at `at`, and where it ends. Raises WireError."""
    value = shift = 0
    try:
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & _UINT64, at
            shift += 7
            if shift > 63:
                raise WireError("a varint is longer than ten bytes")
    except IndexError:
        raise WireError("a varint is cut off") from None


def fields(data: bytes, at: int, end: int) -> Iterator[Field]:
    """The fields of the message between `at` and `end`, which must lie in `data`.

    Raises WireError at a field that does not end in the message.
    """
    # Nearly every key and length is one byte, which needs no call.
    while at < end:
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = varint(data, at - 1)
        kind = key & 7
        value, begin = 0, at
        if kind == BYTES:
            if at >= end:
                raise WireError("a field is cut off")
            length = data[at]
            begin = at + 1
            if length >= 0x80:
                length, begin = varint(data, at)
            at = begin + length
        elif kind == VARINT:
            value, at = varint(data, at)
        elif kind == FIXED64:
            at += 8
        elif kind == FIXED32:
            at += 4
        else:
            raise WireError(f"wire type {kind} is not supported")
        if at > end:
            raise WireError("a field is cut off")
        yield key >> 3, kind, value, begin, at


def signed(value: int) -> int:
    """A varint as int32 or int64."""
    return value - (1 << 64) if value >= 1 << 63 else value


def zigzag(value: int) -> int:
    """A varint as sint32 or sint64."""
    return (value >> 1) ^ -(value & 1)


def double(data: bytes, at: int) -> float:
    """The double at `at`, where a field of wire type FIXED64 begins."""
    (value,) = _DOUBLE.unpack_from(data, at)
    return float(value)


def text(data: bytes, begin: int, end: int) -> str:
    """A string. Bytes that are not UTF-8 become backslash escapes."""
    return data[begin:end].decode("utf-8", "backslashreplace")
