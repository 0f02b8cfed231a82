"""When the database cannot be written to: who has it, whether it is still there, whether the disk is full."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lensd.api.app import make_app
from lensd.config import Polling
from lensd.ingest.poller import AdapterSource, Poller
from lensd.store import Store, StoreError
from lensd_log import LogAdapter
from tests.api.conftest import Clock
from tests.conftest import an_input

OPEN = "import sys; from lensd.store import Store; Store.open(sys.argv[1])"
PUSH = {"workload_uid": "w", "metrics": [{"name": "loss", "value": 1.0, "step": 1}]}
STREAM = {"files": {"output.log": {"offset": 0, "content": ["hello"]}}}


def opens_elsewhere(path: Path) -> str:
    """What another process says that opens the database."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the lock belongs to a file beside it")
@pytest.mark.slow
def test_one_process_writes_a_database_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store = Store.open(path)
    (tmp_path / "link.db").symlink_to(path)
    os.link(path, tmp_path / "hard.db")
    for name in ("x.db", "link.db", "hard.db"):
        assert "in use by another lensd" in opens_elsewhere(tmp_path / name)
    assert not (tmp_path / "x.db.lock").exists(), "there is no lock that could be deleted"
    store.register([an_input()])
    store.close()
    assert opens_elsewhere(path) == ""


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_database_that_is_gone_stores_nothing(
    tmp_path: Path, aiohttp_client: Any, replaced: bool
) -> None:
    path = tmp_path / "x.db"
    store = Store.open(path)
    client = await aiohttp_client(make_app(store))
    assert (await client.post("/v1/wandb/metrics", json=PUSH)).status == 200
    path.unlink()
    if replaced:
        Store.open(path).close()
    refused = await client.post("/v1/wandb/metrics", json=PUSH)
    assert refused.status == 429
    ready = await client.get("/readyz")
    assert ready.status == 503
    reason = (await ready.json())["reason"]
    assert "was deleted or replaced" in reason
    assert str(tmp_path) not in reason
    assert path.exists() == replaced
    store.close()


def fill_the_disk(store: Store, *, full: bool = True) -> None:
    """Let SQLite take no further page, as with a full disk."""
    assert store._db is not None
    pages = store._db.execute("PRAGMA page_count").fetchone()[0] if full else 1 << 30
    store._db.execute(f"PRAGMA max_page_count = {pages}")


BIG = {"workload_uid": "w", "metrics": [{"name": f"m{i}" * 100, "value": 1.0, "step": 1} for i in range(200)]}


@pytest.mark.slow
async def test_a_full_disk_is_said_and_passes_by_itself(tmp_path: Path, aiohttp_client: Any) -> None:
    clock = Clock()
    store = Store.open(tmp_path / "x.db", clock=clock)
    log = tmp_path / "runs" / "a" / "train.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"step {step} | loss: 0.5\n" for step in range(10)))
    adapter = LogAdapter()
    poller = Poller(
        store, [AdapterSource(adapter, [str(tmp_path / "runs")])], polling=Polling(), clock=clock, wall=clock
    )
    poller.drain()
    client = await aiohttp_client(make_app(store, None, poller, wall=clock))
    assert (await client.get("/readyz")).status == 200
    fill_the_disk(store)
    with log.open("a") as file:
        file.writelines(
            f"step {step} | " + " | ".join(f"m{i}: {step / (i + 7)}" for i in range(30)) + "\n"
            for step in range(10, 400)
        )
    clock.now += 10.0
    poller.poll()
    ready = await client.get("/readyz")
    text = await (await client.get("/metrics")).text()
    sample = next(line for line in text.splitlines() if line.startswith("lensd_input_up{"))
    lag = next(line for line in text.splitlines() if line.startswith("lensd_input_lag_bytes{"))
    assert sample.endswith(" 0")
    assert int(lag.rsplit(" ", 1)[1]) == log.stat().st_size - len("step 0 | loss: 0.5\n") * 10
    if ready.status != 200:  # an empty transaction may still find room
        assert "disk is full" in (await ready.json())["reason"]
    refused = await client.post("/v1/wandb/metrics", json=BIG)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
    fill_the_disk(store, full=False)
    clock.now += 10.0
    poller.poll()
    assert (await client.get("/readyz")).status == 200
    text = await (await client.get("/metrics")).text()
    assert next(line for line in text.splitlines() if line.startswith("lensd_input_up{")).endswith(" 1")
    assert (await client.post("/v1/wandb/metrics", json=BIG)).status == 200
    store.close()


async def test_the_wandb_sdk_waits_a_minute_and_not_for_days(
    tmp_path: Path, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    store = Store.open(tmp_path / "x.db", clock=clock)
    client = await aiohttp_client(make_app(store, wall=clock))
    path = "/files/e/p/r/file_stream"
    assert (await client.post(path, json=STREAM)).status == 200
    failure = sqlite3.OperationalError("database or disk is full")
    failure.sqlite_errorcode = sqlite3.SQLITE_FULL

    def full(*_: object, **__: object) -> None:
        raise failure

    writer = store._writer
    assert writer is not None
    monkeypatch.setattr(writer, "apply", full)
    monkeypatch.setattr(store, "fault", lambda: store._fault)
    statuses = []
    for _ in range(3):
        statuses.append((await client.post(path, json=STREAM)).status)
        clock.now += 30.0
    assert statuses == [429, 429, 409]
    monkeypatch.undo()
    assert (await client.post(path, json=STREAM)).status == 200
    store.close()


def test_a_failure_that_is_no_fault_is_forgotten(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    with pytest.raises(StoreError), store._transaction():
        raise sqlite3.OperationalError("some statement")
    assert store.fault() is None
    store.close()
