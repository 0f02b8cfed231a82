"""Keeps secrets out of what is reported of a run's configuration."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_NAME = re.compile(
    r"(?:^|[^a-z])(?:secrets?|passw(?:or)?d|passphrase|pwd|credentials?|bearer|cookie|auth|authorization"
    r"|(?:api|access|private|secret|signing|encryption)[^a-z]?key|apikey|tokens?)(?:$|[^a-z])"
)
#: Tokens of a tokenizer.
_NO_SECRET = re.compile(
    r"(?:^|_)(?:pad|eos|bos|unk|sep|cls|mask|eot|image|audio|video|special|additional)_\w*tokens?"
)
_SECRET_TEXT = re.compile(
    r"^(?:sk-|pk-|hf_|gh[pousr]_|github_pat_|glpat-|xox[a-z]-|AKIA|ASIA|AIza|local-)[\w-]{12,}"
    r"|^eyJ[\w-]+\.[\w-]+\.[\w-]*$|-----BEGIN [A-Z ]*PRIVATE KEY|^(?i:bearer|basic)\s+\S{8,}"
)
_IN_URL = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")

_DEEPEST, _MOST, _WIDEST, _LONGEST = 6, 1000, 200, 1000


def masked(config: Mapping[Any, Any]) -> dict[str, Any]:
    """A copy fit for JSON with everything that looks like a secret replaced; `_wandb` and the like left out.

    Numbers and flags are never secrets: `max_tokens: 4096` stays.
    """
    left = [_MOST]
    return {
        str(key): _value(str(key), value, 0, left)
        for key, value in list(config.items())[:_MOST]
        if not str(key).startswith("_")
    }


def _value(name: str, value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if is_secret_name(name):
        return MASK
    if isinstance(value, str):
        return _text(value)
    if depth >= _DEEPEST or left[0] <= 0:
        return "..."
    if isinstance(value, Mapping):
        return {
            str(key): _value(str(key), each, depth + 1, left)
            for key, each in itertools.islice(value.items(), _WIDEST)
            if left[0] > 0
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_value("", each, depth + 1, left) for each in itertools.islice(value, _WIDEST) if left[0] > 0]
    return _text(str(value))


def is_secret_name(name: str) -> bool:
    plain = _CAMEL.sub("_", name).lower()
    return bool(_SECRET_NAME.search(plain)) and not _NO_SECRET.search(plain)


def _text(value: str) -> str:
    if _SECRET_TEXT.search(value):
        return MASK
    return _IN_URL.sub(MASK, value)[:_LONGEST]
