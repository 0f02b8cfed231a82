"""Opening a file of a log, so that what is read is known to be that file."""

from __future__ import annotations

import io
import os
import stat
from typing import Self


class OpenFile:
    """A file as it was when it was opened, whatever its name means by now. identity: device and inode."""

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self._file = io.FileIO(path)
        try:
            status = os.fstat(self._file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(path)
        except BaseException:
            self._file.close()
            raise
        self.inode, self.size = status.st_ino, status.st_size
        self.mtime_ns = status.st_mtime_ns
        self.identity = f"{status.st_dev}.{status.st_ino}"

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; fewer only at the end."""
        self._file.seek(offset)
        parts = []
        while count > 0 and (part := self._file.read(count)):
            parts.append(part)
            count -= len(part)
            offset += len(part)
            if offset >= self.size:  # the end, or so near to it that the next read finds the rest
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
