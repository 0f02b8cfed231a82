"""The errors of the store, with messages for the user."""

from __future__ import annotations

import sqlite3


class StoreError(Exception):
    """The database cannot be used, or could not store a batch. The message is one sentence for the user."""

    @classmethod
    def of(cls, path: str, error: sqlite3.Error) -> StoreError:
        """The message for an error of SQLite about the database at `path`."""
        match primary_code(error):
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                return cls(
                    f"{path} is damaged or not a SQLite database ({error}); move it away or name another"
                )
            case sqlite3.SQLITE_READONLY:
                return cls(f"{path} is read-only; lensd needs to write to it and to its folder")
            case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
                return cls(f"{path}: the disk is full or failing ({error}); nothing was lost")
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return cls(f"{path} is in use by another process that is writing to it")
            case sqlite3.SQLITE_CANTOPEN:
                return cls(f"{path} cannot be opened: check that it is a file and readable by this user")
        return cls(f"{path}: {error}")


class ReadTimeout(Exception):
    """A read took longer than it may. The message says how long that was."""


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; SQLITE_ERROR for errors of Python's sqlite3 itself."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF
