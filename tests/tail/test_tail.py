"""Tailing: every line comes once, whole and in order, whatever happens to the file between two reads."""

import gzip
import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from lensd.model import LineMark
from lensd.tail import (
    LINE_LIMIT,
    Position,
    base_name,
    position_of_line,
    read_lines,
    tail_position,
)


def take(path: Path, position: Position | None, size: int = 1 << 20) -> tuple[list[bytes], Position, bool]:
    """All lines from a position on. Each position goes through JSON before the next read."""
    texts: list[bytes] = []
    restarted = False
    while True:
        chunk = read_lines(str(path), position, size)
        texts += [line.text for line in chunk.lines]
        position = Position.from_json(chunk.position.to_json())
        restarted = restarted or chunk.restarted
        if not chunk.more:
            return texts, position, restarted


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


def texts(first: int, last: int) -> list[bytes]:
    return [b"line %d" % n for n in range(first, last)]


def test_half_a_line_is_kept_until_its_newline_comes(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"one\ntw")
    got, position, _ = take(log, None)
    assert got == [b"one"]
    assert read_lines(str(log), position, 100).torn == b"tw"
    with log.open("ab") as file:
        file.write(b"o\nthree\n")
    assert take(log, position)[0] == [b"two", b"three"]


@pytest.mark.parametrize("size", [1, 3, 7, 64, 1000])
def test_lines_do_not_depend_on_how_much_is_read_at_once(tmp_path: Path, size: int) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"a\n\n\xff\0b\r\nlonger line\n" * 9)
    assert take(log, None, size)[0] == [b"a", b"", b"\xff\0b\r", b"longer line"] * 9


def test_each_line_of_a_file_that_grows_byte_by_byte_is_read_once(tmp_path: Path) -> None:
    log, got, position = tmp_path / "x.log", [], None
    log.touch()
    for byte in (data := numbered(0, 60)):
        with log.open("ab") as file:
            file.write(bytes([byte]))
        new, position, restarted = take(log, position)
        got += new
        assert not restarted
    assert got == texts(0, 60)
    assert position is not None
    assert (position.offset, position.line) == (len(data), 60)


def test_a_truncated_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(numbered(0, 100))
    _, position, _ = take(log, None)
    log.write_bytes(b"again\n")
    got, position, restarted = take(log, position)
    assert (got, restarted) == ([b"again"], True)
    assert position.line == 101  # numbers count on


def test_a_replaced_file_is_noticed_though_it_is_larger(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"old 1\nold 2\n")
    _, position, _ = take(log, None)
    log.write_bytes(b"new 1\nnew 2\nnew 3\n")
    assert take(log, position)[::2] == ([b"new 1", b"new 2", b"new 3"], True)


def test_a_replaced_file_with_the_same_first_kilobyte_is_noticed(tmp_path: Path) -> None:
    log, banner = tmp_path / "x.log", b"banner\n" * 300
    log.write_bytes(banner + b"old 1\n")
    _, position, _ = take(log, None)
    log.write_bytes(banner + b"new 1\nnew 2\n")
    got, _, restarted = take(log, position)
    assert restarted
    assert got[-2:] == [b"new 1", b"new 2"]


def rotate(log: Path, pack: bool = False) -> None:
    """What logrotate does: x.log.1 becomes .2, x.log becomes .1."""
    for n in (3, 2, 1):
        for end in ("", ".gz"):
            if (old := Path(f"{log}.{n}{end}")).exists():
                old.rename(f"{log}.{n + 1}{end}")
    log.rename(f"{log}.1")
    if pack:
        with gzip.open(f"{log}.1.gz", "wb") as file:
            file.write(Path(f"{log}.1").read_bytes())
        os.unlink(f"{log}.1")


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("size", [10, 1 << 20])
def test_rotation_between_any_two_reads_loses_and_doubles_nothing(
    tmp_path: Path, pack: bool, size: int
) -> None:
    log, got, position, n = tmp_path / "x.log", [], None, 0
    for turn in range(30):
        with log.open("ab") as file:
            file.write(numbered(n, n + 40))
        n += 40
        if turn % 4 == 1:
            rotate(log, pack)
        if turn % 3 != 2:
            new, position, restarted = take(log, position, size)
            got += new
            assert not restarted
    new, position, _ = take(log, position)
    assert got + new == texts(0, n)


def test_rotated_segments_are_read_oldest_first(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with gzip.open(f"{log}.10.gz", "wb") as file:
        file.write(b"1\n")
    Path(f"{log}.2").write_bytes(b"2\n")
    Path(f"{log}.1").write_bytes(b"3\n")
    log.write_bytes(b"4\n")
    (tmp_path / "x.log.bak").write_bytes(b"no\n")
    (tmp_path / "x.log2.1").write_bytes(b"no\n")
    assert take(log, None)[0] == [b"1", b"2", b"3", b"4"]


def test_dated_segments_are_read_in_order_of_their_dates(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for day, text in (("20240102", b"2\n"), ("20240101", b"1\n")):
        Path(f"{log}-{day}").write_bytes(text)
    log.write_bytes(b"3\n")
    assert take(log, None)[0] == [b"1", b"2", b"3"]


def test_copytruncate_reads_the_rest_of_the_copy_and_then_the_new_text(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(numbered(0, 50))
    _, position, _ = take(log, None)
    with log.open("ab") as file:
        file.write(numbered(50, 60))
    shutil.copy(log, f"{log}.1")
    log.write_bytes(b"")
    got, position, restarted = take(log, position)
    assert (got, restarted) == (texts(50, 60), False)
    log.write_bytes(numbered(60, 62))
    assert take(log, position)[::2] == (texts(60, 62), False)


def test_a_truncated_log_is_not_read_from_its_rotated_segments_again(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(numbered(0, 10))
    rotate(log)
    log.write_bytes(numbered(10, 20))
    _, position, _ = take(log, None)
    log.write_bytes(b"anew\n")
    assert take(log, position)[::2] == ([b"anew"], True)


def test_segments_that_rotated_while_nobody_read_are_read_oldest_first(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(numbered(0, 10))
    _, position, _ = take(log, None)
    for n in (10, 20, 30):
        rotate(log)
        log.write_bytes(numbered(n, n + 10))
    Path(f"{log}.3").unlink()
    assert take(log, position)[::2] == (texts(10, 40), True)


def test_half_a_line_at_the_end_of_a_rotated_segment_comes_as_incomplete(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"one\nhalf")
    _, position, _ = take(log, None)
    rotate(log)
    log.write_bytes(b"two\n")
    chunk = read_lines(str(log), position, 100)
    assert [(line.text, line.complete) for line in chunk.lines] == [(b"half", False)]
    assert take(log, chunk.position)[0] == [b"two"]


def test_a_gzipped_log_alone_is_read_as_the_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(numbered(0, 5000))
    got, position, _ = take(log, None, 1000)
    with gzip.open(f"{log}.gz", "wb") as file:
        file.write(log.read_bytes())
    log.unlink()
    assert take(log, position) == ([], position, False) or take(log, position)[::2] == ([], False)
    assert take(log, None, 1000)[0] == got == texts(0, 5000)


def test_a_torn_gzip_file_ends_where_it_is_torn(tmp_path: Path) -> None:
    packed = gzip.compress(numbered(0, 20_000))
    (tmp_path / "x.log.gz").write_bytes(packed[: len(packed) // 2])
    got, _, _ = take(tmp_path / "x.log", None)
    assert 100 < len(got) < 20_000
    assert got == texts(0, len(got))


def test_a_vanished_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_lines(str(tmp_path / "x.log"), None, 100)


def test_an_empty_file_has_no_lines_and_is_read_once_it_has(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.touch()
    got, position, _ = take(log, None)
    assert got == []
    log.write_bytes(b"first\n")
    assert take(log, position)[::2] == ([b"first"], False)


@pytest.mark.parametrize("size", [1000, 1 << 18, 8 << 20])
def test_a_line_over_the_limit_is_skipped_and_counted(tmp_path: Path, size: int) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"before\n" + b"x" * (3 * LINE_LIMIT) + b"\nafter\n")
    position, got, lines, skipped = None, [], 0, 0
    while True:
        chunk = read_lines(str(log), position, size)
        got += [(line.number, line.text) for line in chunk.lines]
        lines, skipped, position = lines + chunk.skipped_lines, skipped + chunk.skipped_bytes, chunk.position
        assert len(chunk._data) <= max(size, LINE_LIMIT) + 512
        if not chunk.more:
            break
    assert got == [(0, b"before"), (2, b"after")]
    assert (lines, skipped) == (1, 3 * LINE_LIMIT + 1)


def test_a_long_line_that_has_not_ended_is_skipped_while_it_grows(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"y" * (LINE_LIMIT + 5))
    got, position, _ = take(log, None)
    with log.open("ab") as file:
        file.write(b"y" * 100)
    more, position, _ = take(log, position)
    with log.open("ab") as file:
        file.write(b"\nend\n")
    assert got + more + take(log, position)[0] == [b"end"]


@pytest.mark.parametrize("size", [5000, 8 << 20])
def test_a_progress_bar_without_newlines_does_not_block(tmp_path: Path, size: int) -> None:
    log = tmp_path / "x.log"
    bars = b"".join(b"\r%6d/900000 [00:01<00:02, 5.0it/s]" % n for n in range(60_000))
    log.write_bytes(bars)
    got, position, _ = take(log, None, size)
    assert len(got) == 2
    with log.open("ab") as file:
        file.write(b"\nend\n")
    rest, position, _ = take(log, position, size)
    assert b"".join(got) + rest[0] == bars
    assert rest[1:] == [b"end"]
    assert position.line == 2


def test_utf16_text_from_powershell_is_decoded(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes("\ufeffloss: 0.5\r\nж\u0a0a\u000ax\n".encode("utf-16-le"))
    for size in (1, 4, 100):
        assert take(log, None, size)[0] == [b"loss: 0.5\r", "ж\u0a0a".encode(), b"x"]


def test_a_position_inside_a_chunk_is_as_good_as_one_at_its_end(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(numbered(0, 50))
    chunk = read_lines(str(log), None, 1 << 20)
    for index in range(1, 50):
        assert take(log, chunk.position_at(index))[::2] == (texts(index, 50), False)


def test_the_lag_is_what_is_left_unread(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    Path(f"{log}.1").write_bytes(b"12345678\n")
    log.write_bytes(b"123456789\n")
    assert read_lines(str(log), None, 1 << 20).lag_bytes == 10


# Where to begin


@cache
def marks_of(log: Path) -> list[LineMark]:
    marks, position = [], None
    while True:
        chunk = read_lines(str(log), position, 50_000)
        position = chunk.position
        marks += [LineMark(one.number, position.segment, one.start) for one in chunk.lines[::512]]
        if not chunk.more:
            return marks


@pytest.fixture(scope="module")
def three_segments(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A log of three segments, and its lines."""
    log = tmp_path_factory.mktemp("segments") / "x.log"
    with gzip.open(f"{log}.2.gz", "wb") as file:
        file.write(numbered(0, 30_000))
    Path(f"{log}.1").write_bytes(numbered(30_000, 60_000) + b"half")
    log.write_bytes(numbered(60_001, 90_000) + b"torn")
    lines = take(log, None)[0]
    assert len(lines) == 90_000
    return log, lines


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 2, 999, 29_999, 30_000, 30_001, 60_000, 60_001, 90_000, 10**9])
def test_the_last_lines_are_found_over_all_segments(
    three_segments: tuple[Path, list[bytes]], count: int
) -> None:
    log, whole = three_segments
    position = tail_position(str(log), count)
    assert take(log, position)[0] == (whole[-count:] if count else [])
    assert position.line == (0 if count >= 90_000 else -count)


def test_a_mark_makes_the_line_numbers_of_a_tail_absolute(
    three_segments: tuple[Path, list[bytes]],
) -> None:
    log, _ = three_segments
    marks: list[LineMark] = []
    position = None
    for _ in range(3):
        chunk = read_lines(str(log), position, 300_000)
        marks.append(LineMark(chunk.lines[0].number, chunk.position.segment, chunk.lines[0].start))
        position = chunk.position
    for count in (1, 500, 29_999, 30_001, 59_000):
        assert tail_position(str(log), count, marks).line == 90_000 - count


@pytest.mark.slow
@pytest.mark.parametrize("line", [0, 1, 511, 29_999, 30_000, 59_999, 60_000, 60_001, 89_999])
@pytest.mark.parametrize("marked", [False, True])
def test_a_line_is_found_by_its_number(
    three_segments: tuple[Path, list[bytes]], line: int, marked: bool
) -> None:
    log, whole = three_segments
    position = position_of_line(str(log), line, marks_of(log) if marked else [])
    assert position is not None
    assert position.line == line
    assert take(log, position)[0] == whole[line:]


def test_a_line_that_is_not_there_yet_or_any_more_has_no_place(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(numbered(0, 10))
    assert position_of_line(str(log), 11, []) is None
    assert position_of_line(str(log), 5, [LineMark(3, "8:0123456789abcdef", 40)]) is None


# Terminals


def test_the_stream_of_a_rotated_name() -> None:
    names = ["x.log", "x.log.1", "x.log.12.gz", "x.log.gz", "x.log-20240131", "x.log.2024-01-31_13.gz"]
    assert {base_name(name) for name in names} == {"x.log"}
