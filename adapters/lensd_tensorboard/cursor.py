"""What a read of an event file needs to know of the reads before it."""

from __future__ import annotations

import hashlib

import msgspec

from lensd.tail.binary import DIGEST


class EventCursor(msgspec.Struct, array_like=True):
    """A `BinaryCursor`. The order of the fields is that of stored cursors.

    offset: where a record begins, or damage that no sound record follows yet. foreign: digests of the tags
    that belong to plugins other than the scalars', joined; only the first value of a tag names its plugin.
    others: how many histograms, images and sounds there were so far, by `histograms.TAG`.
    """

    version: int = 1
    offset: int = 0
    head: bytes = b""
    trace: bytes = b""
    foreign: bytes = b""
    others: dict[str, int] = {}

    def foreign_tags(self) -> set[bytes]:
        """The digests, as `tag_digest` makes them."""
        return {self.foreign[at : at + DIGEST] for at in range(0, len(self.foreign), DIGEST)}


def tag_digest(tag: bytes) -> bytes:
    """Stands for a tag in a cursor, however long the tag is."""
    return hashlib.blake2s(tag, digest_size=DIGEST).digest()
