"""Encodes columns of sealed points as blobs, and decodes them.

The first byte of a blob names its encoding, so that encodings can be added while old files stay readable.
Integers are stored as differences of the smallest width that holds them, floats as float32 where that is
exact. Bytes of equal significance are then grouped into planes: a plane of one value takes one byte, planes
that compress are compressed together, and noise (the low bits of a mantissa) is stored as it is, because zlib
would only spend time on it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from lensd.model import Floats, Ints

#: Points in a full chunk.
CHUNK = 4096

#: Times are stored as whole 1/4096 milliseconds: the last bit of a float64 of milliseconds since the epoch
#: (until 2039), so that nothing is rounded away.
PARTS = 4096

_EVEN = b"e"  # integers in even strides: first, stride
_DELTAS = b"d"  # first, width, planes of the differences
_SAME = b"s"  # one float for all
_SINGLE = b"f"  # planes of float32
_DOUBLE = b"g"  # planes of float64

_CONSTANT, _RAW, _ZIPPED = 0, 1, 2
_Number = TypeVar("_Number", np.int64, np.float64)
_Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.intp]
ALL = slice(None)

#: A plane is noise if two of its bytes are equal as rarely as two of so many values: deflate would gain next
#: to nothing.
_VALUES = 112


class ChunkError(Exception):
    """A blob cannot be decoded: the database file is damaged."""


def encode_ints(column: Ints) -> bytes:
    """Encode a column of int64, any length from 1."""
    first = int(column[0])
    if len(column) == 1:
        return _EVEN + struct.pack("<qq", first, 0)
    deltas = np.diff(column)  # a difference that overflows wraps around; cumsum reverses that
    low, high = int(deltas.min()), int(deltas.max())
    if low == high:
        return _EVEN + struct.pack("<qq", first, low)
    for width in (1, 2, 4, 8):
        limit = 1 << (8 * width - 1)
        if -limit <= low and high < limit:
            break
    narrow = deltas.astype(f"<i{width}")
    return _DELTAS + struct.pack("<qB", first, width) + _pack_planes(narrow.view(np.uint8), width)


def decode_ints(blob: bytes, count: int) -> Ints:
    """Decode a column of `count` int64 from `encode_ints`. Raises ChunkError."""
    try:
        if blob[:1] == _EVEN:
            first, stride = struct.unpack_from("<qq", blob, 1)
            return np.int64(first) + np.arange(count, dtype=np.int64) * np.int64(stride)
        if blob[:1] == _DELTAS:
            first, width = struct.unpack_from("<qB", blob, 1)
            deltas = _unpack_planes(blob, 10, count - 1, width).view(f"<i{width}")
            column = np.empty(count, np.int64)
            column[0] = first
            column[1:] = deltas
            return np.cumsum(column, out=column)
    except (struct.error, ValueError, zlib.error) as error:
        raise ChunkError(f"damaged column of integers: {error}") from error
    raise ChunkError("a column of integers in an unknown encoding")


def encode_floats(column: Floats) -> bytes:
    """Encode a column of float64, any length from 1. NaN stays NaN, without its payload bits."""
    first = column[0]
    same = (column == first).all() or np.isnan(column).all()
    if same and not (first == 0 and np.signbit(column).any()):  # -0.0 equals 0.0 but must stay -0.0
        return _SAME + struct.pack("<d", first)
    with np.errstate(over="ignore", invalid="ignore"):
        single = column.astype("<f4")
        exact = (single.astype(np.float64) == column) | np.isnan(column)
    if exact.all():
        return _SINGLE + _pack_planes(single.view(np.uint8), 4)
    return _DOUBLE + _pack_planes(column.astype("<f8").view(np.uint8), 8)


def decode_floats(blob: bytes, count: int, at: Indices | slice = ALL) -> Floats:
    """Decode a column of `count` float64 from `encode_floats`, or only some of it. Raises ChunkError."""
    try:
        if blob[:1] == _SAME:
            return np.full(count, struct.unpack_from("<d", blob, 1)[0])[at]
        if blob[:1] == _SINGLE:
            return _unpack_planes(blob, 1, count, 4, at).view("<f4").astype(np.float64)
        if blob[:1] == _DOUBLE:
            return _unpack_planes(blob, 1, count, 8, at).view("<f8").astype(np.float64, copy=False)
    except (struct.error, ValueError, zlib.error) as error:
        raise ChunkError(f"damaged column of floats: {error}") from error
    raise ChunkError("a column of floats in an unknown encoding")


def _pack_planes(flat: _Bytes, width: int) -> bytes:
    planes = np.ascontiguousarray(flat.reshape(-1, width).T)
    kinds = bytearray()
    constants = bytearray()
    raw: list[bytes] = []
    zipped: list[bytes] = []
    for plane in planes:
        counts = np.bincount(plane)
        alike = int(counts @ counts) - len(plane)  # pairs of equal bytes
        pairs = len(plane) * (len(plane) - 1)
        if alike == pairs:
            kinds.append(_CONSTANT)
            constants.append(int(plane[0]))
        elif len(plane) >= 64 and alike * _VALUES < pairs:
            kinds.append(_RAW)
            raw.append(plane.tobytes())
        else:
            kinds.append(_ZIPPED)
            zipped.append(plane.tobytes())
    packed = zlib.compress(b"".join(zipped), 1) if zipped else b""
    return bytes(kinds) + bytes(constants) + b"".join(raw) + packed


def _unpack_planes(blob: bytes, at: int, count: int, width: int, wanted: Indices | slice = ALL) -> _Bytes:
    kinds = blob[at : at + width]
    if len(kinds) != width:
        raise ChunkError("a column ends before its planes")
    at += width
    planes = np.empty((width, count if isinstance(wanted, slice) else len(wanted)), np.uint8)
    for index, kind in enumerate(kinds):
        if kind == _CONSTANT:
            planes[index] = blob[at]
            at += 1
    for index, kind in enumerate(kinds):
        if kind == _RAW:
            planes[index] = np.frombuffer(blob, np.uint8, count, at)[wanted]
            at += count
    places = [index for index, kind in enumerate(kinds) if kind == _ZIPPED]
    if places:
        flat = np.frombuffer(zlib.decompress(blob[at:]), np.uint8)
        planes[places] = flat.reshape(len(places), count)[:, wanted]
    return np.ascontiguousarray(planes.T).reshape(-1)


class EncodedColumns:
    """Keeps columns that were encoded last, with their blobs. Most series of a batch have the same steps and
    times, and encoding those is most of the work of storing them."""

    def __init__(self) -> None:
        self._encoded: dict[tuple[str, int], tuple[npt.NDArray[np.generic], bytes]] = {}

    def get(
        self,
        place: tuple[str, int],
        column: npt.NDArray[_Number],
        encode: Callable[[npt.NDArray[_Number]], bytes],
    ) -> bytes:
        """A column, encoded. place: its name and where it begins in the batch: columns of one place may be
        equal."""
        kept = self._encoded.get(place)
        if kept is not None and np.array_equal(kept[0], column):
            return kept[1]
        blob = encode(column)
        self._encoded[place] = column, blob
        return blob


def encode_times(ts_ms: Floats) -> bytes:
    """Encode a column of UTC milliseconds."""
    return encode_ints(np.rint(ts_ms * PARTS).astype(np.int64))
