"""A file while it is written, and what may happen to it: torn writes, restarts, truncation, replacement."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lensd.adapter import InputGone, RetryAfter
from lensd_tensorboard import TensorBoardAdapter
from tests.tensorboard.reading import Result, budget, input_at, read_to_end
from tests.tensorboard.writing import event, float_content, simple, tensor, version

FRAMES = [
    version(),
    event(1_795_000_001.5, 0, simple(b"loss", 1.0)),
    event(1_795_000_002.5, 1, simple(b"loss", 0.5), simple(b"acc", 0.25)),
    event(1_795_000_002.5, 1, tensor(b"curve", float_content(9.0), b"pr_curves")),
    event(1_795_000_003.5, 2, tensor(b"val", float_content(0.75))),
    event(1_795_000_004.5, 2, tensor(b"curve", float_content(9.0), None)),
    event(1_795_000_005.5, 3, simple(b"loss", float("inf"))),
]
DATA = b"".join(FRAMES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "events.out.tfevents.1795000000.host.1.0"
    path.write_bytes(b"")
    return path


def whole(path: Path, data: bytes) -> Result:
    path.write_bytes(data)
    return read_to_end(input_at(path))


def joined(*results: Result) -> Result:
    result = Result()
    for part in results:
        for batch in part.batches:
            result.add(batch)
    return result


def test_a_file_torn_at_any_byte_gives_the_same_points_once_it_is_whole(path: Path) -> None:
    expected = whole(path, DATA).columns
    for cut in range(len(DATA) + 1):
        before = whole(path, DATA[:cut])
        path.write_bytes(DATA)
        after = read_to_end(input_at(path), before.cursor)
        assert joined(before, after).columns == expected, cut
        assert not any(batch.restart for batch in (*before.batches, *after.batches)), cut
        assert before.skipped + after.skipped == 0, cut


def test_the_cursor_never_moves_into_a_torn_record(path: Path) -> None:
    edges = {0}
    for frame in FRAMES:
        edges.add(max(edges) + len(frame))
    for cut in range(len(DATA) + 1):
        result = whole(path, DATA[:cut])
        assert result.lag_bytes == cut - max(edge for edge in edges if edge <= cut), cut


def test_every_point_of_a_file_written_in_random_amounts_is_read_once(path: Path) -> None:
    expected = whole(path, DATA * 30).columns
    r = random.Random(5)
    path.write_bytes(b"")
    result, at = Result(), 0
    adapter = TensorBoardAdapter()
    while at < len(DATA * 30) or result.lag_bytes:
        at += r.randrange(1, 200)
        path.write_bytes((DATA * 30)[:at])
        result.add(adapter.read(input_at(path), result.cursor, budget()))
    assert result.columns == expected


def test_reading_goes_on_from_every_cursor_in_a_new_adapter(path: Path) -> None:
    expected = whole(path, DATA).columns
    result = Result()
    while not result.batches or result.batches[-1].more:
        result.add(TensorBoardAdapter().read(input_at(path), result.cursor, budget(bytes=1)))
    assert len(result.batches) == len(FRAMES)
    assert result.columns == expected
    cursors = [None, *(batch.cursor for batch in result.batches)]
    for index, cursor in enumerate(cursors):
        rest = read_to_end(input_at(path), cursor)
        head = Result()
        for batch in result.batches[:index]:
            head.add(batch)
        assert joined(head, rest).columns == expected


def test_a_cursor_is_small(path: Path) -> None:
    assert len(whole(path, DATA).cursor or b"") < 100


def test_a_quiet_file_gives_nothing_more(path: Path) -> None:
    first = whole(path, DATA)
    again = TensorBoardAdapter().read(input_at(path), first.cursor, budget())
    assert (again.series, again.more, again.restart, again.counts.bytes) == ({}, False, False, 0)
    assert again.cursor == first.cursor


def test_a_truncated_file_begins_again(path: Path) -> None:
    first = whole(path, DATA)
    path.write_bytes(FRAMES[0] + FRAMES[1])
    result = read_to_end(input_at(path), first.cursor)
    assert result.batches[0].restart
    assert result.columns == {"loss": ([0], [1_795_000_001_500.0], [1.0])}
    assert not read_to_end(input_at(path), result.cursor).batches[0].restart


def test_a_file_that_lost_only_its_torn_end_goes_on(path: Path) -> None:
    first = whole(path, DATA[:-3])
    path.write_bytes(DATA[: -len(FRAMES[-1])])
    result = read_to_end(input_at(path), first.cursor)
    assert (result.batches[0].restart, result.columns) == (False, {})
    path.write_bytes(DATA)
    assert read_to_end(input_at(path), result.cursor).columns["loss"][0] == [3]


def test_a_replaced_file_of_the_same_or_greater_size_begins_again(path: Path) -> None:
    first = whole(path, DATA)
    other = version(1_795_000_077.0) + b"".join(FRAMES[1:])
    for data in (other, other * 2):
        path.write_bytes(data)
        result = read_to_end(input_at(path), first.cursor)
        assert result.batches[0].restart
        assert result.columns["val"][0] == [2] * (len(data) // len(other))


def test_a_file_whose_middle_was_rewritten_begins_again(path: Path) -> None:
    data = version() + b"".join(event(1_795_000_000.0, step, simple(b"x", step)) for step in range(50))
    first = whole(path, data)
    path.write_bytes(data[:-30] + b"\0" * 30 + data)
    assert read_to_end(input_at(path), first.cursor).batches[0].restart


def test_an_emptied_file_waits_for_a_record_before_it_begins_again(path: Path) -> None:
    first = whole(path, DATA)
    path.write_bytes(b"")
    empty = read_to_end(input_at(path), first.cursor)
    assert (empty.batches[0].restart, empty.cursor) == (False, first.cursor)
    assert empty.batches[0].note == "what was read of it is gone, and there is no new record yet"
    path.write_bytes(FRAMES[0] + FRAMES[1])
    result = read_to_end(input_at(path), empty.cursor)
    assert result.batches[0].restart
    assert result.columns["loss"][0] == [0]


def test_a_cursor_of_another_version_begins_again(path: Path) -> None:
    expected = whole(path, DATA).columns
    for cursor in (b"", b"\x00garbage", b"\x95\x63\x00\xc4\x00\xc4\x00\xc4\x00"):
        result = read_to_end(input_at(path), cursor or None)
        assert result.columns == expected
        assert result.batches[0].restart is bool(cursor)


def test_a_file_that_vanished_is_gone_and_comes_back(path: Path) -> None:
    input = input_at(path)
    first = whole(path, DATA[: -len(FRAMES[-1])])
    path.unlink()
    with pytest.raises(InputGone, match=r"events.out.tfevents.1795000000.host.1.0 is gone"):
        TensorBoardAdapter().read(input, first.cursor, budget())
    path.write_bytes(DATA)
    assert read_to_end(input, first.cursor).columns == {"loss": ([3], [1_795_000_005_500.0], [float("inf")])}


def test_a_path_that_cannot_be_read_is_tried_again_later(path: Path) -> None:
    input = input_at(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(RetryAfter, match=r"cannot be read: Is a directory"):
        TensorBoardAdapter().read(input, None, budget())


def test_an_empty_file_is_waited_for_and_says_so(path: Path) -> None:
    (batch,) = read_to_end(input_at(path)).batches
    assert (batch.note, batch.more, batch.series) == ("nothing is written to it yet", False, {})
