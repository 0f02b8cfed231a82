"""Lists in parts, in an order, and as CSV; answers to HEAD and to Range."""

from __future__ import annotations

import csv
import io
from typing import Any
from unittest import mock

import numpy as np
import pytest

from lensd.model import Batch, Points, Series
from lensd.query.rows import RowCache
from lensd.store import Reader, Store
from tests.api.conftest import START, Client, Connect, fill
from tests.conftest import an_input


def three_runs(store: Store) -> None:
    for number, uid in enumerate(("b", "c", "a")):
        fill(
            store, 3 + number, "loss", input=an_input(f"/{uid}/log", id=uid, workload=uid), begin=10 * number
        )


async def table(client: Client, path: str) -> list[dict[str, str]]:
    answer = await client.get(path)
    assert (answer.status, answer.content_type) == (200, "text/csv"), path
    return list(csv.DictReader(io.StringIO(await answer.text())))


@pytest.mark.parametrize(
    ("query", "uids"),
    [
        ("", "abc"),
        ("limit=2", "ab"),
        ("limit=2&offset=2", "c"),
        ("offset=5", ""),
        ("order=-uid", "cba"),
        ("order=updated_at", "bca"),
        ("order=-iteration&limit=1", "a"),
    ],
)
async def test_workloads_in_parts(connect: Connect, store: Store, query: str, uids: str) -> None:
    three_runs(store)
    client = await connect()
    body = await (await client.get(f"/v1/workloads?{query}")).json()
    assert "".join(workload["uid"] for workload in body["workloads"]) == uids
    assert body["total_count"] == 3, "all there are, whatever part is shown"
    assert "".join(row["uid"] for row in await table(client, f"/v1/workloads?format=csv&{query}")) == uids


async def test_runs_in_parts(connect: Connect, store: Store) -> None:
    three_runs(store)
    client = await connect()
    answer = await client.get("/api/runs?limit=2&offset=1")
    newest_first = [run["id"] for run in await (await client.get("/api/runs")).json()]
    assert [run["id"] for run in await answer.json()] == newest_first[1:]
    assert answer.headers["X-Total-Count"] == "3"
    rows = await table(client, "/api/runs?format=csv&order=created_time")
    assert [row["id"] for row in rows] == newest_first[::-1]


async def test_a_list_in_a_cell(connect: Connect, store: Store) -> None:
    fill(store, 3, "loss", "acc")
    fill(store, 2, "loss", input=an_input("/x/w", id="w", data_source="wandb"))
    client = await connect()
    path = "/v1/workloads/w/metrics"
    assert await table(client, f"{path}/available?format=csv") == [
        {"name": "acc", "data_source": "log", "count": "3", "note": ""},
        {"name": "loss", "data_source": "log;wandb", "count": "5", "note": ""},
    ]
    assert [row["name"] for row in await table(client, f"{path}/available?format=csv&offset=1")] == ["loss"]
    assert await table(client, f"{path}/sources?format=csv") == [
        {"name": "log", "count": "3"},
        {"name": "wandb", "count": "2"},
    ]
    assert await table(client, "/v1/workloads/nobody/metrics/sources?format=csv") == []


async def test_rows_as_csv_are_the_rows(connect: Connect, store: Store) -> None:
    (input,) = store.register([an_input()])
    at = np.arange(5, dtype=np.int64)
    times = np.array(START + at * 500.0, np.float64)
    loss, acc = np.array([1.0, np.nan, 3.0, np.inf, 5.0]), np.array([0.5, 0.25, 0.125, 1.0, 2.0])
    batch = Batch(
        b"1", {"a,b": Series(Points(at, times, loss, at)), "acc": Series(Points(at, times, acc, at))}
    )
    store.apply(input, batch)
    client = await connect()
    for path in ("metrics_step", "metrics", "fast"):
        url = f"/api/runs/w/{path}" if path != "fast" else "/api/v2/experiments/w/metrics/fast"
        rows = (await (await client.get(url)).json())["rows"]
        cells = await table(client, f"{url}?format=csv")
        assert [{name: float(cell) for name, cell in row.items() if cell} for row in cells] == rows
        assert list(cells[0])[1:] == ["a,b", "acc"]


async def test_head_reads_nothing_for_a_body(connect: Connect, store: Store) -> None:
    fill(store, 9000, "loss")
    client = await connect()
    paths = ("metrics/data", "metrics/iteration-times", "metrics/data?format=csv", "metrics/data?format=wide")
    for path in paths:
        whole = await client.get(f"/v1/workloads/w/{path}")
        with mock.patch.object(Reader, "read_window", autospec=True) as read:
            head = await client.head(f"/v1/workloads/w/{path}")
        assert (head.status, await head.read(), read.call_count) == (200, b"", 0), path
        for name in ("ETag", "Content-Type", "Cache-Control", "Vary", "Accept-Ranges"):
            assert head.headers[name] == whole.headers[name]
    with mock.patch("lensd.api.runs.rows_json") as encode:
        head = await client.head("/api/runs/w/metrics_step")
    assert (head.headers["X-Row-Count"], encode.call_count) == ("9000", 0)
    with mock.patch.object(RowCache, "rows", autospec=True, return_value=None):
        assert (await client.head("/api/runs/nobody/metrics_step")).status == 404
    with mock.patch("lensd.api.page.panels") as panels:
        assert (await client.head("/v1/panels?runs=w&metrics=loss")).status == 200
    assert panels.call_count == 0


async def test_a_range_is_ignored(connect: Connect, store: Store) -> None:
    fill(store, 100, "loss")
    client = await connect()
    part: dict[str, Any] = {"headers": {"Range": "bytes=0-9"}}
    for path in ("/v1/workloads/w/metrics/data", "/v1/workloads", "/api/runs", "/metrics", "/nowhere"):
        plain, ranged = await client.get(path), await client.get(path, **part)
        assert (ranged.status, ranged.headers["Accept-Ranges"]) == (plain.status, "none")
        assert "Content-Range" not in ranged.headers


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/v1/workloads?limit=0", "limit is '0'"),
        ("/v1/workloads?offset=-1", "offset is '-1'"),
        ("/v1/workloads?order=size", "order is 'size'"),
        ("/api/runs?limit=x", "limit is 'x'"),
        ("/api/runs/w/metrics?format=xml", "format is 'xml'"),
    ],
)
async def test_what_is_no_part_is_refused(connect: Connect, store: Store, path: str, sentence: str) -> None:
    fill(store, 3, "loss")
    answer = await (await connect()).get(path)
    assert answer.status == 400
    assert sentence in await answer.text()
