"""What Grafana's Infinity data source asks for, and that it can draw the answers."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from lensd.model import Batch, Floats, Points, Series
from lensd.store import Store
from tests.api.conftest import START, Connect, fill
from tests.conftest import an_input
from tests.grafana import long_to_wide


def two_runs(store: Store) -> None:
    """Runs `a` and `b` with two metrics from two sources each. Series share times, each source has its own
    pace, run b begins in the middle of run a, and each series has a NaN."""
    for run, begin in (("a", 0), ("b", 25)):
        for source, pace in (("log", 1000.0), ("wandb", 1500.0)):
            input = an_input(f"/{run}/{source}", id=f"{run}-{source}", workload=run, data_source=source)
            (registered,) = store.register([input])
            at = np.arange(50, dtype=np.int64)
            batch = Batch(b"1")
            for number, name in enumerate(("loss", "acc")):
                values: Floats = at.astype(np.float64) * 0.5 + number
                values[20 + number] = np.nan
                times: Floats = np.array(START + begin * 1000.0 + at * pace, np.float64)
                batch.series[name] = Series(Points(at, times, values, at.copy()))
            store.apply(registered, batch)


async def test_rows_in_order_of_time_become_curves(connect: Connect, store: Store) -> None:
    two_runs(store)
    client = await connect()
    factors = ["workload_uid", "metric_name", "data_source"]
    for query in ("order=time", "order=time&downsample=100"):
        body = await (await client.get(f"/v1/workloads/{{a,b}}/metrics/data?{query}")).json()
        assert body["total_count"] == len(body["data"]) == 2 * 2 * 2 * 49
        wide = long_to_wide(body["data"], "timestamp", factors, "value")
        assert {key for row in wide for key in row} - {"timestamp"} == {
            f"{run} {name} {source}"
            for run in "ab"
            for name in ("loss", "acc")
            for source in ("log", "wandb")
        }
        assert {row["timestamp"]: row.get("a loss log") for row in wide}[START + 3000] == 1.5
    body = await (await client.get("/v1/workloads/{a,b}/metrics/data")).json()
    with pytest.raises(ValueError, match="ascend"):
        long_to_wide(body["data"], "timestamp", factors, "value")


async def test_long_and_wide_hold_the_same_points(connect: Connect, store: Store) -> None:
    two_runs(store)
    client = await connect()
    data = "/v1/workloads/a,b/metrics/data"
    long = await (await client.get(data)).json()
    wide = await (await client.get(f"{data}?format=wide")).json()
    table = await (await client.get(f"{data}?format=wide-csv")).text()
    assert [row["time"] for row in wide["data"]] == sorted(row["time"] for row in wide["data"])
    assert wide["total_count"] == len(wide["data"])
    expected = {
        (
            p["timestamp"],
            p["iteration"],
            f"{p['workload_uid']}: {p['metric_name']} ({p['data_source']})",
            p["value"],
        )
        for p in long["data"]
    }
    assert expected == {
        (row["time"], row["iteration"], name, value)
        for row in wide["data"]
        for name, value in row.items()
        if name not in ("time", "iteration")
    }
    rows = list(csv.DictReader(io.StringIO(table)))
    assert expected == {
        (int(row["time"]), int(row["iteration"]), name, float(value))
        for row in rows
        for name, value in row.items()
        if name not in ("time", "iteration") and value
    }
    keys = [(row["time"], row["iteration"]) for row in rows]
    assert len(set(keys)) == len(keys)


async def test_a_column_is_named_by_its_metric_alone_where_that_is_enough(
    connect: Connect, store: Store
) -> None:
    fill(store, 3, "loss", "iteration")
    fill(store, 3, "loss", "lr", input=an_input("/x/w", id="w", data_source="wandb"))
    client = await connect()
    body = await (await client.get("/v1/workloads/w/metrics/data?format=wide")).json()
    assert {key for row in body["data"] for key in row} == {
        "time", "iteration", "iteration (log)", "loss (log)", "loss (wandb)", "lr",
    }  # fmt: skip
    body = await (await client.get("/v1/workloads/w/metrics/data?format=wide&data_source=wandb")).json()
    assert body["data"][1] == {"time": START + 1000, "iteration": 1, "loss": 1 / 7, "lr": 1 / 7}


async def test_attempts_and_long_series_keep_the_order(connect: Connect, store: Store) -> None:
    """More points than one slice holds, in two attempts, beside a short series."""
    (input,) = store.register([an_input()])
    steps = [*range(9000), *range(5000, 12_000)]
    points = Points.of(steps, (START + 10.0 * i for i in range(len(steps))), map(float, steps))
    few = Points.of([0, 8000], [START, START + 80_000.0], [1.0, 2.0])
    store.apply(input, Batch(b"1", {"loss": Series(points), "few": Series(few)}))
    client = await connect()
    for attempt, count in (("current", 12_001), ("all", 16_002)):
        query = f"/v1/workloads/w/metrics/data?order=time&attempt={attempt}&format=ndjson"
        lines = (await (await client.get(query)).text()).splitlines()
        times = [json.loads(line)["timestamp"] for line in lines]
        assert times == sorted(times)
        assert len(times) == count
    table = await (await client.get("/v1/workloads/w/metrics/data?order=time&attempt=2&format=csv")).text()
    assert table.splitlines()[:2] == [
        "metric_name,value,timestamp,iteration,data_source,attempt",
        f"loss,5000.0,{START + 90_000:.0f},5000,log,2",
    ]


async def test_iterations_in_order_of_time(connect: Connect, store: Store) -> None:
    (input,) = store.register([an_input()])
    steps = [0, 1, 2, 3]
    targets = Points.of(steps, [START + t for t in (0.0, 2000.0, 1000.0, 3000.0)], [9.0] * 4)
    loss = Points.of(steps, targets.ts_ms, [1.0] * 4)
    store.apply(input, Batch(b"1", {"loss": Series(loss)}, targets=targets))
    client = await connect()
    path = "/v1/workloads/w/metrics/iteration-times"
    body = await (await client.get(f"{path}?order=time")).json()
    assert [p["timestamp"] - START for p in body["data"]] == [0, 0, 1000, 1000, 2000, 2000, 3000, 3000]
    assert {(p["metric_name"], p["value"]) for p in body["data"][:2]} == {
        ("iteration", 0),
        ("target_iteration", 9),
    }
    body = await (await client.get(f"{path}?format=wide")).json()
    assert body["data"][1] == {"time": START + 1000, "iteration": 2, "target_iteration": 9.0}


@pytest.mark.parametrize("everything", ["", "all", "ALL", "*", ".*", "$__all", "{all}", "{$__all}"])
async def test_what_means_all(connect: Connect, store: Store, everything: str) -> None:
    fill(store, 3, "loss", "acc")
    fill(store, 3, "lr", input=an_input("/x/w", id="w", workload="v", data_source="wandb"))
    client = await connect()
    query = {"metrics": everything, "data_source": everything, "cluster": everything}
    body = await (await client.get("/v1/workloads/w/metrics/data", params=query)).json()
    assert {point["metric_name"] for point in body["data"]} == {"loss", "acc"}
    body = await (await client.get("/v1/workloads", params={"status": everything})).json()
    assert [run["uid"] for run in body["workloads"]] == ["v", "w"]


@pytest.mark.parametrize("path", ["{w,v}", "w,v", "w, v", "$__all", ".*", "*", "all"])
async def test_several_workloads_in_one_path(connect: Connect, store: Store, path: str) -> None:
    fill(store, 3, "loss", "acc")
    fill(store, 4, "loss", input=an_input("/x/w", id="w", workload="v", data_source="wandb"))
    client = await connect()
    body = await (await client.get(f"/v1/workloads/{path}/metrics/data")).json()
    assert {(p["workload_uid"], p["metric_name"]) for p in body["data"]} == {
        ("v", "loss"), ("w", "loss"), ("w", "acc"),
    }  # fmt: skip
    body = await (await client.get(f"/v1/workloads/{path}/metrics/available")).json()
    assert [(m["name"], m["count"], m["data_source"]) for m in body["metrics"]] == [
        ("acc", 3, ["log"]),
        ("loss", 7, ["log", "wandb"]),
    ]
    body = await (await client.get(f"/v1/workloads/{path}/metrics/sources")).json()
    assert body["data_sources"] == [{"name": "wandb", "count": 4}, {"name": "log", "count": 3}]
    body = await (await client.get(f"/v1/workloads/{path}/metrics/iteration-times")).json()
    assert body["total_count"] == 7
    table = await (await client.get(f"/v1/workloads/{path}/metrics/data?format=csv&metrics=acc")).text()
    assert table.splitlines()[1].endswith(",log,w")


async def test_a_workload_whose_name_looks_like_a_list_is_itself(connect: Connect, store: Store) -> None:
    fill(store, 3, "loss", input=an_input(workload="a,b"))
    fill(store, 4, "loss", input=an_input("/x/all", workload="all"))
    client = await connect()
    for uid, count in (("a,b", 3), ("all", 4), ("nobody", 0), ("a", 0)):
        body = await (await client.get(f"/v1/workloads/{uid}/metrics/data")).json()
        assert (body["workload_uid"], body["total_count"]) == (uid, count)


async def test_lists_of_sources_and_statuses(connect: Connect, store: Store) -> None:
    fill(store, 3, "loss")
    fill(store, 4, "lr", input=an_input("/x/w", id="w", data_source="wandb"))
    fill(store, 5, "lr", input=an_input("/x/t", id="t", data_source="tensorflow"))
    client = await connect(wall=lambda: START / 1000.0)
    for query, count in (("{log,wandb}", 7), ("tensorflow, log", 8), ("tensorflow", 5), ("none", 0)):
        body = await (await client.get("/v1/workloads/w/metrics/data", params={"data_source": query})).json()
        assert (body["total_count"], body["data_source"]) == (count, query)
    for query, count in (("{ended,running}", 1), ("finished,failed", 0), ("running", 1)):
        body = await (await client.get("/v1/workloads", params={"status": query})).json()
        assert body["total_count"] == count, query


async def test_seconds_are_refused_only_where_points_are_later(connect: Connect, store: Store) -> None:
    fill(store, 3, "loss")
    relative = an_input("/x/r", id="r", workload="r")
    (input,) = store.register([relative])
    store.apply(input, Batch(b"1", {"loss": Series(Points.of([0, 1], [0.0, 2e9], [1.0, 2.0]))}))
    client = await connect()
    query = {"start": "1795000000", "end": "1795000009"}
    answer = await client.get("/v1/workloads/w/metrics/data", params=query)
    assert answer.status == 400
    assert "seconds given where milliseconds are expected" in (await answer.json())["message"]
    assert (await client.get("/v1/workloads/w/events", params=query)).status == 400
    body = await (
        await client.get("/v1/workloads/r/metrics/data", params=query | {"end": "2000000000"})
    ).json()
    assert body["total_count"] == 1
    assert (await client.get("/v1/workloads/nobody/metrics/data", params=query)).status == 200
    for end in ("99999999", "100000000000"):
        answer = await client.get("/v1/workloads/w/metrics/data", params={"start": "0", "end": end})
        assert answer.status == 200


@pytest.mark.parametrize(("name", "value"), [("order", "step"), ("format", "xml"), ("cluster", "{a,b}")])
async def test_what_is_not_known_is_refused(connect: Connect, store: Store, name: str, value: str) -> None:
    client = await connect()
    answer = await client.get("/v1/workloads/w/metrics/data", params={name: value})
    assert answer.status == 400
    assert f"{name} is {value!r}" in (await answer.json())["message"]
