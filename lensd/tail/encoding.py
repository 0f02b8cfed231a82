"""How text is encoded: UTF-8, UTF-16 with a byte order mark, or GBK, the code of Chinese systems."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_TWO_BYTES = re.compile(rb"[\x81-\xfe][\x40-\xfe]")
_COMMON = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")  # the first level of GB 2312, and its signs


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a segment's text is encoded.

    wide: name of the UTF-16 encoding (which `>` of PowerShell writes), `""` for UTF-8 and GBK. has_mark: the
    text begins with a byte order mark.
    """

    wide: str = ""
    newline: bytes = b"\n"
    has_mark: bool = False

    @classmethod
    def of(cls, head: bytes) -> Encoding:
        if head.startswith(codecs.BOM_UTF16_LE) and head[2:4] != b"\0\0":  # with the zeros it is UTF-32
            return cls("utf-16-le", b"\n\0", True)
        if head.startswith(codecs.BOM_UTF16_BE):
            return cls("utf-16-be", b"\0\n", True)
        return cls("", b"\n", head.startswith(codecs.BOM_UTF8))

    def is_foreign(self, block: bytes) -> bool:
        """Has a block to be split into lines before it is UTF-8?"""
        if self.has_mark:
            return True
        return not _is_utf8(block) and any(is_gbk(line) for line in block.split(b"\n"))

    def last_newline(self, data: bytes, begin: int) -> int:
        at = data.rfind(self.newline, begin)
        while self.wide and at >= 0 and (at - begin) % 2:  # between two characters
            at = data.rfind(self.newline, begin, at + 1)
        return at

    def split(self, data: bytes) -> list[bytes]:
        if not self.wide:
            return data.split(b"\n")
        lines, start, at = [], 0, data.find(self.newline)
        while at >= 0:
            if at % 2 == 0:
                lines.append(data[start:at])
                start = at + 2
            at = data.find(self.newline, at + 1)
        lines.append(data[start:])
        return lines

    def to_utf8(self, text: bytes, offset: int) -> bytes:
        """A line as UTF-8 without the byte order mark. offset: of the line in the segment."""
        if self.wide:
            return text.decode(self.wide, "replace").lstrip("\ufeff").encode()
        if self.has_mark:
            return text[3:] if offset == 0 else text
        return text.decode("gbk").encode() if is_gbk(text) else text


def is_gbk(line: bytes) -> bool:
    """Is a line no UTF-8, but GBK?

    Decided by the line alone, so that it does not matter where a read begins. Most characters must be common
    ones, whose bytes are all above 0xA0: in Latin-1 such bytes mostly stand alone among ASCII letters.
    """
    if _is_utf8(line):
        return False
    try:
        line.decode("gbk")
    except UnicodeDecodeError:
        return False
    characters = _TWO_BYTES.findall(line)
    return sum(_COMMON.fullmatch(character) is not None for character in characters) * 4 >= 3 * len(
        characters
    )


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
