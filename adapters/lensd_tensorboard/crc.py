"""Masked CRC32C as TFRecord frames carry it (TensorFlow 2, `lib/hash/crc32c.h`), of one record and of many.

CRC32C is linear: the checksum of a record is that of another record of the same length, xor what each
differing byte contributes, and that depends on nothing but the byte and the number of bytes behind it. So the
checksums of all records that differ from a template in few places are proven by a few table look-ups per
place. Knows nothing of frames.
"""

from __future__ import annotations

import google_crc32c
import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]

_DELTA = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed


def plain(data: bytes) -> int:
    """CRC32C as it is."""
    crc: int = google_crc32c.value(data)
    return crc


def masked(data: bytes) -> int:
    """CRC32C as a file carries it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _DELTA) & 0xFFFFFFFF


def unmasked(stored: Words) -> Words:
    """CRC32C as it is, of checksums as a file carries them."""
    turned = stored - np.uint32(_DELTA)
    result: Words = (turned >> np.uint32(17)) | (turned << np.uint32(15))
    return result


def _first_table() -> Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> np.uint32(1)) ^ np.uint32(_POLYNOMIAL), table >> np.uint32(1))
    return table.astype(np.uint32)


_TABLES: list[Words] = [_first_table()]


def contribution(following: int) -> Words:
    """What each of the 256 bytes contributes where `following` bytes come behind it."""
    while len(_TABLES) <= following:
        before = _TABLES[-1]
        _TABLES.append((before >> np.uint32(8)) ^ _TABLES[0][before & np.uint32(0xFF)])
    return _TABLES[following]
