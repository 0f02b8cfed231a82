"""The Lens API: what is answered, what is refused and how."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from lensd.api.app import make_app
from lensd.config import ApiConfig, ClusterConfig
from lensd.store import Store
from tests.api.conftest import START, Connect, fill
from tests.conftest import an_input

PREFIXES = ("/api/v1", "/lens/v1", "/v1")
DATA = "/v1/workloads/w/metrics/data"


async def test_the_prefixes_are_one(connect: Connect, store: Store) -> None:
    fill(store, 20, "loss", "acc")
    client = await connect()
    answers = [await (await client.get(f"{p}/workloads/w/metrics/data")).text() for p in PREFIXES]
    assert len(set(answers)) == 1
    assert json.loads(answers[0])["total_count"] == 40


async def test_a_workload_never_seen_is_empty(connect: Connect) -> None:
    client = await connect()
    for path, key in (("sources", "data_sources"), ("available", "metrics"), ("data", "data")):
        answer = await client.get(f"/v1/workloads/nobody/metrics/{path}")
        assert answer.status == 200
        body = await answer.json()
        assert (body[key], body["total_count"]) == ([], 0)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"loss", "a,b", "val/acc"}),
        ("metrics=", {"loss", "a,b", "val/acc"}),
        ("metrics=ALL", {"loss", "a,b", "val/acc"}),
        ("metrics=loss, val/acc", {"loss", "val/acc"}),
        ("metrics=%7Bloss,val%2Facc%7D", {"loss", "val/acc"}),
        ("metrics={loss}", {"loss"}),
        ("metrics=a,b&metrics=loss", {"a,b", "loss"}),
        ("metrics=nothing", set()),
        ("data_source=wandb", set()),
        ("data_source=log&unknown=1", {"loss", "a,b", "val/acc"}),
    ],
)
async def test_metrics_are_chosen(connect: Connect, store: Store, query: str, names: set[str]) -> None:
    fill(store, 3, "loss", "a,b", "val/acc")
    client = await connect()
    body = await (await client.get(f"{DATA}?{query}")).json()
    assert {point["metric_name"] for point in body["data"]} == names
    assert body["total_count"] == len(body["data"])


@pytest.mark.parametrize(
    ("query", "message_part"),
    [
        ("start=1", "start and end"),
        ("end=1", "start and end"),
        ("start=x&end=2", "Invalid start time format"),
        ("start=1&end=1.5", "Invalid end time format"),
        ("start=9&end=2", "start is 9, after end 2"),
        ("downsample=5", "downsample is '5'; allowed are whole numbers from 100 to 50000"),
        ("downsample=many", "downsample is 'many'"),
        ("attempt=zero", "attempt is 'zero'"),
        ("since=-1", "since is '-1'"),
        ("format=xml", "format is 'xml'; allowed are json, csv, ndjson"),
        ("cluster=moon", "cluster is 'moon'"),
    ],
)
async def test_a_refusal_names_the_value(connect: Connect, query: str, message_part: str) -> None:
    client = await connect()
    answer = await client.get(f"{DATA}?{query}")
    body = await answer.json()
    assert answer.status == 400
    assert body["code"] == "RequestParameterInvalid"
    assert message_part in body["message"]
    assert answer.reason == body["message"][:120]


async def test_an_empty_uid_is_refused(connect: Connect) -> None:
    client = await connect()
    for prefix in PREFIXES:
        answer = await client.get(f"{prefix}/workloads//metrics/data")
        assert answer.status == 400
        assert (await answer.json())["message"] == "workload_uid is required"


async def test_an_unchanged_answer_is_not_sent_again(connect: Connect, store: Store) -> None:
    fill(store, 5, "loss")
    client = await connect()
    first = await client.get(DATA)
    again = await client.get(DATA, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    fill(store, 5, "loss", begin=5)
    changed = await client.get(DATA, headers={"If-None-Match": first.headers["ETag"]})
    assert (await changed.json())["total_count"] == 10


async def test_since_takes_the_next_of_an_answer(connect: Connect, store: Store) -> None:
    fill(store, 5, "loss")
    client = await connect()
    first = await (await client.get(DATA)).json()
    fill(store, 5, "loss", begin=5)
    second = await (await client.get(f"{DATA}?since={first['next']}")).json()
    assert [point["iteration"] for point in second["data"]] == [5, 6, 7, 8, 9]


async def test_a_large_answer_streams_whole(connect: Connect, store: Store) -> None:
    fill(store, 60_000, "loss")
    client = await connect()
    answer = await client.get(DATA, headers={"Accept-Encoding": "identity"})
    assert answer.headers["Transfer-Encoding"] == "chunked"
    body = json.loads(await answer.read())
    assert body["total_count"] == 60_000
    assert [point["value"] for point in body["data"]] == [step / 7.0 for step in range(60_000)]


async def test_gzip_is_what_it_says(aiohttp_client: Any, store: Store) -> None:
    fill(store, 60_000, "loss")
    client = await aiohttp_client(make_app(store, ApiConfig()), auto_decompress=False)
    answer = await client.get(DATA, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(await answer.read()))["total_count"] == 60_000


async def test_lines_and_tables(connect: Connect, store: Store) -> None:
    fill(store, 3, "loss")
    client = await connect()
    lines = (await (await client.get(f"{DATA}?format=ndjson")).text()).splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [0, 1, 2]
    table = (await (await client.get(f"{DATA}?format=csv&attempt=all")).text()).splitlines()
    assert table[0] == "metric_name,value,timestamp,iteration,data_source,attempt"
    assert table[1] == f"loss,0.0,{int(START)},0,log,1"


async def test_head_has_no_body(connect: Connect, store: Store) -> None:
    fill(store, 3, "loss")
    client = await connect()
    answer = await client.head(DATA)
    assert (answer.status, await answer.read()) == (200, b"")


async def test_another_cluster_answers_for_itself(
    connect: Connect, aiohttp_server: Any, store: Store
) -> None:
    fill(store, 4, "loss")
    peer = await aiohttp_server(make_app(store, ApiConfig(token="secret")))
    clusters = {
        "there": ClusterConfig(str(peer.make_url("")).rstrip("/"), "secret"),
        "down": ClusterConfig("http://127.0.0.1:9", timeout=2.0),
    }
    client = await connect(clusters=clusters)
    answer = await client.get(f"{DATA}?cluster=there&metrics=%7Bloss%7D")
    assert (answer.status, (await answer.json())["total_count"]) == (200, 4)
    refused = await client.get(f"{DATA}?cluster=there&start=1")
    assert (refused.status, (await refused.json())["code"]) == (400, "RequestParameterInvalid")
    down = await client.get(f"{DATA}?cluster=down")
    assert (down.status, (await down.json())["code"]) == (500, "InternalError")
    assert "cluster down" in (await down.json())["message"]


async def test_inputs_can_be_asked_for_one_by_one(connect: Connect, store: Store) -> None:
    fill(store, 3, "loss", input=an_input("/x/rank0.log", id="r0"))
    fill(store, 5, "loss", input=an_input("/x/rank1.log", id="r1"))
    client = await connect()
    assert (await (await client.get(DATA)).json())["total_count"] == 3
    assert (await (await client.get(f"{DATA}?input=r1")).json())["total_count"] == 5
