"""Reads packed text (gzip, bzip2, xz, zstd) forward, from any offset and in bounded memory.

A torn or corrupt end counts as the end. zstd comes with Python 3.14; before that it needs `backports.zstd`.
"""

from __future__ import annotations

import bz2
import lzma
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

#: The suffixes of packed files, as a regular expression.
SUFFIXES = r"\.(?:gz|bz2|xz|zst)"
_BLOCK = 1 << 18
_WINDOW = (1 << 20) + (1 << 16)
_XZ_MEMORY = 256 << 20


def packing_of(name: str) -> str:
    """`gz`, `bz2`, `xz`, `zst`, or `""` for a file that is not packed."""
    suffix = name.rpartition(".")[2]
    return suffix if suffix in _DECODERS else ""


def unpacked_name(name: str) -> str:
    """`x.log` for `x.log.gz`."""
    packing = packing_of(name)
    return name[: -1 - len(packing)] if packing else name


def can_unpack(packing: str) -> bool:
    """Is what reads this packing installed?"""
    return packing != "zst" or _zstd() is not None


class _Gzip:
    """zlib's decompressor with the interface that those of bz2, lzma and zstd share."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


@cache
def _zstd() -> Any:
    for module in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(module)
        except ImportError:
            continue
    return None


def _zstd_decoder() -> Any:
    """Raises OSError where zstd is not installed."""
    zstd = _zstd()
    if zstd is None:
        raise OSError("packed with zstd, which this Python cannot read: pip install 'lensd[zstd]'")
    return zstd.ZstdDecompressor()


_DECODERS: dict[str, Callable[[], Any]] = {
    "gz": _Gzip,
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY),
    "zst": _zstd_decoder,
}


#: Reads a packed file: up to so many bytes from an offset; fewer only at the end.
Source = Callable[[int, int], bytes]


class Unpacker:
    """Unpacks a file forward, member after member.

    damage: why nothing behind `offset` can be unpacked; None where the file ends or is only cut off. The
    source is given to each read, because an unpacker outlives the open file. Raises OSError.
    """

    def __init__(self, packing: str) -> None:
        self._new_decoder = _DECODERS[packing]
        self._decoder = self._new_decoder()
        self._at = 0  # in the packed file
        self.offset = 0  # in the text
        self.damage: str | None = None
        self._window = bytearray()  # the text before `offset`, so that a reader can step back a line
        self._ready = b""
        self._ended = False

    def reaches(self, offset: int) -> bool:
        return offset >= self.offset - len(self._window)

    def read(self, source: Source, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`, which must be one that it `reaches`."""
        while self.offset < offset and self._take(source, min(offset - self.offset, _BLOCK)):
            pass
        while self.offset < offset + count and self._take(source, min(offset + count - self.offset, _BLOCK)):
            pass
        start = offset - (self.offset - len(self._window))
        data = bytes(self._window[start : start + count]) if start >= 0 else b""
        del self._window[: max(0, len(self._window) - _WINDOW)]
        return data

    def _take(self, source: Source, count: int) -> bool:
        if not self._ready and not self._fill(source):
            return False
        part, self._ready = self._ready[:count], self._ready[count:]
        self._window += part
        self.offset += len(part)
        return True

    def _fill(self, source: Source) -> bool:
        while not self._ended:
            packed = b""
            if self._decoder.eof:
                packed = self._decoder.unused_data
                self._decoder = self._new_decoder()
            if not packed and self._decoder.needs_input:
                packed = source(self._at, 1 << 16)
                self._at += len(packed)
                if not packed:
                    self._ended = True
                    break
            try:
                # max_length keeps a zip bomb from unfolding at once.
                self._ready = self._decoder.decompress(packed, _BLOCK)
            # Those of zstd are of a class of their own module.
            except Exception as error:  # noqa: BLE001
                self._ended = True
                self.damage = f"damaged after {self.offset} bytes of text ({error})"
                break
            if self._ready:
                return True
        return False


# A cache of unpackers where readers left them: packed text can only be read forward, and reads take turns.
# Without it every read starts at the beginning of the file.
_unpackers: OrderedDict[tuple[object, ...], Unpacker] = OrderedDict()
_lock = threading.Lock()


def read_packed(
    source: Source, packing: str, version: tuple[object, ...], offset: int, count: int
) -> tuple[bytes, str | None]:
    """Up to `count` bytes of the text of a packed file, from `offset`, and its damage where that is reached.

    version: of the packed file, by which one that was replaced or has grown is noticed. Raises OSError.
    """
    key = (packing, *version)
    with _lock:
        cached = _unpackers.pop(key, None)
    unpacker = cached if cached is not None and cached.reaches(offset) else Unpacker(packing)
    data = unpacker.read(source, offset, count)
    with _lock:
        _unpackers[key] = unpacker
        while len(_unpackers) > 4:
            _unpackers.popitem(last=False)
    return data, unpacker.damage if len(data) < count else None
