"""The framing of a `.wandb` file: a header of 7 bytes, then LevelDB's log in blocks of 32 KiB.

Format: wandb SDK 0.12 to 0.31, `core/internal/transactionlog`; LevelDB, `doc/log_format.md`. Two things
differ from LevelDB: the checksum is the plain CRC-32 of zlib over type and data, and blocks are counted from
the start of the file, so that the first one holds 7 bytes less. A record is one whole chunk, or a first,
middle ones and a last. Finds whole records; knows nothing of what is in them, and opens no file.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

BLOCK = 32 << 10
MAGIC = b":W&B\xe1\xbe\x00"

#: A record longer than this holds no metrics that anybody can look at: it is stepped over.
LONGEST = 64 << 20

_HEAD = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_WHOLE_CRC = zlib.crc32(bytes([_WHOLE]))


@dataclass(slots=True)
class Frames:
    """Whole records, and where reading goes on.

    end: offset in the file behind the last whole record, or behind damage that was stepped over. torn: what
    is there behind `end` is the beginning of a record. lost: the record around `end` is lost already, what
    follows of it counts no more. skipped: lost records (those that follow one another count as one).
    """

    records: list[bytes] = field(default_factory=list)
    end: int = 0
    skipped: int = 0
    lost: bool = False
    torn: bool = False


def frames(data: bytes, start: int, limit: int, *, lost: bool = False, begun: bool = False) -> Frames:
    """The records in `data`, which begins at the offset `start` of its file, where a chunk does.

    Ends after the record that reaches `limit` bytes. begun: `data` begins inside a record that is too long.
    """
    found = Frames(end=start, lost=lost)
    records, crc32, head = found.records, zlib.crc32, _HEAD.unpack_from
    size, at = len(data), 0
    parts: list[bytes] | None = None
    while at < limit or parts is not None:
        left = BLOCK - (start + at) % BLOCK
        if left < 7:
            if at + left > size:
                break
            at += left
            if parts is None:
                found.end = start + at
            continue
        body = at + 7
        if body > size:
            break
        crc, length, kind = head(data, at)
        after = body + length
        if kind == _WHOLE and parts is None and after <= size and length <= left - 7:
            # Nearly all of them: the rest of this loop is for the others.
            record = data[body:after]
            if crc32(record, _WHOLE_CRC) == crc:
                records.append(record)
                at = after
                found.end, found.lost = start + at, False
                continue
        if not (1 <= kind <= 4 and length <= left - 7):
            sound = False
        elif after > size:
            break
        else:
            sound = crc32(data[at + 6 : after]) == crc
        if not sound:
            goes_on = _next_sound(data, at + 1, min(at + left, size))
            if goes_on is None:
                if at + left > size:
                    break  # the block is still being written
                goes_on = at + left
            if not found.lost:
                found.skipped += 1
            parts, found.lost = None, True
            at = goes_on
            found.end = start + at
            continue
        at = after
        if kind in (_WHOLE, _FIRST):
            if parts is not None and not found.lost:
                found.skipped += 1  # the record before has no end
            found.lost = False
            if kind == _FIRST:
                parts = [data[body:after]]
                continue
            parts = None
            records.append(data[body:after])
        elif parts is None:
            # The rest of a record whose beginning is lost.
            if not found.lost and not begun:
                found.skipped += 1
            found.lost = kind == _MIDDLE
        else:
            parts.append(data[body:after])
            if kind == _MIDDLE:
                continue
            records.append(b"".join(parts))
            parts = None
        found.end = start + at
    found.torn = found.end < start + size
    return found


def _next_sound(data: bytes, begin: int, end: int) -> int | None:
    """Where, at or behind `begin`, a whole chunk of the same block begins."""
    if end - begin < 7:
        return None
    block = np.frombuffer(data, np.uint8, end - begin, begin).astype(np.int32)
    count = len(block) - 6
    kind = block[6 : 6 + count]
    after = np.arange(count) + 7 + (block[4 : 4 + count] | block[5 : 5 + count] << 8)
    for place in np.flatnonzero((kind >= 1) & (kind <= 4) & (after <= len(block))).tolist():
        at = begin + place
        crc, length, _ = _HEAD.unpack_from(data, at)
        if length and zlib.crc32(data[at + 6 : at + 7 + length]) == crc:
            return at
    return None
