"""The words that the route table is written in: surfaces, routes, parameters, answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from lensd.api.access import OPEN_PATHS, PROBES

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON = "application/json"
CSV = "text/csv"
WEBSOCKET_STATUS = 101


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter. schema: its JSON schema, with the default where there is one."""

    name: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer. type: what msgspec encodes as its JSON body; None if it has none.

    other_types: media types that it comes in beside, or instead of, JSON. other_type: that of its JSON body
    in another format.
    """

    type: Any = None
    other_types: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    status: int = 200
    description: str = "OK"
    other_type: Any = None

    @property
    def media_types(self) -> tuple[str, ...]:
        return (*((JSON,) if self.type is not None else ()), *self.other_types)


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request. type: that of its JSON; None for bytes."""

    type: Any = None
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Surface:
    """Routes that share prefixes and the shape of their errors. The paths below the first prefix are the
    canonical ones, the others are aliases. error: the type of the JSON body of an error."""

    title: str
    prefixes: tuple[str, ...]
    error: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    operation: its name, unique. path: what follows a prefix of the surface. errors: statuses beside those
    that every route can answer with. versioned: its answers carry an ETag, and it answers 304.
    """

    surface: Surface
    method: str
    path: str
    handler: Handler
    operation: str
    summary: str
    answer: Answer
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    errors: tuple[int, ...] = ()
    versioned: bool = False
    also: tuple[Answer, ...] = ()

    @property
    def answers(self) -> Iterator[Answer]:
        """Everything that it answers with that is no error."""
        yield self.answer
        yield from self.also
        if self.versioned:
            yield Answer(status=304, description="Unchanged since the answer with this ETag")

    @property
    def error_statuses(self) -> list[int]:
        """The statuses of all its errors, ascending."""
        statuses = {*self.errors, 500}
        if not self.is_open:
            statuses |= {401, 403}
        if self.path not in PROBES:
            statuses.add(421)
        return sorted(statuses)

    @property
    def is_websocket(self) -> bool:
        return self.answer.status == WEBSOCKET_STATUS

    @property
    def is_open(self) -> bool:
        """Whether it needs no token."""
        return self.path in OPEN_PATHS
