"""Lines of programs, which hold names and numbers too."""

from __future__ import annotations

import re

_BEGINS = re.compile(
    r"\s*(?:(?:if|elif|for|while|def|class|return|import|from|with|raise|assert|lambda|async|await|const|let|var"
    r"|static|void|int|float|double|auto|public|private|self|print|logger|logging|log|func|fn)\b[\s.({]"
    r"|[A-Za-z_][\w.]{0,80}\(.{0,400}\)\s?;?\s*$"
    r"|(?:[-+]?[*#]|//|/\*|\"\"\"|>>>|\.\.\.)\s?\w.{0,80}[.!?]$)"
)
_HOLDS = re.compile(
    r"\{[A-Za-z_][\w.:%\[\]]*\}|%[ds]|%\.?\d*[df]\b|\+=|&&|(?<!\d)(?<!\d )\|\|(?!:)|(?<![=!<>])==(?![=>])"
)
_SIGNS = ("{", "%", "+=", "&&", "||", "==")  # one is in each `_HOLDS`


def looks_like_code(text: str) -> bool:
    """Is it a statement, a call, a template of a message, a comment?"""
    if _BEGINS.match(text) or text.rstrip()[-1:] in ("{", ";", "\\"):
        return True
    for sign in _SIGNS:  # this is a hot loop: `any` would take twice as long
        if sign in text:
            return _HOLDS.search(text) is not None
    return False
