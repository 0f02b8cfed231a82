"""The segments of a rotated log: which files they are, in what order, and how to recognise one again.

A segment is recognised by a digest of the first bytes of its text, decompressed where it is packed, so that
it keeps its identity through `x.log` -> `x.log.1` -> `x.log.2.gz`. Device and inode only break ties: they
change with gzip, copytruncate and restored backups.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass

from lensd.tail.packing import SUFFIXES, Unpacker, can_unpack, packing_of, read_packed

HEAD = 1024  #: bytes that a fingerprint covers at most
TRACE = 256  #: bytes before a position that its trace covers at most

# logrotate: `.1`, `.2.gz`, or with dateext `-20240131`, `-20240131.gz`; Python's TimedRotatingFileHandler:
# `.2024-01-31`, `.2024-01-31_13`.
_SUFFIX = re.compile(
    r"(?:\.(?P<n>\d{1,4})|[.-](?P<date>\d{4}-?\d\d-?\d\d(?:[-_T.]?\d{1,6}(?:-\d\d){0,2})?))?"
    rf"(?:{SUFFIXES})?\Z"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A file that holds a part of the stream. packing: see `packing_of`. stored_size: bytes on disk."""

    path: str
    packing: str
    stored_size: int
    mtime_ms: float
    identity: str  # device and inode

    @property
    def packed(self) -> bool:
        return self.packing != ""

    def size_estimate(self) -> int:
        """Bytes of text; for a gzipped segment what its last four bytes claim (modulo 4 GiB), for one that is
        packed otherwise its bytes on disk."""
        if self.packing != "gz":
            return self.stored_size
        try:
            with open(self.path, "rb") as file:
                file.seek(-4, os.SEEK_END)
                return int.from_bytes(file.read(4), "little")
        except OSError:
            return self.stored_size

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes of text from `offset`; fewer only at the end. Raises OSError."""
        if self.packed:
            if offset + count <= 4 * HEAD:  # a fingerprint: leave the reader's unpacker where it is
                return Unpacker(self.path, self.packing).read(offset, count)
            return read_packed(self.path, self.packing, self.identity, self.stored_size, offset, count)
        with open(self.path, "rb", buffering=0) as file:
            file.seek(offset)
            parts = []
            while count > 0 and (part := file.read(count)):
                parts.append(part)
                count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def fingerprint(self, length: int = HEAD) -> str:
        """`LENGTH:DIGEST` of the first `length` bytes of text, or of what there is; `""` without text."""
        head = self.read(0, length)
        return f"{len(head)}:{digest(head)}" if head else ""

    def has(self, fingerprint: str) -> bool:
        """Whether the segment begins like the one with this fingerprint."""
        length = fingerprint.partition(":")[0]
        return length.isdigit() and self.fingerprint(int(length)) == fingerprint


def digest(data: bytes) -> str:
    return hashlib.blake2s(data, digest_size=8).hexdigest()


def base_name(name: str) -> str:
    """The name of the stream that a file belongs to: `x.log` for `x.log.2.gz` and `x.log-20240131`."""
    suffix = _SUFFIX.search(name)
    return name[: suffix.start()] if suffix else name


def segments(path: str) -> list[Segment]:
    """The segments of the stream at `path`, oldest first. Raises FileNotFoundError where there is none.

    Of a plain file and its packed twin only the plain one counts: gzip is still at work, or it is a copy. A
    segment that nothing installed can unpack is left out, unless there is no other.
    """
    folder, base = os.path.split(path)
    by_age: dict[tuple[int, int, str], Segment] = {}
    sealed: list[Segment] = []
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            name = entry.name
            if not name.startswith(base):
                continue
            match = _SUFFIX.match(name, len(base))
            if match is None:
                continue
            try:
                status = entry.stat()
            except OSError:
                continue
            if not stat.S_ISREG(status.st_mode):
                continue
            segment = Segment(
                os.path.join(folder, name),
                packing_of(name),
                status.st_size,
                status.st_mtime_ns / 1e6,
                f"{status.st_dev}.{status.st_ino}",
            )
            key = _age(match)
            if not can_unpack(segment.packing):
                sealed.append(segment)
            elif not (segment.packed and key in by_age and not by_age[key].packed):
                by_age[key] = segment
    if not by_age and sealed:
        return sealed
    if not by_age:
        raise FileNotFoundError(path)
    return [by_age[key] for key in sorted(by_age)]


def _age(match: re.Match[str]) -> tuple[int, int, str]:
    """Sorts older segments first: numbers from high to low, dates from low to high, then the file itself."""
    if match["n"]:
        return (0, -int(match["n"]), "")
    if match["date"]:
        return (1, 0, match["date"])
    return (2, 0, "")
