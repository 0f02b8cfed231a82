"""The spool: what could not be sent, as lines of JSON in a file of its own per run and process.

Format (docs/wandb.md describes it for others), file name `<workload>@<run id>@<process>.lensd-spool`, the
first two percent-encoded. The first line is `{"format": "lensd-spool", "version": 1, "source": "wandb",
"workload_uid", "pod_uid", "pod_name", "run_id"}`. Every other line is one row, `{"step": 5, "timestamp":
1795208609.25, "metrics": {"loss": 0.5}}` (seconds since the epoch; Python's NaN and Infinity), or the body of
a detection, `{"detection": {...}}`. A torn last line, left by a process that was killed, is not a line. The
owner holds an exclusive `flock` as long as it lives.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

try:
    import fcntl
except ImportError:  # not a POSIX system: age decides alone
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".lensd-spool"
FORMAT = "lensd-spool"

#: A file that cannot be locked (some network file systems) is left over once it has rested so long, in
#: seconds.
RESTED = 600.0


class Spool:
    """The spool file of one run in this process: appended at its end, read from its beginning."""

    def __init__(self, folder: str, identity: dict[str, str], limit: int) -> None:
        self.identity = identity
        self.lock = threading.Lock()
        self._folder = folder
        self._limit = limit
        self._file: int | None = None
        self.path = ""
        self._size = 0
        self._read = 0

    @property
    def empty(self) -> bool:
        return self._read >= self._size

    def append(self, lines: list[bytes]) -> None:
        """Append whole lines, all or none. Raises OSError where the disk or the limit leaves no room."""
        if not lines:
            return
        with self.lock:
            self._open()
            assert self._file is not None
            data = b"".join(lines)
            if self._size + len(data) > self._limit:
                raise OSError(f"the spool {self.path} has reached its limit")
            done = 0
            try:
                while done < len(data):
                    done += os.write(self._file, data[done:])
            except OSError:
                os.ftruncate(self._file, self._size)
                raise
            self._size += len(data)

    def read(self, most_bytes: int) -> tuple[list[bytes], int]:
        """The next lines and the offset to `confirm` once they have been taken."""
        with self.lock:
            if self._file is None:
                return [], 0
            data = os.pread(self._file, min(most_bytes, self._size - self._read), self._read)
            if b"\n" not in data:  # one very long line
                data = os.pread(self._file, self._size - self._read, self._read)
            data = data[: data.rfind(b"\n") + 1]
            return data.splitlines(), self._read + len(data)

    def confirm(self, offset: int) -> None:
        """Everything before `offset` has been taken. The file goes once all has."""
        with self.lock:
            self._read = max(self._read, offset)
            if self._read >= self._size:
                self._remove()

    def forget(self) -> None:
        """Let go of a file that belongs to another process (after a fork), leaving it as it is."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        if self._file is not None:
            return
        os.makedirs(self._folder, exist_ok=True)
        process = f"{os.getpid()}-{time.time_ns():x}"
        names = (
            quote(self.identity["workload_uid"], safe=""),
            quote(self.identity["run_id"], safe=""),
            process,
        )
        self.path = os.path.join(self._folder, "@".join(name[:120] for name in names) + SUFFIX)
        line = encode({"format": FORMAT, "version": 1, "source": "wandb", **self.identity})
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        lock(file)
        try:
            if os.write(file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.close(file)
            os.unlink(self.path)
            raise
        self._file, self._size, self._read = file, len(line), len(line)

    def _remove(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # somebody has cleared it away already
                os.unlink(self.path)
            os.close(self._file)
            self._file, self._size, self._read = None, 0, 0


def encode(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def lock(file: int) -> bool | None:
    """Take the lock. None: this file system has none."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


class Leftover:
    """A spool file whose process has ended, opened for being sent. `identity` is its first line."""

    def __init__(self, path: str, file: int, identity: dict[str, Any], offset: int) -> None:
        self.path = path
        self.identity = identity
        self._file = file
        self._offset = offset

    def read(self, most_bytes: int) -> tuple[list[bytes], int]:
        """The next lines and the offset to `confirm`; a torn last line is left out."""
        data = os.pread(self._file, most_bytes, self._offset)
        if data and b"\n" not in data:
            data = os.pread(self._file, os.fstat(self._file).st_size - self._offset, self._offset)
        data = data[: data.rfind(b"\n") + 1]
        return data.splitlines(), self._offset + len(data)

    def confirm(self, offset: int) -> None:
        self._offset = offset

    def remove(self) -> None:
        """All of it has been taken."""
        try:
            os.unlink(self.path)
        finally:
            self.close()

    def close(self) -> None:
        os.close(self._file)


def open_leftover(path: str) -> Leftover | None:
    """Take over a spool file, or None where its process still lives or it is no spool."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return None
    locked = lock(file)
    rested = time.time() - os.fstat(file).st_mtime > RESTED
    if locked or (locked is None and rested):
        head = os.pread(file, 1 << 16, 0)
        end = head.find(b"\n") + 1
        try:
            identity = json.loads(head[:end])
            if identity.get("format") == FORMAT and os.path.exists(path):
                return Leftover(path, file, identity, end)
        except (ValueError, AttributeError):
            if locked and not end:  # killed while writing its first line: there is nothing in it
                os.unlink(path)
    os.close(file)
    return None


def spool_files(folder: str) -> Iterator[str]:
    """The spool files below a folder, oldest first in each."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        found = [os.path.join(place, name) for name in names if name.endswith(SUFFIX)]
        yield from sorted(found, key=_mtime)


def _mtime(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
