"""Text that is packed with gzip, bzip2, xz or zstd."""

import bz2
import gzip
import importlib
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lensd.tail import packing, read_lines, segments
from lensd.tail.packing import Source, Unpacker

pytestmark = pytest.mark.slow  # megabytes, packed in every way


def zstd(data: bytes) -> bytes:
    try:
        module: Any = importlib.import_module("compression.zstd")
    except ImportError:
        module = importlib.import_module("backports.zstd")
    return bytes(module.compress(data))


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
}
TEXT = b"".join(b"step %d loss=%d.5\n" % (n, n) for n in range(60_000))


def source(path: Path) -> Source:
    data = path.read_bytes()
    return lambda offset, count: data[offset : offset + count]


@pytest.mark.parametrize("kind", PACK)
def test_packed_text_is_read_from_any_offset(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.log.{kind}"
    path.write_bytes(PACK[kind](TEXT))
    with segments(str(tmp_path / "x.log")) as (segment,):
        for offset in (0, 10, 700_000, 699_000, 5000, len(TEXT) - 20):
            assert segment.read(offset, 5000) == TEXT[offset : offset + 5000]


@pytest.mark.parametrize("kind", PACK)
def test_members_that_were_appended_are_read_as_one_text(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.log.{kind}"
    path.write_bytes(PACK[kind](TEXT[:500_000]) + PACK[kind](TEXT[500_000:]))
    assert Unpacker(kind).read(source(path), 0, len(TEXT) + 1) == TEXT


@pytest.mark.parametrize("kind", PACK)
def test_a_torn_or_corrupt_end_is_the_end(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.log.{kind}"
    whole = PACK[kind](TEXT)
    for data in (whole[: len(whole) * 3 // 4], whole + b"garbage behind it", b"garbage alone", b""):
        path.write_bytes(data)
        text = Unpacker(kind).read(source(path), 0, len(TEXT) + 1)
        assert TEXT.startswith(text)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_not_unfolded_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.log.{kind}"
    path.write_bytes(PACK[kind](b"\0" * (64 << 20)))
    unpacker = Unpacker(kind)
    assert unpacker.read(source(path), 0, 1000) == bytes(1000)
    assert unpacker.offset < 1 << 20


@pytest.fixture
def without_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_zstd", lambda: None)


@pytest.mark.usefixtures("without_zstd")
def test_without_zstd_a_sentence_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "x.log.zst").write_bytes(zstd(TEXT))
    with pytest.raises(OSError, match=r"packed with zstd, .* pip install 'lensd\[zstd\]'"):
        read_lines(str(tmp_path / "x.log"), None, 1000)


@pytest.mark.usefixtures("without_zstd")
def test_without_zstd_the_other_segments_of_a_log_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.log.1.zst").write_bytes(zstd(TEXT))
    (tmp_path / "x.log").write_bytes(b"a\nb\n")
    assert [line.text for line in read_lines(str(tmp_path / "x.log"), None, 1000).lines] == [b"a", b"b"]
