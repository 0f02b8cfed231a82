"""Keeps every fault of the hook away from training, and prints what happens under the debug switch."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from . import settings

_Function = TypeVar("_Function", bound="Callable[..., Any]")

#: How many faults were kept away from training, by the name of the function. For tests and debugging.
faults: dict[str, int] = {}


def guarded(function: _Function) -> _Function:
    """The same function, except that an exception is counted and None returned."""

    @functools.wraps(function)
    def safe(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except Exception as error:  # noqa: BLE001 - no fault of the hook may stop training
            note_fault(function.__qualname__, error)
            return None

    return safe  # type: ignore[return-value]  # the same signature, by wraps


def note_fault(where: str, error: BaseException) -> None:
    faults[where] = faults.get(where, 0) + 1
    if settings.debugging():
        print(f"[Primus Lens WandB] {where}: {error!r}", file=sys.stderr)  # noqa: T201 - the debug switch
        traceback.print_exception(type(error), error, error.__traceback__)


def debug(line: str) -> None:
    """Print a documented message, under the debug switch only."""
    if settings.debugging():
        try:
            print(line, flush=True)  # noqa: T201 - the debug switch
        except (OSError, ValueError):  # stdout is closed
            return


def debug_hook(line: str) -> None:
    debug(f"[Primus Lens WandB] {line}")


def debug_reporter(line: str) -> None:
    debug(f"[Primus Lens API Reporter] {line}")
