"""The events of a workload over HTTP."""

from __future__ import annotations

from lensd.model import Batch, Points, Series
from lensd.store import Store
from tests.api.conftest import START, Connect
from tests.conftest import an_input

EVENTS = "/v1/workloads/w/events"


def spiky(store: Store) -> None:
    """Two attempts; in the first a spike at step 40, and a NaN at step 50."""
    steps = [*range(60), *range(30, 90)]
    values = [3.0 + (step % 7) / 10 for step in steps]
    values[40], values[50] = 77.0, float("nan")
    (input,) = store.register([an_input()])
    points = Points.of(steps, (START + 1000.0 * i for i in range(len(steps))), values)
    store.apply(input, Batch(b"1", {"loss": Series(points)}))


async def test_events_come_by_time(connect: Connect, store: Store) -> None:
    spiky(store)
    client = await connect(wall=lambda: START / 1000.0)
    body = await (await client.get(EVENTS)).json()
    assert (body["workload_uid"], body["metric"]) == ("w", "loss")
    assert body["total_count"] == len(body["events"])
    assert [e["kind"] for e in body["events"]][:2] == ["start", "attempt"]
    assert body["events"][1] == {
        "time": START + 60_000, "time_end": None, "kind": "attempt", "iteration": 30, "metric": None,
        "data_source": "log", "value": None, "text": "attempt 2 starts at step 30, after step 59",
    }  # fmt: skip


async def test_a_range_of_times_cuts_them(connect: Connect, store: Store) -> None:
    spiky(store)
    client = await connect()
    query = {"start": str(int(START) + 1), "end": str(int(START) + 60_000)}
    body = await (await client.get(EVENTS, params=query)).json()
    assert [event["kind"] for event in body["events"]] == ["attempt"]


async def test_grafana_gets_annotations(connect: Connect, store: Store) -> None:
    spiky(store)
    client = await connect()
    body = await (await client.get(EVENTS, params={"format": "annotations"})).json()
    assert body[0] == {
        "time": START, "timeEnd": None, "title": "w: start", "text": "training starts at step 0",
        "tags": "start",
    }  # fmt: skip


async def test_a_table_has_a_row_for_each(connect: Connect, store: Store) -> None:
    spiky(store)
    client = await connect()
    answer = await client.get(EVENTS, params={"format": "csv"})
    lines = (await answer.text()).splitlines()
    assert lines[0] == "time,time_end,kind,text,iteration,metric,data_source,value"
    assert lines[1] == f"{START:.0f},,start,training starts at step 0,0,,log,"


async def test_nobody_has_no_events(connect: Connect) -> None:
    client = await connect()
    body = await (await client.get("/v1/workloads/nobody/events")).json()
    assert (body["events"], body["status"], body["total_count"]) == ([], None, 0)


async def test_a_format_that_is_none_is_refused(connect: Connect) -> None:
    client = await connect()
    answer = await client.get(EVENTS, params={"format": "xml"})
    assert answer.status == 400
    assert "json, csv, annotations" in (await answer.json())["message"]
