"""The live socket: what it says, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lensd.api import live
from lensd.model import Batch, Points, Series
from lensd.query.status import SILENCE_MS
from lensd.store import Store
from tests.api.conftest import HANG_S, START, Clock, Connect, fill
from tests.conftest import an_input

LIVE = "/api/v1/live"


class Wall:
    """Seconds since the epoch that only a test moves."""

    def __init__(self) -> None:
        self.now = START / 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def store(tmp_path: Path, wall: Wall) -> Any:
    opened = Store.open(tmp_path / "x.db", clock=wall)
    yield opened
    opened.close()


async def test_runs_that_change_are_named(connect: Connect, store: Store) -> None:
    fill(store, 3, "loss")
    client = await connect()
    async with client.ws_connect(LIVE) as socket:
        first = await socket.receive_json(timeout=HANG_S)
        assert first["runs"] == ["w"]
        fill(store, 3, "loss", input=an_input("/x/other.log", workload="other"))
        second = await socket.receive_json(timeout=HANG_S)
        assert (second["runs"], second["started"]) == (["other"], first["started"])
        assert second["version"] > first["version"]


async def test_a_run_that_time_alone_ends_is_named(
    connect: Connect, store: Store, wall: Wall, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_S", 0.01)
    (input,) = store.register([an_input()])
    points = Points.of([1], [START], [0.5])
    store.apply(input, Batch(b"c", {"loss": Series(points)}, facts={"seen_live": True}), at_ms=START)
    client = await connect()
    async with client.ws_connect(LIVE) as socket:
        first = await socket.receive_json(timeout=HANG_S)
        (run,) = (await (await client.get("/api/v1/runs/table?runs=w")).json())["runs"]
        assert run["status"] == "running"
        wall.now += SILENCE_MS / 1000.0 + 1.0
        clock.now += live.STATUS_S
        second = await socket.receive_json(timeout=HANG_S)
        assert second == {"started": first["started"], "version": first["version"], "runs": ["w"]}
        (run,) = (await (await client.get("/api/v1/runs/table?runs=w")).json())["runs"]
        assert run["status"] == "crashed"


async def test_the_table_is_asked_for_some_runs(connect: Connect, store: Store) -> None:
    for uid in ("a", "b", "c"):
        fill(store, 1, "loss", input=an_input(f"/x/{uid}.log", workload=uid))
    client = await connect()
    table = await (await client.get("/api/v1/runs/table?runs=a,c")).json()
    assert [run["uid"] for run in table["runs"]] == ["a", "c"]
    assert (await (await client.get("/api/v1/runs/table?runs=nobody")).json())["runs"] == []
