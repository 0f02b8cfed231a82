"""What users read when SQLite refuses: real errors of SQLite, each with its own sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lensd.store import StoreError


def locked(path: Path) -> None:
    writer, other = sqlite3.connect(path), sqlite3.connect(path, timeout=0)
    writer.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")


def full(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA max_page_count = 3")
    db.execute("INSERT INTO t VALUES (zeroblob(100000))")


def read_only(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA query_only = 1")
    db.execute("INSERT INTO t VALUES (1)")


def no_database(path: Path) -> None:
    path.write_bytes(b"nothing of SQLite's" * 100)
    sqlite3.connect(path).execute("SELECT * FROM t")


def corrupt(path: Path) -> None:
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * (size - 100))
    sqlite3.connect(path).execute("SELECT * FROM t")


def cannot_be_opened(path: Path) -> None:
    sqlite3.connect(path / "below a file")


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (locked, "is in use by another process that is writing to it"),
        (full, "the disk is full or failing"),
        (read_only, "is read-only; lensd needs to write to it"),
        (no_database, "is damaged or not a SQLite database"),
        (corrupt, "is damaged or not a SQLite database"),
        (cannot_be_opened, "cannot be opened"),
    ],
)
def test_each_error_has_its_sentence(tmp_path: Path, cause: Callable[[Path], None], sentence: str) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(sqlite3.Error) as raised:
        cause(path)
    assert str(StoreError.of("x.db", raised.value)).startswith("x.db")
    assert sentence in str(StoreError.of("x.db", raised.value))


def test_what_a_message_says_decides_nothing(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "x.db")
    with pytest.raises(sqlite3.Error) as raised:
        db.execute('SELECT * FROM "disk is full"')
    assert str(StoreError.of("x.db", raised.value)) == "x.db: no such table: disk is full"


def test_an_error_of_the_python_module_has_no_code(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "x.db")
    db.close()
    with pytest.raises(sqlite3.Error) as raised:
        db.execute("SELECT 1")
    assert str(StoreError.of("x.db", raised.value)) == "x.db: Cannot operate on a closed database."
