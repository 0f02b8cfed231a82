"""The seam between lensd and whatever reads a kind of input: the protocol, its errors and its budget.

An adapter turns inputs into batches and knows nothing of databases, HTTP, threads or other adapters. The
poller decides when `read` is called, with what budget, and what happens after an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from lensd.discovery import Roots
from lensd.model import Batch, Input


class ReadError(Exception):
    """A read that gave no batch. Its message is one sentence for the user; its class says what to do next."""


class RetryAfter(ReadError):
    """Not now: try again no sooner than after `seconds` (the poller backs off further when it repeats)."""

    def __init__(self, why: str, seconds: float = 1.0) -> None:
        super().__init__(why)
        self.seconds = seconds


class InputGone(ReadError):
    """The input is not there any more. Its points stay; it is read again should it come back."""


class InputDead(ReadError):
    """Nothing more can ever be read from this input as it is; it is left alone until it is replaced."""


@dataclass(slots=True)
class Budget:
    """How much one `read` may take. A reader asks `spent` after each piece of work and stops when told so.

    bytes: of input. points: of all series together. seconds: of wall time on `clock`.
    now_ms: the wall clock when the read began, UTC milliseconds: the only clock an adapter may use for times.
    """

    bytes: int = 4 << 20
    points: int = 1 << 20
    seconds: float = 0.25
    now_ms: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _deadline: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._deadline = self.clock() + self.seconds

    def spent(self, bytes: int = 0, points: int = 0) -> bool:
        """True when a read that has used this much so far must come to its end."""
        return bytes >= self.bytes or points >= self.points or self.clock() >= self._deadline


@runtime_checkable
class Adapter(Protocol):
    """Reads one kind of input. `name` is unique; `data_source` is what its points are served under.

    An adapter class is made with no arguments, or with `options: dict[str, object]` from its `[[source]]`
    block where the configuration has one.
    """

    name: str
    data_source: str

    def discover(self, roots: Roots) -> Iterable[Input]:
        """The inputs below the roots, judged by name and stat alone. Called every few seconds."""

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        """The next batch of `input`, right from `cursor` alone (`None`: from the beginning).

        Reads at least one record however small the budget is, so that progress is certain. Never moves the
        cursor past half a record. Raises RetryAfter, InputGone or InputDead; a bad record is counted instead.
        """

    def close(self) -> None:
        """Let go of whatever is cached. `read` may still be called afterwards."""
