"""A real application on a real port over a real store, one for each test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from lensd.api import log_lines
from lensd.api.app import make_app
from lensd.api.state import PollerHealth
from lensd.config import ApiConfig, RateLimits
from lensd.model import Batch, Input, Points, Series
from lensd.store import Store
from tests.api.schemas import AnswerCheck
from tests.conftest import an_input

START = 1_795_000_000_000.0
Client = TestClient[Any, Any]
Connect = Callable[..., Awaitable[Client]]


#: Seconds after which a test that waits for something has failed. Nothing that works takes long.
HANG_S = 60.0


class Clock:
    """Monotonic seconds that only a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "x.db", clock=lambda: START / 1000.0)
    yield opened
    opened.close()


def fill(store: Store, count: int, *names: str, input: Input | None = None, begin: int = 0) -> None:
    """`count` points of each name from iteration `begin`, one a second."""
    (registered,) = store.register([input or an_input()])
    at = np.arange(begin, begin + count, dtype=np.int64)
    seconds = at.astype(np.float64)
    store.apply(
        registered,
        Batch(
            b"c",
            {name: Series(Points(at, START + seconds * 1000.0, seconds / 7.0, at.copy())) for name in names},
        ),
    )


@pytest.fixture
def connect(
    aiohttp_client: Any, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connect]:
    """A client of an application with these options (fields of ApiConfig), without rate limits by default.

    Log streams poll often. Answers that break their schema fail the test.
    """
    monkeypatch.setattr(log_lines, "POLL_S", 0.01)
    check = AnswerCheck()

    async def make(
        wall: Callable[[], float] = time.time, health: PollerHealth | None = None, **options: Any
    ) -> Client:
        config = ApiConfig(**({"rate_limits": RateLimits(requests=0)} | options))
        app = make_app(store, config, health, clock=clock, wall=wall)
        app.middlewares.insert(0, check.middleware)
        client: Client = await aiohttp_client(app)
        return client

    yield make
    assert not check.failures


async def until(done: Callable[[], bool]) -> None:
    """Wait for what happens on other threads or connections."""
    async with asyncio.timeout(HANG_S):
        while not done():  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)


def running(client: Client) -> web.Application:
    """The application that answers a client."""
    app = client.app
    assert isinstance(app, web.Application)
    return app
