"""The commands and programs in the documents that the API is built to, taken from their code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^[ ]*```(\w*)\n(.*?)^[ ]*```", re.S | re.M)


@dataclass(frozen=True)
class Snippet:
    """One code block: the document, the line it begins at, its language and text."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document[:3]}:{self.line}"


def snippets(document: Path) -> list[Snippet]:
    text = document.read_text(encoding="utf-8")
    return [
        Snippet(document.name, text[: match.start()].count("\n") + 1, match[1], match[2])
        for match in _FENCE.finditer(text)
    ]


def requests(snippet: Snippet) -> list[str]:
    """The curl lines and bare `GET /path` lines of a block."""
    lines = [line.strip() for line in snippet.text.splitlines()]
    return [line for line in lines if line.startswith(("curl ", "GET /", "curl -X"))]
