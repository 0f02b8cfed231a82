"""The segments of a rotated log: which files they are, in what order, and how to recognise one again.

A segment is recognised by a digest of the first bytes of its text, unpacked where it is packed, so that it
keeps its identity through `x.log` -> `x.log.1` -> `x.log.2.gz`. Device and inode only break ties: they change
with gzip, copytruncate and restored backups.

Rotation renames files between any two operations of a reader, which may take milliseconds each on a network
file system. So the folder is listed once, names with inodes, which the system does in one piece. That list is
the order. A segment is opened when it is needed; if another file has its name by then, it is looked for by
its inode, and if it is not there any more (packed, say), the reader begins again with a new list. What is
open stays open until the end of the read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from lensd.tail.files import OpenFile
from lensd.tail.kinship import is_known_segment, is_other_log
from lensd.tail.names import NEWEST, Age, SegmentName, as_segment
from lensd.tail.packing import Unpacker, can_unpack, read_packed

HEAD = 1024  #: bytes that a fingerprint covers at most
START = 64  #: bytes of a fingerprint that even a short copy of a segment has
TRACE = 256  #: bytes before a position that its trace covers at most
_MOST_TRIES = 50  # lists of one folder in one read

_Result = TypeVar("_Result")


class Moved(OSError):
    """A segment was renamed, packed or removed since the folder was listed: list it again."""


class Unreadable(OSError):
    """A segment cannot be read. name: of the file."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(error.errno, error.strerror or str(error))
        self.name = name
        self.error = error


class Segment:
    """A file that holds a part of the stream, opened when it is first needed.

    All that it says of itself raises Moved, or Unreadable where it cannot be read. inode: 0 if not known.
    """

    def __init__(self, stream: Stream, name: SegmentName, inode: int = 0) -> None:
        self._stream = stream
        self._file: OpenFile | None = None
        self._head: bytes | None = None
        self.name = name
        self.inode = inode

    @property
    def path(self) -> str:
        return os.path.join(self._stream.folder, self.name.name)

    @property
    def packing(self) -> str:
        return self.name.packing

    @property
    def packed(self) -> bool:
        return self.packing != ""

    @property
    def is_log_itself(self) -> bool:
        """Does the segment have the name of the log?"""
        return self.name.age == NEWEST

    @property
    def stored_size(self) -> int:
        """Bytes on disk."""
        return self._opened().size

    @property
    def mtime_ms(self) -> float:
        return self._opened().mtime_ns / 1e6

    @property
    def identity(self) -> str:
        """Device and inode."""
        return self._opened().identity

    def size_estimate(self) -> int:
        """Bytes of text; for a gzipped segment what its last four bytes claim (modulo 4 GiB), for one that is
        packed otherwise its bytes on disk."""
        file = self._opened()
        if self.packing != "gz" or file.size < 4:
            return file.size
        return int.from_bytes(file.read(file.size - 4, 4), "little")

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes of text from `offset`; fewer only at the end."""
        file = self._opened()
        try:
            if not self.packed:
                return file.read(offset, count)
            if offset + count <= 4 * HEAD:  # a fingerprint: leave the reader's unpacker where it is
                unpacker = Unpacker(self.packing)
                data, damage = unpacker.read(file.read, offset, count), unpacker.damage
            else:
                version = (file.identity, file.size, file.mtime_ns)
                data, damage = read_packed(file.read, self.packing, version, offset, count)
        except OSError as error:
            raise Unreadable(self.name.name, error) from error
        if damage:
            self._stream.problems[self.name.name] = damage
        return data

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def head(self) -> bytes:
        """The first bytes of text, read once."""
        if self._head is None:
            self._head = self.read(0, HEAD)
        return self._head

    def fingerprint(self, length: int = HEAD) -> str:
        """`LENGTH:DIGEST` of the first `length` bytes of text, or of what there is; `""` without text."""
        head = self.head()[:length]
        return f"{len(head)}:{digest(head)}" if head else ""

    def has(self, fingerprint: str) -> bool:
        """Whether the segment begins like the one with this fingerprint."""
        length = fingerprint.partition(":")[0]
        return length.isdigit() and self.fingerprint(int(length)) == fingerprint

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _opened(self) -> OpenFile:
        if self._file is None:
            self._file = self._stream.open(self)
        return self._file


class Stream:
    """The segments of the log at `path`, as the folder lists them now.

    parts: oldest first. problems: file names of segments that cannot be read, or not to their end, and why.
    Raises FileNotFoundError where there is no segment.
    """

    def __init__(self, path: str, left_out: dict[str, str] | None = None, *, log_alone: bool = False) -> None:
        """left_out: the problems of segments that are not to be tried again. log_alone: list nothing, the log
        itself is the only part."""
        self.folder, self._base = os.path.split(path)
        self.problems = dict(left_out or {})
        if log_alone:
            self.parts = [Segment(self, SegmentName(self._base, self._base, NEWEST, before=False))]
            return
        self._listed = self._list()
        names = {segment.name: (segment, inode) for segment, inode in self._listed}
        by_age: dict[Age, Segment] = {}
        sealed: list[Segment] = []
        # Of a plain file and its packed twin the plain one counts: gzip is still at work, or it is a copy.
        for name, inode in sorted(names.values(), key=lambda pair: pair[0].packing != ""):
            if name.name in self.problems or self._is_other_log(name, inode, names):
                continue
            segment = Segment(self, name, inode)
            if can_unpack(name.packing):
                by_age.setdefault(name.age, segment)
            else:
                sealed.append(segment)
                self.problems[name.name] = "packed with zstd, which this Python cannot read"
        self.parts = [by_age[age] for age in sorted(by_age)] or sealed
        if not self.parts:
            raise FileNotFoundError(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for part in self.parts:
            part.close()

    def open(self, segment: Segment) -> OpenFile:
        """Open a segment by the name that its inode has now. Raises Moved, Unreadable, and FileNotFoundError
        for the log alone."""
        name = segment.name.name
        if not segment.inode:
            return OpenFile(os.path.join(self.folder, name))
        for _ in range(_MOST_TRIES):
            try:
                file = OpenFile(os.path.join(self.folder, name))
            except FileNotFoundError:
                file = None
            except OSError as error:
                raise Unreadable(segment.name.name, error) from error
            if file is not None and file.inode == segment.inode:
                return file
            current = {inode: now.name for now, inode in self._list()}
            if file is not None:
                # Some file systems list other inodes than they report of an open file (overlays).
                if current.get(segment.inode) == name:
                    return file
                file.close()
            if segment.inode not in current:
                break
            name = current[segment.inode]
        raise Moved(f"{segment.name.name} was rotated while it was read")

    def has_changed(self) -> bool:
        """Was a segment added, renamed or removed since the folder was listed?"""
        return set(self._listed) != set(self._list())

    def _list(self) -> list[tuple[SegmentName, int]]:
        with os.scandir(self.folder or ".") as entries:
            listing = [(as_segment(entry.name, self._base), entry) for entry in entries]
        return [(name, entry.inode()) for name, entry in listing if name is not None and entry.is_file()]

    def _is_other_log(self, name: SegmentName, inode: int, names: dict[str, tuple[SegmentName, int]]) -> bool:
        log = os.path.join(self.folder, self._base)
        if self._base not in names or not name.may_be_other or is_known_segment(log, inode):
            return False
        return is_other_log(os.path.join(self.folder, name.name), log, name)


def with_stream(path: str, use: Callable[[Stream], _Result]) -> _Result:
    """What `use` makes of the segments of the log at `path`. It is called again if rotation gets in its way,
    and without the segments that cannot be read, unless there is no other.

    Raises FileNotFoundError where there is no segment, OSError where none can be read.
    """
    left_out: dict[str, str] = {}
    for _ in range(_MOST_TRIES):
        with Stream(path, left_out) as stream:
            try:
                return use(stream)
            except Moved:
                continue
            except Unreadable as error:
                if all(part.name.name == error.name for part in stream.parts):
                    raise error.error from None
                left_out[error.name] = error.strerror or str(error)
    raise OSError("rotated faster than it can be read")


@contextmanager
def segments(path: str) -> Iterator[list[Segment]]:
    """The segments of the log at `path`, oldest first. Raises what a Stream raises."""
    with Stream(path) as stream:
        yield stream.parts


def digest(data: bytes) -> str:
    return hashlib.blake2s(data, digest_size=8).hexdigest()
