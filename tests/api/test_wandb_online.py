"""lensd as a W&B server: what the SDK would send in odd cases."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from lensd.store import Store
from tests.api.conftest import START, Connect
from tests.conftest import DATA

CAPTURE = DATA / "wandb-online-capture" / "requests.jsonl"


async def post(client: Any, number: int, *rows: dict[str, Any] | str, **more: Any) -> int:
    content = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    body = {"files": {"wandb-history.jsonl": {"offset": number, "content": content}}} | more
    answer = await client.post("/files/e/p/r1/file_stream", data=json.dumps(body))
    return int(answer.status)


def row(step: int, **values: Any) -> dict[str, Any]:
    return {"_step": step, "_timestamp": 1795208600.0 + step, "_runtime": step} | values


async def losses(client: Any) -> list[tuple[int, float]]:
    answer = await (await client.get("/v1/workloads/r1/metrics/data?metrics=loss")).json()
    return [(point["iteration"], point["value"]) for point in answer["data"]]


async def test_what_a_real_client_sent_is_answered(connect: Connect) -> None:
    client = await connect()
    for line in CAPTURE.read_text().splitlines():
        request = json.loads(line)
        path = request["path"].replace("/up/", "/files/local/my-project/3oq3vg8w/upload?file=")
        answer = await client.request(request["method"], path, data=json.dumps(request["body"]))
        assert answer.status == 200, (path, await answer.text())
    answer = await (await client.get("/v1/workloads/3oq3vg8w/metrics/sources")).json()
    assert answer["data_sources"] == [{"name": "wandb", "count": 25}]


async def test_pieces_that_come_twice_or_late_do_no_harm(connect: Connect) -> None:
    client = await connect()
    pieces = [[row(step, loss=float(step)) for step in range(begin, begin + 10)] for begin in (0, 10, 20)]
    for begin, rows in ((0, pieces[0]), (20, pieces[2]), (10, pieces[1]), (0, pieces[0]), (20, pieces[2])):
        assert await post(client, begin, *rows) == 200
    assert await losses(client) == [(step, float(step)) for step in range(30)]


async def test_rows_that_went_to_another_server_are_reported(
    connect: Connect,
    store: Store,
) -> None:
    client = await connect()
    assert await post(client, 136, row(136, loss=1.0)) == 200
    with store.read() as reader:
        ((input,), facts) = reader.inputs(1), reader.facts(1)
    assert input.note == "136 rows of history were never sent here"
    assert facts["wandb.missing_rows"] == 136


async def test_odd_rows_are_left_out_alone(connect: Connect) -> None:
    client = await connect()
    odd = ["", "{", "[]", "null", '{"loss": 1}', '{"_step": "x", "_timestamp": 1, "loss": 1}', "\u0000"]
    text = '{"_step": 2, "_timestamp": 1795208602.0, "loss": NaN, "other": Infinity}'
    assert (
        await post(client, 0, row(1, loss=0.5), *odd, text, row(3, loss=0.25, image={"_type": "image"}))
        == 200
    )
    assert await losses(client) == [(1, 0.5), (3, 0.25)]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/graphql", b"", 400),
        ("/graphql", b"[]", 400),
        ("/graphql", b'{"query": 5}', 400),
        ("/graphql", b'{"query": "mutation UpsertBucket { upsertBucket }", "variables": {"id": "?"}}', 400),
        ("/graphql", b'{"query": "mutation LaunchRocket { go }"}', 200),
        ("/graphql", b'{"query": "query ProjectArtifact { project(name: 1) { artifact { id } } }"}', 200),
        ("/files/e/p/r1/file_stream", b'{"files": {"wandb-history.jsonl": {"offset": 0, "content": [', 400),
        (
            "/files/e/p/r1/file_stream",
            b'{"files": {"output.log": {"offset": -1, "content": 5}}}',
            200,
        ),
        ("/files/e/p/r1/file_stream", b'{"files": 5}', 200),
        ("/files/e/p/r1/file_stream", b"[" * 100_000, 400),
    ],
)
async def test_it_is_never_the_servers_fault(
    connect: Connect,
    path: str,
    body: bytes,
    status: int,
) -> None:
    client = await connect()
    answer = await client.post(path, data=body)
    assert answer.status == status, await answer.text()
    if status == 200 and b"LaunchRocket" in body:
        assert (await answer.json())["errors"]
    if status == 200 and b"artifact" in body:
        assert (await answer.json())["data"]["project"]["artifact"] is None


async def test_files_are_refused_with_a_sentence(connect: Connect) -> None:
    client = await connect()
    answer = await client.put("/files/e/p/r1/upload?file=model.pt", data=b"x" * 1000)
    assert answer.status == 403
    assert "lensd keeps metrics, not files" in await answer.text()


async def test_the_page_of_a_run_escapes_its_name(connect: Connect) -> None:
    client = await connect()
    text = await (await client.get("/lensd/p/runs/%3Cscript%3E")).text()
    assert "<script>" not in text
    assert "/api/runs/%3Cscript%3E" in text


def key(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"api:{text}".encode()).decode()}


async def test_with_a_token_the_key_must_be_it(connect: Connect) -> None:
    client = await connect(token="t" * 40)
    query = json.dumps({"query": "query Viewer { viewer { id } }"})
    refused = await client.post("/graphql", data=query, headers=key("x" * 40))
    taken = await client.post("/graphql", data=query, headers=key("t" * 40))
    assert (refused.status, taken.status) == (401, 200)


async def test_many_runs_at_once(connect: Connect) -> None:
    client = await connect()
    posts = [post(client, step, row(step, loss=0.5)) for step in range(60)]
    assert set(await asyncio.gather(*posts)) == {200}
    assert len(await losses(client)) == 60


async def test_a_run_that_was_killed_does_not_run_for_ever(
    connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = START / 1000.0
    monkeypatch.setattr(store, "_clock", lambda: now_s)
    client = await connect(wall=lambda: now_s)

    async def status() -> str:
        body = await (await client.get("/api/v1/workloads/r1")).json()
        return str(body["status"])

    assert await post(client, 0, {**row(1, loss=0.5), "_timestamp": now_s}) == 200
    assert await status() == "running"
    now_s += 400.0
    assert await status() == "crashed"
    assert await post(client, 1, {**row(2, loss=0.25), "_timestamp": now_s}) == 200
    assert await status() == "running", "it speaks again"
    assert await post(client, 2, complete=True, exitcode=1) == 200
    now_s += 400.0
    assert await status() == "failed"
