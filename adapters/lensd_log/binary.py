"""Recognises a binary file by its first bytes."""

import re

_HOLE = re.compile(rb"\0{16,}")


def looks_binary(head: bytes) -> bool:
    """Are there NUL bytes and many control characters? A long run of NULs alone is a lost block or a hole, as
    copytruncate leaves under a writer that does not append. After a UTF-16 mark comes text."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return False
    text = _HOLE.sub(b"", head)
    if b"\0" not in text:
        return False
    strange = sum(byte < 32 and byte not in b"\t\n\r\x08\x0c\x1b" for byte in text)
    return strange * 20 > len(text)
