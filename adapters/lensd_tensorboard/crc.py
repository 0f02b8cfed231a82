"""Masked CRC32C, the checksum of TFRecord frames. Format: TensorFlow 2, `lib/hash/crc32c.h`."""

from __future__ import annotations

import google_crc32c

#: Added to a rotated checksum, so that a checksum of data that holds checksums is a good one too.
MASK_DELTA = 0xA282EAD8


def plain(data: bytes) -> int:
    """CRC32C."""
    crc: int = google_crc32c.value(data)
    return crc


def masked(data: bytes) -> int:
    """CRC32C as a file stores it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF
