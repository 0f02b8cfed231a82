"""`cluster=`: requests that another lensd answers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from lensd.api.app import make_app
from lensd.config import ApiConfig, ClusterConfig
from lensd.store import Store
from tests.api.conftest import Connect, fill

DATA = "/api/v1/workloads/w/metrics/data"


@pytest.fixture
async def peer(aiohttp_server: Any, tmp_path: Path) -> Any:
    """Another daemon, which knows a workload `w` of 60,000 points."""
    store = Store.open(tmp_path / "peer.db")
    fill(store, 60_000, "loss")
    yield await aiohttp_server(make_app(store, ApiConfig()))
    store.close()


def address(server: Any) -> str:
    return str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
async def test_an_answer_comes_as_this_client_takes_it(connect: Connect, peer: Any, accepted: str) -> None:
    client = await connect(clusters={"there": ClusterConfig(address(peer))})
    answer = await client.get(f"{DATA}?cluster=there", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding", "identity") == accepted
    assert (await answer.json())["total_count"] == 60_000


async def test_parameters_arrive_as_they_were_given(connect: Connect, peer: Any) -> None:
    client = await connect(clusters={"there": ClusterConfig(address(peer))})
    times = "start=1795000000000&end=1795000002000&cluster=there"
    braces = await (await client.get(f"{DATA}?metrics=%7Bloss%2Ca+b%26c%7D&{times}")).json()
    assert braces["total_count"] == 3
    repeated = await (await client.get(f"{DATA}?metrics=loss%2Ca&metrics=x&{times}")).json()
    assert repeated["total_count"] == 0


async def test_a_tag_of_the_other_cluster_holds(connect: Connect, peer: Any) -> None:
    client = await connect(clusters={"there": ClusterConfig(address(peer))})
    url = f"{DATA}?cluster=there&downsample=100"
    tag = (await client.get(url)).headers["ETag"]
    again = await client.get(url, headers={"If-None-Match": tag})
    assert (again.status, await again.read()) == (304, b"")


async def test_the_default_cluster_answers_who_names_none(connect: Connect, peer: Any) -> None:
    client = await connect(clusters={"there": ClusterConfig(address(peer))}, default_cluster="there")
    assert (await (await client.get(DATA)).json())["total_count"] == 60_000


async def test_an_unknown_cluster_is_refused_with_those_known(connect: Connect) -> None:
    client = await connect(
        clusters={"a": ClusterConfig("http://127.0.0.1:9"), "b": ClusterConfig("http://127.0.0.1:9")}
    )
    for path in ("sources", "available", "data", "iteration-times"):
        answer = await client.get(f"/v1/workloads/w/metrics/{path}?cluster=c")
        assert answer.status == 400
        assert (await answer.json())["message"] == "cluster is 'c'; known are a, b"


async def test_daemons_that_name_each_other_do_not_go_round(
    aiohttp_server: Any, aiohttp_client: Any, store: Store
) -> None:
    fill(store, 4, "loss")
    clusters: dict[
        str, ClusterConfig
    ] = {}  # both daemons know the two of them, and each defaults to the other
    first = await aiohttp_server(make_app(store, ApiConfig(clusters=clusters, default_cluster="second")))
    second = await aiohttp_server(make_app(store, ApiConfig(clusters=clusters, default_cluster="first")))
    clusters |= {"first": ClusterConfig(address(first)), "second": ClusterConfig(address(second))}
    client = await aiohttp_client(first)
    assert (await (await client.get(DATA)).json())["total_count"] == 4


async def test_the_token_of_a_client_goes_no_further(
    connect: Connect, aiohttp_server: Any, store: Store
) -> None:
    there = await aiohttp_server(make_app(store, ApiConfig(token="other")))
    client = await connect(token="mine", clusters={"there": ClusterConfig(address(there), "wrong")})
    answer = await client.get(f"{DATA}?cluster=there", headers={"Authorization": "Bearer mine"})
    assert answer.status == 401, "the other daemon refuses the token that the configuration gives it"


async def test_packed_bytes_are_passed_on_unopened(
    connect: Connect, peer: Any, aiohttp_client: Any, store: Store
) -> None:
    app = make_app(store, ApiConfig(clusters={"there": ClusterConfig(address(peer))}))
    client = await aiohttp_client(app, auto_decompress=False)
    answer = await client.get(f"{DATA}?cluster=there", headers={"Accept-Encoding": "gzip"})
    assert json.loads(gzip.decompress(await answer.read()))["total_count"] == 60_000
