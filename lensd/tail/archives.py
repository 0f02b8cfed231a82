"""Unpacks an archive of runs (tar, plain or packed, and zip) into a folder: forward, bounded, and nothing
outside the folder, whatever the archive says."""

from __future__ import annotations

import lzma
import os
import re
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Protocol

from lensd.tail.packing import Unpacker, packing_of

_NAME = re.compile(r"\.(?:tar(?:\.(?:gz|bz2|xz|zst))?|tgz|tbz2?|txz|zip)$", re.IGNORECASE)
_SHORT = {"tgz": "gz", "tbz": "bz2", "tbz2": "bz2", "txz": "xz"}
#: What training writes that no adapter reads: weights, arrays, pictures.
_LEFT_OUT = re.compile(
    r"\.(?:pt|pth|ckpt|safetensors|bin|npy|npz|h5|hdf5|pkl|onnx|parquet|arrow|png|jpe?g|gif|mp4|wav)$",
    re.IGNORECASE,
)
MOST_FILES = 200_000
_BLOCK = 1 << 20


class ArchiveError(Exception):
    """An archive that cannot be read, or has more in it than there is room for."""


@dataclass(slots=True)
class _Member:
    name: str
    mtime_s: float
    file: IO[bytes]


class _Reads(Protocol):
    def read(self, count: int, /) -> bytes: ...


def is_archive(path: str) -> bool:
    """Whether a file of this name is an archive."""
    return _NAME.search(path) is not None


def archive_stem(path: str) -> str:
    """`exp1` for `/x/exp1.tar.gz`."""
    return _NAME.sub("", os.path.basename(path)) or "archive"


def unpack(path: str, folder: str, most_bytes: int) -> list[str]:
    """Unpack the regular files of an archive below a folder, with their modification times. Weights, arrays
    and pictures stay in it.

    Returns a sentence for each kind of member that was left out. Raises ArchiveError for what is no archive,
    is damaged before its first file, or has more than MOST_FILES files or `most_bytes` in it, OSError for
    what cannot be written.
    """
    outside: list[str] = []
    unreadable: list[str] = []
    files = total = 0
    try:
        for member in _members(path, unreadable):
            target = _target(folder, member.name)
            if target is None:
                outside.append(member.name)
                continue
            files += 1
            if files > MOST_FILES:
                raise ArchiveError(f"{path} has more than {MOST_FILES} files")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as out:
                while block := member.file.read(_BLOCK):
                    total += len(block)
                    if total > most_bytes:
                        raise ArchiveError(
                            f"{path} unpacks to more than there is room for: {most_bytes} bytes"
                        )
                    out.write(block)
            os.utime(target, (member.mtime_s, member.mtime_s))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        if not files:
            raise ArchiveError(f"{path} cannot be read: {error}") from None
        unreadable.append(f"all after {files} files ({error})")
    sentences = []
    if outside:
        sentences.append(f"{path}: left out what would lie outside of it: {', '.join(outside[:5])}")
    if unreadable:
        sentences.append(f"{path}: could not read {', '.join(unreadable[:5])}")
    return sentences


def _members(path: str, unreadable: list[str]) -> Iterator[_Member]:
    """The regular files of an archive that an adapter may read."""
    if path.lower().endswith(".zip"):
        yield from _of_zip(path, unreadable)
        return
    suffix = path.rpartition(".")[2].lower()
    packing = _SHORT.get(suffix) or packing_of(path.lower())
    with open(path, "rb") as file:
        stream: _Reads = _Unpacked(file, packing) if packing else file
        with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
            for info in tar:
                if info.isreg() and not _LEFT_OUT.search(info.name):
                    content = tar.extractfile(info)
                    assert content is not None, "a regular file has content"
                    yield _Member(info.name, float(info.mtime), content)
        if isinstance(stream, _Unpacked) and stream.damage:
            unreadable.append(f"its end: {stream.damage}")


def _of_zip(path: str, unreadable: list[str]) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
            if info.is_dir() or is_link or _LEFT_OUT.search(info.filename):
                continue
            try:
                content = archive.open(info)
            # zipfile raises these for a member that is encrypted, or packed in a way that it does not know;
            # the others can be read.
            except (RuntimeError, NotImplementedError) as error:
                unreadable.append(f"{info.filename} ({error})")
                continue
            with content:
                yield _Member(info.filename, _mtime_s(info), content)


def _mtime_s(info: zipfile.ZipInfo) -> float:
    """zip has local times without a zone."""
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (OverflowError, ValueError):
        return 0.0


def _target(folder: str, name: str) -> str | None:
    """Where a member goes; None for one that would lie outside of the folder."""
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    if not parts or parts[0].startswith("/") or ".." in parts or "\0" in name:
        return None
    return os.path.join(folder, *parts)


class _Unpacked:
    """A packed file as a stream of its content."""

    def __init__(self, file: IO[bytes], packing: str) -> None:
        self._file, self._unpacker = file, Unpacker(packing)
        self._offset = 0

    @property
    def damage(self) -> str | None:
        return self._unpacker.damage

    def read(self, count: int, /) -> bytes:
        data = self._unpacker.read(self._read_at, self._offset, count)
        self._offset += len(data)
        return data

    def _read_at(self, offset: int, count: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(count)
