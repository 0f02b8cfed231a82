"""Text that is not UTF-8."""

import os
from pathlib import Path

import pytest

from lensd.tail import Position, position_of_line, read_lines
from lensd.tail.encoding import is_gbk

LINES = [f"第 {n} 轮 损失: {n}.5 镕" for n in range(300)]


def texts(path: Path, size: int, split: bool) -> list[str]:
    lines: list[bytes] = []
    position: Position | None = None
    while True:
        chunk = read_lines(str(path), position, size, split=split)
        assert not chunk.body or chunk.body.isascii() or chunk.body.decode()
        lines += chunk.body.splitlines() if chunk.body else [line.text for line in chunk.lines]
        position = chunk.position
        if not chunk.more:
            return [line.decode() for line in lines]


@pytest.mark.parametrize("encoding", ["gbk", "utf-16", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_lines_are_the_same_in_any_encoding(encoding: str, split: bool, size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes("".join(line + "\n" for line in LINES).encode(encoding))
    assert texts(path, size, split) == LINES


def test_positions_count_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    data = "".join(line + "\n" for line in LINES).encode("gbk")
    path.write_bytes(data)
    chunk = read_lines(str(path), None, 1000)
    starts = [line.start for line in chunk.lines]
    assert starts == [
        len("".join(line + "\n" for line in LINES[:n]).encode("gbk")) for n in range(len(starts))
    ]
    assert chunk.position.offset == data.rindex(b"\n", 0, 1000) + 1
    at = position_of_line(str(path), 200, [])
    assert at is not None
    assert read_lines(str(path), at, 10).lines[0].text.decode() == LINES[200]


def test_chinese_comes_after_any_amount_of_ascii(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"loading\n" * 100_000 + "损失: 0.5\n".encode("gbk") + "损失: 0.25\n".encode())
    assert texts(path, 1 << 16, split=False)[-2:] == ["损失: 0.5", "损失: 0.25"]


def test_half_a_line_at_the_end_is_text_as_well(tmp_path: Path) -> None:
    for encoding in ("gbk", "utf-16-le"):
        path = tmp_path / "x.log"
        mark = "\ufeff" if encoding == "utf-16-le" else ""
        path.write_bytes((mark + "step 1\n损失: 0.5").encode(encoding))
        chunk = read_lines(str(path), None, 1000)
        assert (chunk.torn.decode(), chunk.lag_bytes) == ("损失: 0.5", len("损失: 0.5".encode(encoding)))
        os.replace(path, tmp_path / "x.log.1")
        path.write_bytes(b"next\n")
        torn = read_lines(str(path), chunk.position, 1000)
        assert [(line.text.decode(), line.complete) for line in torn.lines] == [("损失: 0.5", False)]
        os.remove(tmp_path / "x.log.1")


@pytest.mark.parametrize(
    "line",
    [
        "plain",
        "损失 0.5",
        "50%|█████     | 1/2",
        "Größe: 0.5 über",
    ],
)
def test_utf8_is_no_gbk(line: str) -> None:
    assert not is_gbk(line.encode())
    assert not is_gbk(line.encode()[:-1])


@pytest.mark.parametrize("line", ["Größe: 0.5", "précision=0.5", "±0.5", "pérdida élevée: 0.25"])
def test_latin_1_is_no_gbk(line: str) -> None:
    assert not is_gbk(line.encode("latin-1"))
