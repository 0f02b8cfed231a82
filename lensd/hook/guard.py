"""Keeps every fault of the hook out of training, and says what happened under the debug switch."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from . import settings

_Function = TypeVar("_Function", bound="Callable[..., Any]")

#: Faults that were kept from training, by the name of the function: for the tests and the curious.
faults: dict[str, int] = {}


def guarded(function: _Function) -> _Function:
    """The function, with whatever it raises counted instead, and None returned."""

    @functools.wraps(function)
    def safe(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - training goes on whatever the hook does wrong
            note_fault(function.__qualname__, error)
            return None

    return safe  # type: ignore[return-value]  # the same signature, by wraps


def note_fault(where: str, error: BaseException) -> None:
    faults[where] = faults.get(where, 0) + 1
    if settings.debugging():
        print(f"[Primus Lens WandB] {where}: {error!r}", file=sys.stderr)  # noqa: T201 - the debug switch
        traceback.print_exception(type(error), error, error.__traceback__)


def tell(line: str) -> None:
    """Print a line of the documented messages, under the debug switch only."""
    if settings.debugging():
        try:
            print(line, flush=True)  # noqa: T201 - the debug switch
        except (OSError, ValueError):  # stdout is closed: nobody is there to be told
            return


def lens(line: str) -> None:
    tell(f"[Primus Lens WandB] {line}")


def reporter(line: str) -> None:
    tell(f"[Primus Lens API Reporter] {line}")
