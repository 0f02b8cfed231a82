"""Keeps secrets out of what is reported about a run's configuration."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .values import is_private

MASK = "***"

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_NAME = re.compile(
    r"(?:^|[^a-z])(?:secrets?|passw(?:or)?d|passphrase|pwd|credentials?|bearer|cookie|auth|authorization"
    r"|(?:api|access|private|secret|signing|encryption)[^a-z]?key|apikey|tokens?)(?:$|[^a-z])"
)
#: Special tokens of a tokenizer, which are no secrets.
_TOKENIZER_NAME = re.compile(
    r"(?:^|_)(?:pad|eos|bos|unk|sep|cls|mask|eot|image|audio|video|special|additional)_\w*tokens?"
)
_SECRET_VALUE = re.compile(
    r"^(?:sk-|pk-|hf_|gh[pousr]_|github_pat_|glpat-|xox[a-z]-|AKIA|ASIA|AIza|local-)[\w-]{12,}"
    r"|^eyJ[\w-]+\.[\w-]+\.[\w-]*$|-----BEGIN [A-Z ]*PRIVATE KEY|^(?i:bearer|basic)\s+\S{8,}"
)
_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")

#: Most levels, values in all, values in one container, and characters of a string that are reported.
_DEEPEST, _MOST, _WIDEST, _LONGEST = 6, 1000, 200, 1000


def masked(config: Mapping[Any, Any]) -> dict[str, Any]:
    """A copy that JSON can hold, limited in size, with everything that looks like a secret replaced.

    Numbers and booleans are never secrets: `max_tokens: 4096` stays. Private names such as `_wandb` are left
    out.
    """
    left = [_MOST]
    return {
        str(key): _masked_value(str(key), value, 0, left)
        for key, value in list(config.items())[:_MOST]
        if not is_private(str(key))
    }


def _masked_value(name: str, value: Any, depth: int, left: list[int]) -> Any:
    """left: a list of one number, how many more values may be reported."""
    left[0] -= 1
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if is_secret_name(name):
        return MASK
    if isinstance(value, str):
        return _masked_string(value)
    if depth >= _DEEPEST or left[0] <= 0:
        return "..."
    if isinstance(value, Mapping):
        return {
            str(key): _masked_value(str(key), item, depth + 1, left)
            for key, item in itertools.islice(value.items(), _WIDEST)
            if left[0] > 0
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        items = itertools.islice(value, _WIDEST)
        return [_masked_value("", item, depth + 1, left) for item in items if left[0] > 0]
    return _masked_string(str(value))


def masked_arguments(arguments: Sequence[str]) -> list[str]:
    """A command line with its secrets replaced: `--api-key X`, `--token=X`, `TOKEN=X`, also within the
    argument of a shell. All else stays, as `--max-tokens 4096`."""
    result: list[str] = []
    follows = ""  # the option whose value comes next, if that is a secret
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if follows and not argument.startswith("-"):
            result.append(_masked_argument(follows, argument))
            follows = ""
            continue
        follows = ""
        if " " in argument:
            result.append(" ".join(masked_arguments(argument.split(" "))))
        elif equals:
            result.append(f"{name}={_masked_argument(name, value)}")
        else:
            if argument.startswith("-") and is_secret_name(name):
                follows = name
            result.append(_masked_string(argument))
    return result


def _masked_argument(name: str, value: str) -> str:
    is_amount = name.lower().endswith("tokens") and value.isdigit()
    return MASK if is_secret_name(name) and not is_amount else _masked_string(value)


def is_secret_name(name: str) -> bool:
    plain = _CAMEL.sub("_", name).lower().replace("-", "_")
    return bool(_SECRET_NAME.search(plain)) and not _TOKENIZER_NAME.search(plain)


def _masked_string(value: str) -> str:
    if _SECRET_VALUE.search(value):
        return MASK
    return _PASSWORD_IN_URL.sub(MASK, value)[:_LONGEST]
