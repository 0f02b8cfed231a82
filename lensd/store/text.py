"""Strings as the database keeps them."""

from __future__ import annotations

import re

_SURROGATE = re.compile(r"\\u(d[89a-f][0-9a-f]{2})")


def storable(text: str) -> str:
    r"""The string with its lone surrogates, which UTF-8 cannot hold, written as `\udcff`.

    File names that are not UTF-8 have lone surrogates in Python, and JSON may escape half a pair. Every
    string takes this way into the database, so that none is refused and different ones stay different.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def restored(text: str) -> str:
    """What `storable` was given, for a file name that is not UTF-8."""
    return _SURROGATE.sub(lambda escape: chr(int(escape[1], 16)), text)
