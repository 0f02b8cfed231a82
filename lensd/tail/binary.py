"""Following a binary file that grows: reading a part of it, and the cursor that finds the place again.

A file is the same file as long as its first bytes and the bytes before the cursor are the same. This notices
files that were replaced, truncated or rewritten, and does not depend on inodes, which change when a backup is
restored or a volume is mounted again.
"""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO, Protocol, TypeVar

import msgspec

HEAD = 256  #: bytes at the beginning of the file that `fingerprints` covers at most
TRACE = 64  #: bytes before the offset that `fingerprints` covers at most
DIGEST = 8  #: bytes of a digest


class BinaryCursor(Protocol):
    """What a cursor into a binary file holds besides an adapter's own fields.

    It is a `msgspec.Struct` whose fields all have defaults: `version` that of the adapter's current cursor
    format, the others those of a cursor at the beginning of the file. offset: where reading goes on. head,
    trace: the `fingerprints` of the file at that offset.
    """

    version: int
    offset: int
    head: bytes
    trace: bytes


CursorT = TypeVar("CursorT", bound=BinaryCursor)


class Snapshot:
    """An open file, as long as it was when the read began: what is appended later is for the next read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; fewer only at the end. Raises OSError."""
        self._file.seek(offset)
        count = min(count, self.size - offset)
        parts: list[bytes] = []
        while count > 0 and (part := self._file.read(count)):
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def fingerprints(self, offset: int) -> tuple[bytes, bytes]:
        """Digests of the first bytes of the file and of the last ones before `offset`; `b""` for no bytes."""
        begin = max(0, offset - TRACE)
        return _digest(self.read(0, min(HEAD, offset))), _digest(self.read(begin, offset - begin))

    def resume(self, data: bytes | None, cursor_type: type[CursorT]) -> tuple[CursorT, bool]:
        """The cursor from which this read goes on, and whether reading starts again from the beginning
        although there was a cursor: it cannot be decoded, or what was read is not in the file any more.

        A file that lost only bytes behind the cursor is the same file: none of them was read.
        """
        if not data:
            return cursor_type(), False
        cursor = decode_cursor(data, cursor_type)
        if cursor is None or self.size < cursor.offset:
            return cursor_type(), True
        if (cursor.head, cursor.trace) != self.fingerprints(cursor.offset):
            return cursor_type(), True
        return cursor, False


def encode_cursor(cursor: BinaryCursor) -> bytes:
    """The cursor as MessagePack."""
    return msgspec.msgpack.encode(cursor)


def decode_cursor(data: bytes, cursor_type: type[CursorT]) -> CursorT | None:
    """The cursor in `data`; None for garbage and for a cursor of another version."""
    try:
        cursor = msgspec.msgpack.decode(data, type=cursor_type)
    except msgspec.MsgspecError:
        return None
    return cursor if cursor.version == cursor_type().version and cursor.offset >= 0 else None


def _digest(data: bytes) -> bytes:
    return hashlib.blake2s(data, digest_size=DIGEST).digest() if data else b""
