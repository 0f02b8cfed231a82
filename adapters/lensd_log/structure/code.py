"""Lines of programs, which hold names and numbers too."""

from __future__ import annotations

import re

_CODE = re.compile(
    r"^\s*(?:if|elif|for|while|def|class|return|import|from|with|raise|assert|lambda|async|await|const|let|var"
    r"|static|void|int|float|double|auto|public|private|self|print|logger|logging|log|func|fn)\b[\s.({]"
    r"|^\s*[A-Za-z_][\w.]{0,80}\(.{0,400}\)\s?;?\s*$|[{;\\]\s*$|\{[A-Za-z_][\w.:%\[\]]*\}|%[ds]|%\.?\d*[df]\b|\+=|&&"
    r"|(?<!\d)(?<!\d )\|\|(?!:)"
    r"|^\s*(?:[-+]?[*#]|//|/\*|\"\"\"|>>>|\.\.\.)\s?\w.{0,80}[.!?]$|(?<![=!<>])==(?![=>])"
)


def looks_like_code(text: str) -> bool:
    """Is it a statement, a call, a template of a message, a comment?"""
    return _CODE.search(text) is not None
