"""The checksums of many records at once.

CRC32C is linear: the checksum of a record is that of another record of the same length, xor what each
differing byte contributes, which depends only on that byte and on the number of bytes after it. So a few
table look-ups for each differing place prove the checksums of all records that differ from a template in few
places.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lensd_tensorboard.crc import MASK_DELTA

Words = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]

_POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed


def unmasked(stored: Words) -> Words:
    """Plain CRC32C of checksums as a file stores them."""
    rotated = stored - np.uint32(MASK_DELTA)
    result: Words = (rotated >> np.uint32(17)) | (rotated << np.uint32(15))
    return result


def _first_table() -> Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> np.uint32(1)) ^ np.uint32(_POLYNOMIAL), table >> np.uint32(1))
    return table.astype(np.uint32)


_TABLES: list[Words] = [_first_table()]


def contribution(following: int) -> Words:
    """What each of the 256 byte values contributes where `following` bytes come after it."""
    while len(_TABLES) <= following:
        before = _TABLES[-1]
        _TABLES.append((before >> np.uint32(8)) ^ _TABLES[0][before & np.uint32(0xFF)])
    return _TABLES[following]
