"""Spool files on disk: the one this process writes, and those that ended processes left behind.

`spool_format` says what is in them. The process that owns a file holds an exclusive `flock` on it for as long
as it lives.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .spool_format import SUFFIX, decode_header, file_name, header_line

try:
    import fcntl
except ImportError:  # not a POSIX system: the age of a file decides
    fcntl = None  # type: ignore[assignment]

#: On file systems without locks, a file counts as left behind after so many seconds without a write.
ABANDONED_AFTER = 600.0


class Spool:
    """The spool file of one run in this process: appended to at the end, read from the beginning.

    The file exists only while it holds something that was not sent.
    """

    def __init__(self, folder: str, identity: dict[str, str], limit: int) -> None:
        self.identity = identity
        self.path = ""
        self._lock = threading.Lock()
        self._folder = folder
        self._limit = limit
        self._file: int | None = None
        self._size = 0
        self._confirmed = 0

    @property
    def empty(self) -> bool:
        return self._confirmed >= self._size

    def append(self, lines: list[bytes]) -> None:
        """Append whole lines, all or none. Raises OSError when the disk is full or the limit is reached."""
        if not lines:
            return
        with self._lock:
            self._open()
            assert self._file is not None
            data = b"".join(lines)
            if self._size + len(data) > self._limit:
                raise OSError(f"the spool {self.path} has reached its limit")
            written = 0
            try:
                while written < len(data):
                    written += os.write(self._file, data[written:])
            except OSError:
                os.ftruncate(self._file, self._size)
                raise
            self._size += len(data)

    def read(self, most_bytes: int) -> tuple[list[bytes], int]:
        """The next lines, and the offset to `confirm` once the server has accepted them."""
        with self._lock:
            if self._file is None:
                return [], 0
            return _read_lines(self._file, self._confirmed, self._size, most_bytes)

    def confirm(self, offset: int) -> None:
        """Everything before `offset` is done with. Removes the file once all of it is."""
        with self._lock:
            self._confirmed = max(self._confirmed, offset)
            if self._confirmed >= self._size:
                self._remove()

    def forget(self) -> None:
        """Close the file without removing it: after a fork it belongs to the parent process."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        if self._file is not None:
            return
        os.makedirs(self._folder, exist_ok=True)
        process = f"{os.getpid()}-{time.time_ns():x}"
        self.path = os.path.join(self._folder, file_name(self.identity, process))
        header = header_line(self.identity)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        _lock_file(file)
        try:
            if os.write(file, header) < len(header):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.close(file)
            os.unlink(self.path)
            raise
        self._file, self._size, self._confirmed = file, len(header), len(header)

    def _remove(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # somebody else has removed it
                os.unlink(self.path)
            os.close(self._file)
            self._file, self._size, self._confirmed = None, 0, 0


class Leftover:
    """A spool file whose process has ended, open and locked for sending. `identity` is its header."""

    def __init__(self, path: str, file: int, identity: dict[str, Any], offset: int) -> None:
        self.path = path
        self.identity = identity
        self._file = file
        self._offset = offset

    def read(self, most_bytes: int) -> tuple[list[bytes], int]:
        """The next lines, and the offset to `confirm`; a torn last line is left out."""
        return _read_lines(self._file, self._offset, os.fstat(self._file).st_size, most_bytes)

    def confirm(self, offset: int) -> None:
        self._offset = offset

    def remove(self) -> None:
        """Delete the file, all of which was sent."""
        try:
            os.unlink(self.path)
        finally:
            self.close()

    def close(self) -> None:
        os.close(self._file)


def open_leftover(path: str) -> Leftover | None:
    """Take over a spool file. None where its process is alive, or where it is not a spool."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return None
    locked = _lock_file(file)
    abandoned = time.time() - os.fstat(file).st_mtime > ABANDONED_AFTER
    if locked or (locked is None and abandoned):
        head = os.pread(file, 1 << 16, 0)
        end = head.find(b"\n") + 1
        try:
            identity = decode_header(head[:end])
            if os.path.exists(path):
                return Leftover(path, file, identity, end)
        except ValueError:
            if locked and not end:  # killed while writing the header: the file holds nothing
                os.unlink(path)
    os.close(file)
    return None


def spool_files(folder: str) -> Iterator[str]:
    """The spool files below a folder, oldest first within each subfolder."""
    for subfolder, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        paths = [os.path.join(subfolder, name) for name in names if name.endswith(SUFFIX)]
        yield from sorted(paths, key=_modified_s)


def _read_lines(file: int, begin: int, end: int, most_bytes: int) -> tuple[list[bytes], int]:
    """Whole lines from `begin`, and where the last one ends. At least one if there is one."""
    data = os.pread(file, max(0, min(most_bytes, end - begin)), begin)
    if data and b"\n" not in data:  # a line longer than most_bytes
        data = os.pread(file, end - begin, begin)
    data = data[: data.rfind(b"\n") + 1]
    return data.splitlines(), begin + len(data)


def _lock_file(file: int) -> bool | None:
    """Try to take the exclusive lock. None: this file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _modified_s(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
