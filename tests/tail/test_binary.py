"""Cursors into binary files: the place is found again, and another file is noticed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lensd.tail.binary import Snapshot, decode_cursor, encode_cursor
from lensd_tensorboard.cursor import EventCursor
from lensd_wandb.cursor import WandbCursor
from tests.conftest import DATA


class Cursor(msgspec.Struct, array_like=True):
    version: int = 1
    offset: int = 0
    head: bytes = b""
    trace: bytes = b""


def cursor_at(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        head, trace = Snapshot(file).fingerprints(offset)
    return encode_cursor(Cursor(offset=offset, head=head, trace=trace))


def resume(path: Path, cursor: bytes | None) -> tuple[int, bool]:
    """Where reading goes on, and whether it starts again."""
    with path.open("rb") as file:
        place, restart = Snapshot(file).resume(cursor, Cursor)
    return place.offset, restart


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * 4)
    return path


def test_without_a_cursor_reading_begins_at_the_beginning(path: Path) -> None:
    assert resume(path, None) == resume(path, b"") == (0, False)


@pytest.mark.parametrize("offset", [0, 1, 63, 64, 255, 256, 1000, 1024])
def test_a_file_that_grew_or_lost_what_is_behind_the_cursor_is_read_on(path: Path, offset: int) -> None:
    cursor, data = cursor_at(path, offset), path.read_bytes()
    for now in (data, data + b"more", data[:offset]):
        path.write_bytes(now)
        assert resume(path, cursor) == (offset, False)


@pytest.mark.parametrize("changed", [0, 255, 936, 999])
def test_a_file_with_another_beginning_or_other_last_bytes_starts_again(path: Path, changed: int) -> None:
    cursor, data = cursor_at(path, 1000), bytearray(path.read_bytes())
    data[changed] ^= 1
    path.write_bytes(data)
    assert resume(path, cursor) == (0, True)


def test_a_shorter_file_starts_again(path: Path) -> None:
    cursor = cursor_at(path, 1000)
    path.write_bytes(path.read_bytes()[:999])
    assert resume(path, cursor) == (0, True)


def test_garbage_and_cursors_of_another_version_start_again(path: Path) -> None:
    other = encode_cursor(Cursor(version=2, offset=0))
    for cursor in (b"garbage", b"\x94", other, encode_cursor(Cursor(offset=-1))):
        assert resume(path, cursor) == (0, True)


def test_what_is_appended_during_a_read_is_left_to_the_next_one(path: Path) -> None:
    with path.open("rb") as file:
        snapshot = Snapshot(file)
        with path.open("ab") as writer:
            writer.write(b"more")
        assert snapshot.read(1020, 100) == path.read_bytes()[1020:1024]
        assert snapshot.read(2000, 10) == b""


def test_cursors_that_lensd_0_1_stored_are_still_right() -> None:
    """The bytes are those that lensd 0.1.0 stored in databases for these files."""
    (events,) = (DATA / "runs" / "keras-1" / "logs" / "validation").iterdir()
    event_cursor = bytes.fromhex("9501cd03c2c408451917 63a3b8437d c40873c25e7571b12669 c400")
    wandb_cursor = bytes.fromhex("9701cd9c5ec2c4086964a130d7f39f9fc4087cf097851de6463d5c80")
    with events.open("rb") as file:
        resumed = Snapshot(file).resume(event_cursor, EventCursor)
        assert (resumed[0].offset, resumed[1]) == (962, False)
    with (DATA / "wandb-files" / "wandb-0.22.3.wandb").open("rb") as file:
        wandb, restart = Snapshot(file).resume(wandb_cursor, WandbCursor)
        assert (wandb.offset, restart) == (0, True), "0.1.0 knew no axes: the file is read anew"
    # Cursors have more fields since then: what was stored still stands first.
    assert encode_cursor(resumed[0])[1 : len(event_cursor)] == event_cursor[1:]
    assert decode_cursor(encode_cursor(resumed[0]), EventCursor) == resumed[0]
