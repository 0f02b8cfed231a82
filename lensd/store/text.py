"""Text as the database takes it. Never refuses any: what UTF-8 cannot say is written out."""

from __future__ import annotations


def storable(text: str) -> str:
    r"""The text itself, or with its lone surrogates as `\udcff`: names of files that are no UTF-8 have them,
    and so has JSON with half a pair in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
