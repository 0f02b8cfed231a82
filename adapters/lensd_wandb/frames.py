"""The framing of a `.wandb` file: a header of 7 bytes, then LevelDB's log in blocks of 32 KiB.

Format: wandb SDK 0.12 to 0.31, `core/internal/transactionlog`; LevelDB, `doc/log_format.md`. Two things
differ from LevelDB: the checksum is the plain CRC-32 of zlib over type and data, and blocks are counted from
the start of the file, so that the first one holds 7 bytes less. A record is one full chunk, or a first chunk,
middle ones and a last. Finds whole records; knows nothing of what is in them, and opens no file.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np

BLOCK = 32 << 10
MAGIC = b":W&B\xe1\xbe\x00"

#: A record longer than this holds no metrics that anybody can look at.
LONGEST = 64 << 20

_HEADER = 7
_HEAD = struct.Struct("<IHB")  # checksum, length of the data, type
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_FULL_CRC = zlib.crc32(bytes([_FULL]))


@dataclass(slots=True)
class Frames:
    """Whole records, and where reading goes on.

    end: offset in the file after the last whole record, or after damage that was stepped over. skipped:
    damaged records; those that follow one another count as one. lost: the beginning of the record around
    `end` was damaged, so that the rest of it is passed over and not counted again.
    """

    records: list[bytes] = field(default_factory=list)
    end: int = 0
    skipped: int = 0
    lost: bool = False


class _Place(Enum):
    """What is where a chunk should begin."""

    CHUNK = auto()
    PADDING = auto()  # the rest of a block, too short for a header
    TORN = auto()  # not all of it is there (yet)
    DAMAGED = auto()


def frames(data: bytes, start: int, limit: int, *, lost: bool = False) -> Frames:
    """The records in `data`, which begins at the offset `start` of its file, where a chunk does.

    Ends with the record that reaches `limit` bytes. lost: as in the `Frames` before.
    """
    return _FrameScan(data, start, lost).run(limit)


class _FrameScan:
    """One pass over some data. `_at` is the place in it, `_parts` the chunks of a record that has begun."""

    def __init__(self, data: bytes, start: int, lost: bool) -> None:
        self._data, self._start, self._at = data, start, 0
        self._parts: list[bytes] | None = None
        self._frames = Frames(end=start, lost=lost)
        self._skipped = 0

    def run(self, limit: int) -> Frames:
        while self._at < limit or self._parts is not None:
            if self._parts is None and self._full_chunks(limit):
                continue
            place, after = self._look()
            if place is _Place.TORN:
                break
            if place is _Place.CHUNK:
                self._take_chunk(after)
            elif place is _Place.PADDING:
                self._move(after)
            elif not self._step_over_damage():
                break
        return self._frames

    def _full_chunks(self, limit: int) -> int:
        """Take the full chunks that come next, which nearly all chunks are; how many there were."""
        data, at, records = self._data, self._at, self._frames.records
        head, crc32, end = _HEAD.unpack_from, zlib.crc32, min(self._block_end(), len(self._data))
        before = len(records)
        while at < limit and at + _HEADER <= end:
            crc, length, kind = head(data, at)
            after = at + _HEADER + length
            if kind != _FULL or after > end:
                break
            record = data[at + _HEADER : after]
            if crc32(record, _FULL_CRC) != crc:
                break
            records.append(record)
            at = after
        count = len(records) - before
        if count:
            self._at, self._frames.lost = at, False
            self._frames.end = self._start + at
        return count

    def _block_end(self) -> int:
        """Where the block ends that `_at` is in; that may lie after the data."""
        return self._at + BLOCK - (self._start + self._at) % BLOCK

    def _look(self) -> tuple[_Place, int]:
        """What is at `_at`, and where it ends."""
        data, at, block_end = self._data, self._at, self._block_end()
        if block_end - at < _HEADER:
            return (_Place.PADDING if block_end <= len(data) else _Place.TORN), block_end
        if at + _HEADER > len(data):
            return _Place.TORN, at
        crc, length, kind = _HEAD.unpack_from(data, at)
        after = at + _HEADER + length
        if not _FULL <= kind <= _LAST or after > block_end:
            return _Place.DAMAGED, at
        if after > len(data):
            return _Place.TORN, at
        return (_Place.CHUNK if zlib.crc32(data[at + 6 : after]) == crc else _Place.DAMAGED), after

    def _take_chunk(self, after: int) -> None:
        """Take the sound chunk at `_at`."""
        frames, kind = self._frames, self._data[self._at + 6]
        body = self._data[self._at + _HEADER : after]
        if kind in (_FULL, _FIRST):
            if self._parts is not None:
                self._skipped += 1  # the record before has no end
            frames.lost = False
            self._parts = [body]
        elif self._parts is None:  # it continues a record whose beginning is missing
            self._skipped += not frames.lost
            frames.lost = kind == _MIDDLE
        else:
            self._parts.append(body)
        if self._parts is not None and kind in (_FULL, _LAST):
            frames.records.append(b"".join(self._parts))
            self._parts = None
        self._move(after)

    def _step_over_damage(self) -> bool:
        """Move to the next sound chunk of the block, else to the next block. False while the block is still
        being written and has no sound chunk."""
        frames, block_end = self._frames, self._block_end()
        after = _next_sound(self._data, self._at + 1, min(block_end, len(self._data)))
        if after is None:
            if block_end > len(self._data):
                return False
            after = block_end
        self._skipped += not frames.lost
        frames.lost, self._parts = True, None
        self._move(after)
        return True

    def _move(self, at: int) -> None:
        """Go on at `at`. Where a record has begun before it, the next read begins with that record again."""
        self._at = at
        if self._parts is None:
            self._frames.end, self._frames.skipped = self._start + at, self._skipped


def _next_sound(data: bytes, begin: int, end: int) -> int | None:
    """The first place from `begin` on where a sound chunk begins that ends before `end`; None without one."""
    if end - begin < _HEADER:
        return None
    block = np.frombuffer(data, np.uint8, end - begin, begin).astype(np.int32)
    count = len(block) - _HEADER + 1
    kind = block[6 : 6 + count]
    after = np.arange(count) + _HEADER + (block[4 : 4 + count] | block[5 : 5 + count] << 8)
    for place in np.flatnonzero((kind >= _FULL) & (kind <= _LAST) & (after <= len(block))).tolist():
        at = begin + place
        crc, length, _ = _HEAD.unpack_from(data, at)
        if length and zlib.crc32(data[at + 6 : at + _HEADER + length]) == crc:
            return at
    return None
