"""Where reading of a `.wandb` file goes on, and how to tell that it is still the same file."""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

import msgspec

VERSION = 1

_HEAD, _TRACE = 256, 64


class WandbCursor(msgspec.Struct, array_like=True):
    """Everything a read needs to know of those before it.

    offset: a chunk begins here. lost: it belongs to a record whose beginning was damaged. head and trace:
    hashes of the file's first bytes, and of those before `offset`. step: of the last row of history.
    partial: console output whose line has not ended, by stream.
    """

    version: int = VERSION
    offset: int = 0
    lost: bool = False
    head: bytes = b""
    trace: bytes = b""
    step: int | None = None
    partial: dict[str, str] = {}

    @classmethod
    def decode(cls, data: bytes) -> WandbCursor | None:
        """The cursor in `data`, None where this version of lensd cannot use it."""
        try:
            cursor = msgspec.msgpack.decode(data, type=cls)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return None
        return cursor if cursor.version == VERSION and cursor.offset >= 0 else None

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)

    def fits(self, file: BinaryIO) -> bool:
        """Whether what was read so far is still there: false for a replaced, truncated or emptied file."""
        if not self.offset:
            return True
        if os.fstat(file.fileno()).st_size < self.offset:
            return False
        return (self.head, self.trace) == fingerprints(file, self.offset)


def fingerprints(file: BinaryIO, offset: int) -> tuple[bytes, bytes]:
    """Hashes of the first bytes of a file and of those before `offset`."""
    hashes = []
    for begin, end in ((0, min(_HEAD, offset)), (max(0, offset - _TRACE), offset)):
        file.seek(begin)
        hashes.append(hashlib.blake2s(file.read(end - begin), digest_size=8).digest())
    return hashes[0], hashes[1]
