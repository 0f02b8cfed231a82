"""The store: one database file with one writer and a small pool of readers."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from lensd import platform
from lensd.model import Batch, Input
from lensd.store import backlog, origin, schema
from lensd.store.errors import ReadTimeout, StoreError, primary_code
from lensd.store.hold import Hold
from lensd.store.merging import merge
from lensd.store.reader import Reader
from lensd.store.renewal import may_be_elsewhere, must_be_renewed, renew
from lensd.store.text import storable
from lensd.store.writer import Writer

log = logging.getLogger(__name__)

_POOL = 16  # readers at once; a slow client holds one until it has its answer
_MOST_IDLE = 4  # connections that stay open for the next readers
_PROGRESS_STEPS = 20_000  # virtual machine steps between checks of the time: about a millisecond


#: Codes of SQLite after which nothing can be stored until somebody has done something.
_FAULTS = frozenset(
    (
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
    )
)  # fmt: skip


class Fault(NamedTuple):
    """Why nothing can be stored, and since when, in seconds since the epoch."""

    reason: str
    since_s: float


class Store:
    """A lensd database. Writing methods are synchronous, thread-safe, and belong in a worker thread."""

    def __init__(
        self,
        path: str,
        db: sqlite3.Connection | None,
        hold: Hold | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._clock = clock
        self.warnings: list[str] = []
        self._db = db
        self._writer = Writer(db, path) if db else None
        self._hold = hold
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._pool = threading.BoundedSemaphore(_POOL)
        self._immutable = False
        self._closed = False

    @classmethod
    def open(
        cls, path: str | Path, *, read_only: bool = False, clock: Callable[[], float] = time.time
    ) -> Store:
        """Open or create a database. Raises StoreError.

        clock: wall time in seconds since the epoch.
        """
        name = os.fspath(path)
        if os.path.isdir(name):
            raise StoreError(f"{name} is a folder; --db names a file")
        if read_only:
            return cls._open_read_only(name, clock)
        hold = Hold(name)
        try:
            store = cls(name, schema.prepare(name), hold, clock)
            hold.opened()
        except BaseException:
            hold.close()
            raise
        kind = platform.network_file_system(name)
        if kind:
            store.warnings.append(
                f"{name} lies on a network file system ({kind}), where SQLite's locks cannot be trusted;"
                " put the database on a local disk with --db"
            )
        return store

    @classmethod
    def _open_read_only(cls, name: str, clock: Callable[[], float]) -> Store:
        if not os.path.exists(name):
            raise StoreError(f"{name}: no such database")
        store = cls(name, None, None, clock)
        # A WAL database in a folder that cannot be written to opens only as immutable.
        store._immutable = not os.access(os.path.dirname(os.path.abspath(name)), os.W_OK)
        try:
            with store._connection() as db:
                schema.check(name, db)
        except sqlite3.Error as error:
            raise StoreError.of(name, error) from error
        return store

    def register(self, inputs: Iterable[Input]) -> list[Input]:
        """Register inputs. Returns them in the same order, each with the uid of its workload.

        Where two folders claim one uid, the second gets `uid-` and four hex digits of a hash of its path. The
        inputs that one contains are merged into it (see lensd.store.merging).
        """
        with self._transaction() as db:
            registered = [self._register(db, input) for input in inputs]
            for input in registered:
                for key in merge(db, self.path, input):
                    if self._writer:
                        self._writer.forget(key)
            return registered

    def _register(self, db: sqlite3.Connection, input: Input) -> Input:
        name, why = storable(input.name), storable(input.why)
        sql = (
            "SELECT workload.uid, prefix FROM input JOIN workload ON workload.id = workload_id WHERE key = ?"
        )
        row = db.execute(sql, (input.id,)).fetchone()
        if row is not None and not may_be_elsewhere(input, *row):
            # An input stays with the workload that its points are stored under, whatever is claimed later.
            uid = row[0]
        elif row is None:
            workload_id, uid = _claim(db, input)
            db.execute(
                "INSERT INTO input (key, workload_id, data_source, adapter, path, name, why, structured,"
                " prefix, restarts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    input.id, workload_id, input.data_source, input.adapter, storable(input.path), name, why,
                    input.structured, storable(input.prefix), input.restarts.value,
                ),
            )  # fmt: skip
        else:
            workload_id, uid = _claim(db, input)
            if must_be_renewed(input, uid, *row):
                log.info("%s is read anew: it belongs to %s, with metrics %s...", name, uid, input.prefix)
                renew(db, self.path, input, workload_id)
                if self._writer:
                    self._writer.forget(input.id)
        db.execute("UPDATE input SET why = ?, name = ? WHERE key = ?", (why, name, input.id))
        return input if uid == input.workload else replace(input, workload=uid)

    def align(self, input: Input, file_bytes: int) -> bool | None:
        """See whether a text log counts from 1 what other inputs of its workload count from 0. If so, forget
        what is stored of it, for it to be read anew and counted from 0, and return True. None if that cannot
        be told yet. Raises StoreError.

        file_bytes: the size of its file. If more was read, from segments that may be gone, nothing is
        forgotten.
        """
        with self._transaction() as db:
            sql = "SELECT id, workload_id, bytes FROM input WHERE key = ?"
            row_id, workload_id, read_bytes = db.execute(sql, (input.id,)).fetchone()
            if read_bytes > file_bytes or origin.shift_of(db, row_id):
                return False
            from_one = origin.counts_from_one(Reader(db, self.path), workload_id, input.id)
            if from_one:
                facts = db.execute("SELECT * FROM fact WHERE input_id = ?", (row_id,)).fetchall()
                renew(db, self.path, input, workload_id)
                facts.append((row_id, origin.COUNTS_FROM, "1"))
                db.executemany("INSERT INTO fact VALUES (?, ?, ?)", facts)
                if self._writer:
                    self._writer.forget(input.id)
            return from_one

    def cursor(self, input_id: str) -> bytes | None:
        """The cursor that the next read of an input starts from; None for its beginning."""
        with self._lock:
            row = self._writing().execute("SELECT cursor FROM input WHERE key = ?", (input_id,)).fetchone()
        return bytes(row[0]) if row and row[0] is not None else None

    def new_names(self, input: Input, names: Iterable[str]) -> list[str]:
        """Those of the names that no series of the input's workload has."""
        with self._lock:
            self._writing()
            assert self._writer is not None
            return self._writer.new_names(input, names)

    def count_names(self, workload: str) -> int:
        """How many names the series of a workload have."""
        sql = (
            "SELECT count(DISTINCT series.name) FROM workload JOIN input ON workload_id = workload.id"
            " JOIN series ON input_id = input.id WHERE uid = ? AND kind != 'iteration'"
        )
        with self._connection() as db:
            return int(db.execute(sql, (storable(workload),)).fetchone()[0])

    def apply(self, input: Input, batch: Batch, *, at_ms: float | None = None) -> int:
        """Commit a batch and its cursor. Returns how many points were new. Raises StoreError, and then
        nothing of the batch is stored."""
        now = self._clock() * 1000.0 if at_ms is None else at_ms
        try:
            with self._transaction():
                assert self._writer is not None
                return self._writer.apply(input, batch, now)
        except BaseException:
            if self._writer:
                self._writer.forget(input.id)
            raise

    def note_failure(self, input: Input, state: str, error: str, at_ms: float | None = None) -> None:
        """Store the state of an input (`waiting`, `gone` or `dead`) and the error; points and cursor stay."""
        with self._transaction() as db:
            if self._writer:
                self._writer.settle(input.id)
            db.execute(
                "UPDATE input SET state = ?, error = ? WHERE key = ?", (state, storable(error), input.id)
            )

    def catch_up(self) -> bool:
        """Make some of the levels of detail that are missing, after a kill or in a database of an older
        lensd. Returns whether to call this again. Raises StoreError."""
        with self._transaction() as db:
            held = self._writer.held() if self._writer else ()
            return backlog.catch_up(db, Reader(db, self.path), held)

    @contextmanager
    def read(self, *, seconds: float = 30.0) -> Iterator[Reader]:
        """A reader of one state of the database, for one thread at a time. Its calls raise ReadTimeout once
        `seconds` are over; `Reader.allow` grants more."""
        with self._connection() as db:
            reader = Reader(db, self.path, self._clock() * 1000.0, is_moment=True)
            reader.allow(seconds)
            db.set_progress_handler(lambda: int(time.monotonic() > reader.deadline), _PROGRESS_STEPS)
            try:
                db.execute("BEGIN")
                yield reader
            except sqlite3.Error as error:
                if primary_code(error) == sqlite3.SQLITE_INTERRUPT:
                    raise ReadTimeout(f"the answer took longer than {seconds:g} s to read") from error
                raise StoreError.of(self.path, error) from error
            finally:
                db.set_progress_handler(None, 0)
                with suppress(sqlite3.Error):
                    db.execute("COMMIT")

    def version(self) -> int:
        """Rises with every batch."""
        with self.read() as reader:
            return reader.version()

    def size_bytes(self) -> int:
        """Bytes on disk, write-ahead log included."""
        total = 0
        for suffix in ("", "-wal"):
            with suppress(OSError):
                total += os.path.getsize(self.path + suffix)
        return total

    def close(self) -> None:
        """Close all connections. What was committed is safe even without this."""
        if self._db and self._writer:
            with suppress(StoreError), self._transaction():
                self._writer.settle()
        self._closed = True
        with self._lock:
            for db in self._idle:
                db.close()
            self._idle.clear()
            if self._db:
                with suppress(sqlite3.Error):
                    # Do not wait long for readers: the next start reads the write-ahead log.
                    self._db.execute("PRAGMA busy_timeout = 100")
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._db.close()
                self._db = None
            if self._hold:
                self._hold.close()
                self._hold = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            db = self._writing()
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    with suppress(sqlite3.Error):
                        db.execute("ROLLBACK")
                    raise
                try:
                    db.execute("COMMIT")
                except sqlite3.Error:
                    with suppress(sqlite3.Error):
                        db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                failure = StoreError.of(self.path, error)
                if primary_code(error) in _FAULTS:
                    self._note_fault(failure)
                raise failure from error
            self._fault = None

    def fault(self) -> Fault | None:
        """Why nothing can be stored, if that is so. After a fault it tries whether it is over."""
        try:
            if self._fault is not None:
                with self._transaction() as db:
                    db.execute("UPDATE meta SET value = value WHERE name = 'version'")
            with self._lock:
                self._check_hold()
        except StoreError:
            return self._fault
        return None

    def _check_hold(self) -> None:
        if self._hold is not None and self._hold.is_lost:
            failure = StoreError(
                f"{self.path} was deleted or replaced while lensd was using it; restart lensd"
            )
            self._note_fault(failure)
            raise failure

    def _note_fault(self, failure: StoreError) -> None:
        if self._fault is None:
            self._fault = Fault(str(failure).replace(self.path, "the database"), self._clock())

    def _writing(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"{self.path} is {'closed' if self._closed else 'open for reading only'}")
        self._check_hold()
        return self._db

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if not self._pool.acquire(timeout=30.0):
            raise ReadTimeout("all readers of the database have been busy for 30 s")
        try:
            with self._lock:
                db = self._idle.pop() if self._idle else None
            if db is None:
                if self._hold is not None:
                    with self._lock:
                        self._check_hold()
                db = schema.connect(self.path, write=False, immutable=self._immutable)
            try:
                yield db
            finally:
                with self._lock:
                    if self._closed or len(self._idle) >= _MOST_IDLE:
                        db.close()
                    else:
                        self._idle.append(db)
        except sqlite3.Error as error:
            raise StoreError.of(self.path, error) from error
        finally:
            self._pool.release()


def _claim(db: sqlite3.Connection, input: Input) -> tuple[int, str]:
    """The row id and the uid of the workload of an input, which is added if it is new."""
    claimed, folder = storable(input.workload), storable(input.folder)
    for uid in (claimed, f"{claimed}-{_hash(input.folder)}"):
        row = db.execute("SELECT id, folder FROM workload WHERE uid = ?", (uid,)).fetchone()
        if row is None:
            cursor = db.execute("INSERT INTO workload (uid, folder) VALUES (?, ?)", (uid, folder))
            return int(cursor.lastrowid or 0), uid
        workload_id, claiming_folder = row
        if not claiming_folder and folder:
            # The uid came from a push, say, and this is the first folder of that name.
            db.execute("UPDATE workload SET folder = ? WHERE id = ?", (folder, workload_id))
            return int(workload_id), uid
        if claiming_folder == folder or not folder:
            return int(workload_id), uid
        if claiming_folder.startswith(folder + os.sep):  # an earlier version let the W&B run folder claim it
            return int(workload_id), uid
    raise StoreError(f"{input.folder} and another folder claim the workload {input.workload}")


def _hash(folder: str) -> str:
    return hashlib.blake2s(folder.encode("utf-8", "surrogateescape"), digest_size=2).hexdigest()
