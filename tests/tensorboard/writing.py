"""Event files byte by byte, so that a test says exactly what stands in them."""

from __future__ import annotations

import struct

import google_crc32c


def masked(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", masked(length)) + payload + struct.pack("<I", masked(payload))


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, data: bytes) -> bytes:
    """A field of wire type 2: bytes, a string or a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def event(wall_s: float, step: int, *values: bytes) -> bytes:
    """One record. As in protobuf, a step of 0 is not written."""
    counted = number_field(2, step) if step else b""
    return frame(
        b"\x09" + struct.pack("<d", wall_s) + counted + field(5, b"".join(field(1, v) for v in values))
    )


def version(wall_s: float = 1_795_000_000.0) -> bytes:
    return frame(b"\x09" + struct.pack("<d", wall_s) + field(3, b"brain.Event:2"))


def simple(tag: bytes, value: float | bytes) -> bytes:
    """A Summary.Value as old writers give it; `value` may be the four bytes of a float."""
    return field(1, tag) + b"\x15" + (value if isinstance(value, bytes) else struct.pack("<f", value))


def tensor(tag: bytes, body: bytes, plugin: bytes | None = b"scalars") -> bytes:
    """A Summary.Value as TF2 gives it. plugin: None leaves the metadata out."""
    metadata = b"" if plugin is None else field(9, field(1, field(1, plugin)))
    return field(1, tag) + field(8, body) + metadata


def shape(*sizes: int) -> bytes:
    return field(2, b"".join(field(2, number_field(1, size)) for size in sizes))


def content(dtype: int, data: bytes, *sizes: int) -> bytes:
    """A TensorProto with `tensor_content`; rank 0 without sizes."""
    return number_field(1, dtype) + shape(*sizes) + field(4, data)


def float_content(value: float) -> bytes:
    return content(1, struct.pack("<f", value))
