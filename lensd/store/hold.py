"""The file of a database, held by the one process that writes it.

The lock belongs to the file and not to its path: links lead to the same one. It is flock's, on a descriptor
that stays open to the end, since closing any other would drop the locks that SQLite has on the file. Where
flock and SQLite's locks are the same (NFS, systems other than Linux), a file beside the database is locked.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from lensd import platform
from lensd.store.errors import StoreError


class Hold:
    """One database file. Raises StoreError if another process has it, or it cannot be written to."""

    def __init__(self, path: str) -> None:
        self.path = path
        beside = sys.platform != "linux" or platform.network_file_system(path) is not None
        locked = path + ".lock" if beside else path
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = open(locked, "ab")  # noqa: SIM115 - open as long as the store
        except OSError as error:
            name = error.filename or locked
            raise StoreError(f"{path} cannot be written to: {error.strerror} ({name})") from error
        if not platform.lock(self._file):
            self._file.close()
            raise StoreError(
                f"{path} is in use by another lensd; stop it, or name another database with --db"
            )
        self._identity = _identity(path)

    def opened(self) -> None:
        """The database exists now."""
        self._identity = _identity(self.path)

    @property
    def is_lost(self) -> bool:
        """Whether the path leads to another file than at first, or to none."""
        return self._identity is not None and _identity(self.path) != self._identity

    def close(self) -> None:
        self._file.close()


def _identity(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return None
