"""Probes, the daemon's own metrics, and the description of the API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lensd.api.app import make_app
from lensd.api.request_metrics import REQUESTS
from lensd.store import Store, StoreError
from tests.api.conftest import Connect, fill, running, until
from tests.conftest import StartDaemon, an_input

OPEN_METRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\n"])*",?)+)\})? (-?[\d.e+-]+)\Z')


class Reading:
    """Stands in for the poller."""

    def __init__(self, reason: str | None) -> None:
        self.reason = reason

    def ready(self) -> str | None:
        return self.reason

    def unstored(self) -> dict[str, int]:
        return {}

    def follow(self, path: str) -> Any:
        return lambda: None

    def unread(self, input_id: str, most: int) -> None:
        return None


async def test_ready_once_the_folders_were_looked_at(aiohttp_client: Any, store: Store) -> None:
    reading = Reading("the first look at the folders is not over")
    client = await aiohttp_client(make_app(store, health=reading))
    answer = await client.get("/readyz")
    assert (answer.status, await answer.json()) == (503, {"status": "unavailable", "reason": reading.reason})
    assert (await client.get("/healthz")).status == 200
    reading.reason = None
    answer = await client.get("/readyz")
    assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_not_ready_without_a_database_and_no_path_is_shown(
    connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> int:
        raise StoreError("/secret/x.db is damaged")

    monkeypatch.setattr(store, "version", broken)
    client = await connect()
    answer = await client.get("/readyz")
    assert (answer.status, "secret" in await answer.text()) == (503, False)
    assert (await client.get("/healthz")).status == 200


def families(page: str) -> dict[str, str]:
    """Family to type; every line must be what the format allows, every sample follows its family."""
    kinds: dict[str, str] = {}
    seen = set()
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} is declared twice"
            kinds[name] = kind
            continue
        if line.startswith("#"):
            assert line.startswith("# HELP ") or line == "# EOF"
            continue
        sample = SAMPLE.match(line)
        assert sample, line
        assert (sample[1], sample[2]) not in seen, f"{line} comes twice"
        seen.add((sample[1], sample[2]))
        owner = next(
            n
            for n in reversed(kinds)
            if sample[1].removeprefix(n) in ("", "_total", "_sum", "_count", "_info")
        )
        assert owner == list(kinds)[-1], f"{line} lies among another family"
    return kinds


@pytest.mark.parametrize("headers", [{}, OPEN_METRICS], ids=["prometheus", "openmetrics"])
async def test_the_metrics_page_is_valid(connect: Connect, store: Store, headers: dict[str, str]) -> None:
    fill(store, 5, "loss", input=an_input('/x/odd "name"\\.log', workload='w "1"\\\n'))
    client = await connect()
    await client.get("/api/runs/a/metrics")
    await client.get("/nothing")
    answer = await client.get("/metrics", headers=headers)
    kinds = families(await answer.text())
    strict = bool(headers)
    assert (answer.content_type == "application/openmetrics-text") == strict
    assert kinds["lensd_input_points" if strict else "lensd_input_points_total"] == "counter"
    assert kinds["lensd_build" if strict else "lensd_build_info"] == ("info" if strict else "gauge")
    for name in kinds:
        assert not re.search(r"_(ms|kb|mb|sec|millis)\Z", name), "base units"
        assert not (kinds[name] == "gauge" and name.endswith("_total"))


async def test_requests_are_counted_by_their_template(connect: Connect, store: Store) -> None:
    fill(store, 5, "loss")
    client = await connect()
    for uid in ("w", "x", "y"):
        await client.get(f"/api/v1/workloads/{uid}/metrics/data")
    for number in range(5):
        await client.get(f"/nothing/{number}")
    page = await (await client.get("/metrics")).text()
    count = "lensd_http_request_duration_seconds_count"
    assert f'{count}{{route="/api/v1/workloads/{{uid}}/metrics/data",method="GET",code="200"}} 3' in page
    assert f'{count}{{route="none",method="GET",code="404"}} 5' in page


async def test_the_version_is_that_of_the_package(connect: Connect) -> None:
    from lensd import __version__

    answer = await (await connect()).get("/api/version")
    assert await answer.json() == {"name": "lensd", "version": __version__}
    assert await (await (await connect()).get("/api/health")).json() == {"status": "ok"}


@pytest.mark.slow
def test_a_variable_with_hundreds_of_metrics_fits_into_a_request(tmp_path: Path, serve: StartDaemon) -> None:
    daemon = serve("--once", "--db", str(tmp_path / "x.db"), str(tmp_path))
    names = ",".join(f"train/some_rather_long_name_of_a_metric_{number}" for number in range(800))
    assert len(names) > 30_000
    assert daemon.get(f"/api/v1/workloads/w/metrics/data?metrics=%7B{names}%7D")["total_count"] == 0


async def test_a_socket_that_was_open_is_no_slow_request(connect: Connect, store: Store) -> None:
    fill(store, 3, "loss")
    client = await connect()
    async with client.ws_connect("/v1/live") as socket:
        await socket.receive()
    seen = running(client)[REQUESTS].seen
    await until(lambda: ("/v1/live", "GET", 101) in seen)
    assert seen["/v1/live", "GET", 101] == (1, 0.0)
