"""What can go wrong with a database, in sentences."""

from __future__ import annotations

import sqlite3


class StoreError(Exception):
    """The database cannot be used, or could not take a batch. The message is one sentence for the user.

    transient: the same call may succeed later (a full disk, a lock); nothing of it was stored.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient

    @classmethod
    def of(cls, path: str, error: sqlite3.Error) -> StoreError:
        """The sentence for an error of SQLite."""
        text = str(error)
        if "not a database" in text or "malformed" in text:
            return cls(f"{path} is damaged or not a SQLite database ({text}); move it away or name another")
        if "readonly" in text or "read-only" in text:
            return cls(f"{path} is read-only; lensd needs to write to it and to its folder")
        if "disk is full" in text or "disk I/O" in text:
            return cls(f"{path}: the disk is full or failing ({text}); nothing was lost", transient=True)
        if "locked" in text or "busy" in text:
            return cls(f"{path} is in use by another process that is writing to it", transient=True)
        if "unable to open" in text:
            return cls(f"{path} cannot be opened: check that it is a file and readable by this user")
        return cls(f"{path}: {text}")


class ReadTimeout(Exception):
    """A read took longer than it may. The message says how long that was."""
