"""Where reading of an event file goes on, and how to tell that it is still the same file."""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

import msgspec

VERSION = 1

_HEAD, _TRACE = 256, 64
_DIGEST = 8


class EventCursor(msgspec.Struct, array_like=True):
    """Everything a read needs to know of those before it; the adapter keeps nothing else.

    offset: a record begins here, or damage that nothing sound has followed yet. head: hash of the file's
    first bytes (as many as 256, of those before `offset`). trace: hash of the 64 bytes before `offset`.
    foreign: digests of the tags that other plugins own, side by side: only the first value of a tag says so.
    """

    version: int = VERSION
    offset: int = 0
    head: bytes = b""
    trace: bytes = b""
    foreign: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> EventCursor | None:
        """The cursor in `data`, None where this version of lensd cannot use it."""
        try:
            cursor = msgspec.msgpack.decode(data, type=cls)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return None
        return cursor if cursor.version == VERSION and cursor.offset >= 0 else None

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)

    def fits(self, file: BinaryIO) -> bool:
        """Whether what was read so far is still there: false for a replaced, truncated or emptied file.

        A file that only lost what was behind the cursor is the same file: nothing of that was read.
        """
        if os.fstat(file.fileno()).st_size < self.offset:
            return False
        return self.head == _head(file, self.offset) and self.trace == _trace(file, self.offset)

    def moved(self, file: BinaryIO, offset: int, foreign: set[bytes]) -> EventCursor:
        """The cursor after a read up to `offset`."""
        return EventCursor(
            offset=offset,
            head=_head(file, offset),
            trace=_trace(file, offset),
            foreign=b"".join(sorted(foreign)),
        )

    def foreign_tags(self) -> set[bytes]:
        """The digests, as `tag_digest` makes them."""
        whole = self.foreign
        return {whole[at : at + _DIGEST] for at in range(0, len(whole), _DIGEST)}


def tag_digest(tag: bytes) -> bytes:
    """Stands for a tag in a cursor, whatever its length."""
    return hashlib.blake2s(tag, digest_size=_DIGEST).digest()


def _head(file: BinaryIO, offset: int) -> bytes:
    return _hash(file, 0, min(_HEAD, offset))


def _trace(file: BinaryIO, offset: int) -> bytes:
    begin = max(0, offset - _TRACE)
    return _hash(file, begin, offset - begin)


def _hash(file: BinaryIO, begin: int, count: int) -> bytes:
    if not count:
        return b""
    file.seek(begin)
    return hashlib.blake2s(file.read(count), digest_size=_DIGEST).digest()
