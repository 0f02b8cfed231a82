"""The segments of a rotated log: which files they are, in what order, and how to recognise one again.

A segment is recognised by a digest of the first bytes of its text, decompressed where it is gzipped, so that
it keeps its identity through `x.log` -> `x.log.1` -> `x.log.2.gz`. Device and inode only break ties: they
change with gzip, copytruncate and restored backups.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass

HEAD = 1024  #: bytes that a fingerprint covers at most
TRACE = 256  #: bytes before a position that its trace covers at most
_BLOCK = 1 << 18
_WINDOW = (1 << 20) + (1 << 16)

# logrotate: `.1`, `.2.gz`, or with dateext `-20240131`, `-20240131.gz`; Python's TimedRotatingFileHandler:
# `.2024-01-31`, `.2024-01-31_13`.
_SUFFIX = re.compile(
    r"(?:\.(?P<n>\d{1,4})|[.-](?P<date>\d{4}-?\d\d-?\d\d(?:[-_T.]?\d{1,6}(?:-\d\d){0,2})?))?(?P<gz>\.gz)?\Z"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A file that holds a part of the stream. packed: it is gzipped. stored_size: bytes on disk."""

    path: str
    packed: bool
    stored_size: int
    mtime_ms: float
    identity: str  # device and inode

    def size_estimate(self) -> int:
        """Bytes of text; for a gzipped segment what its last four bytes claim (modulo 4 GiB)."""
        if not self.packed:
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
            return _unpack(self, offset, count)
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

    Of a plain file and its gzipped twin only the plain one counts: gzip is still at work, or it is a copy.
    """
    folder, base = os.path.split(path)
    by_age: dict[tuple[int, int, str], Segment] = {}
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
            packed = match["gz"] is not None or base.endswith(".gz")
            key = _age(match)
            if packed and key in by_age and not by_age[key].packed:
                continue
            by_age[key] = Segment(
                os.path.join(folder, name),
                packed,
                status.st_size,
                status.st_mtime_ns / 1e6,
                f"{status.st_dev}.{status.st_ino}",
            )
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


class _Unpacker:
    """Reads a gzip file forward, member after member. A torn or corrupt end counts as the end."""

    def __init__(self, segment: Segment) -> None:
        self._path = segment.path
        self._at = 0  # in the packed file
        self.offset = 0  # in the text
        self._inflate = zlib.decompressobj(wbits=31)
        self._window = bytearray()  # the text before `offset`, so that a reader can step back a line
        self._ready = b""
        self._rest = b""
        self._ended = False

    def reaches(self, offset: int) -> bool:
        return offset >= self.offset - len(self._window)

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`, which must be one that it `reaches`."""
        while self.offset < offset and self._take(min(offset - self.offset, _BLOCK)):
            pass
        while self.offset < offset + count and self._take(min(offset + count - self.offset, _BLOCK)):
            pass
        start = offset - (self.offset - len(self._window))
        data = bytes(self._window[start : start + count]) if start >= 0 else b""
        del self._window[: max(0, len(self._window) - _WINDOW)]
        return data

    def _take(self, count: int) -> bool:
        if not self._ready and not self._fill():
            return False
        part, self._ready = self._ready[:count], self._ready[count:]
        self._window += part
        self.offset += len(part)
        return True

    def _fill(self) -> bool:
        while not self._ended:
            if self._inflate.eof:
                self._rest = self._inflate.unused_data
                self._inflate = zlib.decompressobj(wbits=31)
            if not self._rest:
                with open(self._path, "rb", buffering=0) as file:
                    file.seek(self._at)
                    self._rest = file.read(1 << 16)
                self._at += len(self._rest)
                if not self._rest:
                    self._ended = True
                    break
            try:
                # max_length keeps a zip bomb from unfolding at once.
                self._ready = self._inflate.decompress(self._rest, _BLOCK)
            except zlib.error:
                self._ended = True
                break
            self._rest = self._inflate.unconsumed_tail
            if self._ready:
                return True
        return False


# A cache of unpackers where readers left them: gzip can only be read forward, and reads take turns. Without
# it every read starts at the beginning of the segment.
_Key = tuple[str, str, int]
_unpackers: OrderedDict[_Key, _Unpacker] = OrderedDict()
_lock = threading.Lock()


def _unpack(segment: Segment, offset: int, count: int) -> bytes:
    if offset + count <= 4 * HEAD:  # a fingerprint: leave the reader's unpacker where it is
        unpacker = _Unpacker(segment)
        return unpacker.read(offset, count)
    key = (segment.path, segment.identity, segment.stored_size)
    with _lock:
        cached = _unpackers.pop(key, None)
    unpacker = cached if cached is not None and cached.reaches(offset) else _Unpacker(segment)
    data = unpacker.read(offset, count)
    with _lock:
        _unpackers[key] = unpacker
        while len(_unpackers) > 4:
            _unpackers.popitem(last=False)
    return data
