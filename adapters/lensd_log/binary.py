"""Telling a binary file by its first bytes."""


def looks_binary(head: bytes) -> bool:
    """NUL bytes and control characters among the first bytes. Leading NULs alone are the hole that
    copytruncate leaves under a writer that does not append; a UTF-16 mark announces text."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return False
    text = head.lstrip(b"\0")
    if b"\0" not in text:
        return False
    strange = sum(byte < 32 and byte not in b"\t\n\r\x08\x0c\x1b" for byte in text)
    return strange * 20 > len(text)
