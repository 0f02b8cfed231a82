"""How answers are sent: exact values, whole or streamed, in every format, and what happens half-way."""

from __future__ import annotations

import csv
import json
import math
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from lensd.config import RateLimits
from lensd.model import Batch, Points, Series
from lensd.query import several
from lensd.query.results import PointsInfo, Slice
from lensd.store import ReadTimeout, Store, StoreError
from tests.api.conftest import START, Connect, fill
from tests.conftest import StartDaemon, an_input

DATA = "/api/v1/workloads/w/metrics/data"
ROWS = "/api/runs/w/metrics_step"
PLAIN = {"Accept-Encoding": "identity"}

#: Where shortest representations go wrong, if they do.
ODD = [
    0.1,
    1 / 3,
    5e-324,
    1.7976931348623157e308,
    2.2250738585072014e-308,
    1e16,
    1e22,
    123456789.0,
    1e-7,
]


def put(store: Store, values: list[float], name: str = "loss") -> None:
    (input,) = store.register([an_input()])
    at = range(len(values))
    points = Points.of(at, [START + 1000.0 * i for i in at], values)
    store.apply(input, Batch(b"c", {name: Series(points)}))


def bits(values: list[float]) -> list[str]:
    return [float(value).hex() for value in values]


async def test_values_come_back_to_the_bit(connect: Connect, store: Store) -> None:
    put(store, ODD)
    client = await connect()
    points = json.loads(await (await client.get(DATA)).read())["data"]
    lines = (await (await client.get(f"{DATA}?format=ndjson")).text()).splitlines()
    table = list(csv.DictReader((await (await client.get(f"{DATA}?format=csv")).text()).splitlines()))
    rows = json.loads(await (await client.get(ROWS)).read())["rows"]
    assert bits([point["value"] for point in points]) == bits(ODD)
    assert bits([json.loads(line)["value"] for line in lines]) == bits(ODD)
    assert bits([float(row["value"]) for row in table]) == bits(ODD)
    assert bits([row["loss"] for row in rows]) == bits(ODD)


async def test_nan_and_infinity_are_left_out(connect: Connect, store: Store) -> None:
    put(store, [1.0, math.nan, math.inf, 4.0])
    client = await connect()
    points = json.loads(await (await client.get(DATA)).read(), parse_constant=pytest.fail)
    assert [point["iteration"] for point in points["data"]] == [0, 3]
    assert points["total_count"] == 2
    rows = json.loads(await (await client.get(ROWS)).read(), parse_constant=pytest.fail)["rows"]
    assert [row.get("loss") for row in rows] == [1.0, None, None, 4.0]
    assert [list(row) for row in rows[1:3]] == [["global_step"], ["global_step"]]


@pytest.mark.parametrize("name", ['a,"b"', "100%s", "{a}", "kaffee/é", "a b", "new\nline"])
async def test_names_may_hold_anything(connect: Connect, store: Store, name: str) -> None:
    put(store, [1.0, 2.0], name)
    client = await connect()
    query = [("metrics", name), ("metrics", "")]  # repeated, so that a comma is part of the name
    points = (await (await client.get(DATA, params=query)).json())["data"]
    assert [point["metric_name"] for point in points] == [name, name]
    table = await client.get(DATA, params=[*query, ("format", "csv")])
    rows = list(csv.DictReader((await table.text()).splitlines(keepends=True)))
    assert [row["metric_name"] for row in rows] == [name, name]
    assert [row[name] for row in (await (await client.get(ROWS)).json())["rows"]] == [1.0, 2.0]


async def test_a_name_that_is_both_numbers_and_texts_is_one_column(connect: Connect, store: Store) -> None:
    (input,) = store.register([an_input()])
    numbers = Series(Points.of([1, 2], [START, START], [0.5, 0.25]))
    texts = Series(Points.of([2], [START], [0.0]), texts=["late"])
    store.apply(input, Batch(b"1", {"phase": numbers}))
    store.apply(input, Batch(b"2", {"phase": texts}))
    body = await (await (await connect()).get(ROWS)).json()
    assert len(body["columns"]) == len(set(body["columns"]))
    assert all(set(row) <= set(body["columns"]) for row in body["rows"])


async def test_iterations_as_a_table_have_no_attempts(connect: Connect, store: Store) -> None:
    (input,) = store.register([an_input()])
    points = Points.of([1, 2], [START, START + 1000.0], [0.5, 0.25])
    targets = Points.of([1, 2], [START, START + 1000.0], [100.0, 100.0])
    store.apply(input, Batch(b"c", {"loss": Series(points)}, targets=targets))
    url = "/v1/workloads/w/metrics/iteration-times?format=csv&attempt=all"
    table = (await (await (await connect()).get(url)).text()).splitlines()
    assert table == [
        "metric_name,value,timestamp,iteration,data_source",
        f"iteration,1,{START:.0f},1,log",
        f"target_iteration,100,{START:.0f},1,log",
        f"iteration,2,{START + 1000:.0f},2,log",
        f"target_iteration,100,{START + 1000:.0f},2,log",
    ]


@pytest.mark.parametrize("form", ["json", "csv", "ndjson"])
async def test_every_format_streams(connect: Connect, store: Store, form: str) -> None:
    fill(store, 60_000, "loss")
    client = await connect()
    answer = await client.get(f"{DATA}?format={form}", headers=PLAIN)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert (await answer.read()).count(b"loss") == 60_000


async def test_a_small_answer_has_its_length(connect: Connect, store: Store) -> None:
    fill(store, 5, "loss")
    answer = await (await connect()).get(DATA, headers=PLAIN)
    assert int(answer.headers["Content-Length"]) == len(await answer.read())


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("*", True), ("gzip;q=0.5, br", True), ("gzip;q=0", False), ("*;q=0, gzip", True),
     ("gzip;q=0.0, *", False), ("br", False), ("", False)],
)  # fmt: skip
async def test_only_who_takes_gzip_gets_it(
    connect: Connect, store: Store, accepted: str, packed: bool
) -> None:
    fill(store, 500, "loss")
    client = await connect()
    for path in (DATA, ROWS):
        answer = await client.get(path, headers={"Accept-Encoding": accepted})
        assert ("Content-Encoding" in answer.headers) == packed
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert await answer.json()


async def test_head_of_a_large_answer_leaves_the_connection_usable(connect: Connect, store: Store) -> None:
    fill(store, 60_000, "loss")
    client = await connect()
    for _ in range(3):
        head = await client.head(DATA, headers=PLAIN)
        assert (head.status, await head.read()) == (200, b"")
        assert (await client.get("/healthz")).status == 200


@pytest.mark.parametrize(
    "path", [DATA, ROWS, DATA.replace("data", "sources"), DATA.replace("data", "available")]
)
async def test_what_did_not_change_is_not_sent_again(connect: Connect, store: Store, path: str) -> None:
    fill(store, 5, "loss")
    client = await connect(rate_limits=RateLimits())
    tag = (await client.get(path)).headers["ETag"]
    again = await client.get(path, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status, again.headers["ETag"], await again.read()) == (304, tag, b"")
    assert ("X-RateLimit-Remaining" in again.headers) == (path == ROWS)
    fill(store, 5, "loss", begin=5)
    assert (await client.get(path, headers={"If-None-Match": tag})).status == 200


async def test_another_question_has_another_tag(connect: Connect, store: Store) -> None:
    fill(store, 5, "loss")
    client = await connect()
    tag = (await client.get(DATA)).headers["ETag"]
    assert (await client.get(f"{DATA}?metrics=acc", headers={"If-None-Match": tag})).status == 200


async def test_rows_asked_for_again_are_as_before(connect: Connect, store: Store) -> None:
    fill(store, 3000, "loss", "acc")
    client = await connect()
    url = f"{ROWS}?downsample=200"
    answers = [
        await (await client.get(url, headers={"Accept-Encoding": accepted})).json()
        for accepted in ("identity", "identity", "gzip", "gzip", "identity")
    ]
    assert all(answer == answers[0] for answer in answers)
    stats = await (await client.get("/api/metrics/cache/stats")).json()
    assert (stats["misses"], stats["hits"]) == (1, 4)


async def test_many_rows_stream(connect: Connect, store: Store) -> None:
    fill(store, 30_000, "loss", "acc")
    client = await connect()
    answer = await client.get(ROWS, headers=PLAIN)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert (answer.headers["X-Row-Count"], answer.headers["X-Last-Step"]) == ("30000", "29999")
    body = await answer.json()
    assert (len(body["rows"]), body["total"], body["sampled"]) == (30_000, 30_000, 30_000)
    fast = await (await client.get("/api/v2/experiments/w/metrics/fast")).json()
    assert (len(fast["rows"]), fast["total_points"]) == (30_000, 30_000)
    assert fast["applied_filters"] == {"metrics": None, "step_range": None, "downsampled": False}


async def test_an_open_range_is_reported_as_open(connect: Connect, store: Store) -> None:
    fill(store, 30, "loss")
    url = "/api/v2/experiments/w/metrics/fast?step_range=25:"
    body = await (await (await connect()).get(url)).json()
    assert [row["global_step"] for row in body["rows"]] == [25, 26, 27, 28, 29]
    assert body["applied_filters"]["step_range"] == [25, None]


# What goes wrong


def failing(error: Exception, after: int) -> Any:
    """A query that gives so many slices and then fails."""

    def points(reader: Any, uid: str, selection: Any) -> tuple[PointsInfo, Iterator[Slice]]:
        def slices() -> Iterator[Slice]:
            at = np.arange(20_000)
            for _ in range(after):
                yield Slice("loss", "log", at, at, at / 7.0)
            raise error

        return PointsInfo(1), slices()

    return points


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StoreError("/secret/x.db is damaged"), "database query failed"),
        (ReadTimeout("the answer took longer than 30 s to read"), "longer than 30 s"),
        (ZeroDivisionError("/secret/code.py"), "internal error"),
    ],
)
@pytest.mark.parametrize("path", [DATA, DATA.replace("/api", "/lens")])
async def test_a_failure_is_reported_without_details(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, path: str, error: Exception, message: str
) -> None:
    monkeypatch.setattr(several, "points", failing(error, after=0))
    answer = await (await connect()).get(path)
    body = await answer.json()
    assert (answer.status, body["code"]) == (500, "InternalError")
    assert message in body["message"]
    assert message in (answer.reason or "")
    assert "secret" not in await answer.text()
    assert "Traceback" not in await answer.text()


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
@pytest.mark.parametrize("error", [StoreError("x"), ReadTimeout("x"), ZeroDivisionError()])
async def test_a_failure_half_way_does_not_look_like_an_end(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, accepted: str, error: Exception
) -> None:
    client = await connect()
    monkeypatch.setattr(several, "points", failing(error, after=5))
    with pytest.raises(aiohttp.ClientError):
        await (await client.get(DATA, headers={"Accept-Encoding": accepted})).read()
    monkeypatch.undo()
    assert (await client.get(DATA)).status == 200


@pytest.mark.slow
def test_five_million_points_take_little_memory(tmp_path: Path, serve: StartDaemon) -> None:
    store = Store.open(tmp_path / "x.db")
    (input,) = store.register([an_input()])
    at = np.arange(250_000, dtype=np.int64)
    seconds = at.astype(np.float64)
    names = [f"metric_{number}" for number in range(20)]
    series = {name: Series(Points(at, START + seconds * 1000.0, np.sin(seconds), at)) for name in names}
    store.apply(input, Batch(b"c", series))
    store.close()
    (tmp_path / "empty").mkdir()
    daemon = serve("--once", "--db", str(tmp_path / "x.db"), str(tmp_path / "empty"))
    assert daemon.get(f"{DATA}?metrics=none")["total_count"] == 0
    before = peak_kb(daemon.process.pid)
    end = b""
    with urllib.request.urlopen(daemon.base + DATA, timeout=120) as answer:
        while piece := answer.read(1 << 20):
            end = (end + piece)[-60:]
    assert b'],"total_count":5000000,' in end
    assert peak_kb(daemon.process.pid) - before < 64 << 10


def peak_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
