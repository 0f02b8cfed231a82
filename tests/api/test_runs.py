"""The Runs API, its limits, and who may ask."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lensd.config import RateLimits
from lensd.store import Store
from tests.api.conftest import Clock, Connect, fill

ROWS = "/api/runs/w/metrics_step"


async def test_rows_and_their_headers(connect: Connect, store: Store) -> None:
    fill(store, 500, "loss", "acc")
    client = await connect()
    answer = await client.get(f"{ROWS}?downsample=100")
    body = await answer.json()
    assert body["columns"] == ["global_step", "loss", "acc"]
    assert (body["total"], body["sampled"], len(body["rows"])) == (500, 100, 100)
    assert answer.headers["X-Row-Count"] == "100"
    assert answer.headers["X-Total-Count"] == "500"
    assert answer.headers["X-Last-Step"] == "499"
    by_time = await (await client.get("/api/runs/w/metrics")).json()
    assert by_time["columns"] == ["time", "loss", "acc"]
    assert [row["time"] for row in by_time["rows"][:3]] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("5", "greater_than_equal"), ("50001", "less_than_equal"), ("", "int_parsing"), ("1.5", "int_parsing")],
)
async def test_downsample_is_refused_even_for_unknown_runs(connect: Connect, text: str, kind: str) -> None:
    client = await connect()
    for run in ("w", "nobody"):
        answer = await client.get(f"/api/runs/{run}/metrics?downsample={text}")
        assert answer.status == 422
        (detail,) = (await answer.json())["detail"]
        assert (detail["type"], detail["loc"], detail["input"]) == (kind, ["query", "downsample"], text)


async def test_an_unknown_run_is_named(connect: Connect) -> None:
    client = await connect()
    for path in ("", "/metrics", "/metrics_step"):
        answer = await client.get(f"/api/runs/nobody{path}")
        assert (answer.status, await answer.json()) == (404, {"detail": "Run not found: nobody"})
    assert await (await client.get("/api/runs/nobody/progress")).json() == {
        "available": False,
        "status": "unknown",
    }


async def test_unknown_paths_answer_in_the_shape_of_their_api(connect: Connect) -> None:
    client = await connect()
    lens = await client.get("/api/v1/nothing")
    assert (lens.status, (await lens.json())["code"]) == (404, "NotFound")
    runs = await client.get("/api/nothing")
    assert (runs.status, list(await runs.json())) == (404, ["detail"])
    wrong = await client.delete("/api/runs")
    assert (wrong.status, await wrong.json()) == (405, {"detail": "Method Not Allowed"})


async def test_sixty_requests_a_minute(connect: Connect, store: Store, clock: Clock) -> None:
    fill(store, 5, "loss")
    client = await connect(rate_limits=RateLimits())
    for left in range(59, -1, -1):
        answer = await client.get(ROWS)
        assert (answer.status, answer.headers["X-RateLimit-Remaining"]) == (200, str(left))
        clock.now += 0.1
    refused = await client.get(ROWS)
    assert refused.status == 429
    assert await refused.json() == {"detail": "Rate limit exceeded", "retry_after": 54}
    assert refused.headers["Retry-After"] == "54"
    assert (await client.get("/api/runs/w/metrics")).status == 200, "each route has a window of its own"
    clock.now += 54.1
    assert (await client.get(ROWS)).status == 200


async def test_metrics_fast(connect: Connect, store: Store) -> None:
    fill(store, 400, "loss", "acc")
    client = await connect()
    url = "/api/v2/experiments/w/metrics/fast"
    body = await (await client.get(f"{url}?metric_names=acc&step_range=10:20")).json()
    assert body["columns"] == ["global_step", "acc"]
    assert [row["global_step"] for row in body["rows"]] == list(range(10, 21))
    assert body["applied_filters"] == {"metrics": ["acc"], "step_range": [10, 20], "downsampled": False}
    assert (await client.get(f"{url}?step_range=x")).status == 400


async def test_a_token_is_wanted_of_all_but_probes(connect: Connect) -> None:
    client = await connect(token="open sesame")
    basic = base64.b64encode(b"api:open sesame").decode()
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic !"}, 401),
        ({"Authorization": "Bearer open sesame"}, 200),
        ({"Authorization": f"Basic {basic}"}, 200),
    ):
        assert (await client.get("/v1/workloads", headers=headers)).status == status
    assert (await client.get("/v1/workloads?token=open sesame")).status == 401, "only WebSockets may"
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/readyz")).status == 200
    refused: Any = await (await client.get("/v1/workloads")).json()
    assert refused["code"] == "Unauthorized"


async def test_other_origins_are_let_in_by_name_only(connect: Connect, store: Store) -> None:
    fill(store, 5, "loss")
    client = await connect(origins=("http://grafana.example",))
    named = await client.get(ROWS, headers={"Origin": "http://grafana.example"})
    assert named.headers["Access-Control-Allow-Origin"] == "http://grafana.example"
    assert "X-Total-Count" in named.headers["Access-Control-Expose-Headers"]
    other = await client.get(ROWS, headers={"Origin": "http://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    posted = await client.post("/api/v1/workloads", headers={"Origin": "http://evil.example"})
    assert posted.status == 403


async def test_the_daemons_own_metrics(connect: Connect, store: Store) -> None:
    fill(store, 5, "loss")
    client = await connect()
    plain = await client.get("/metrics")
    assert plain.content_type == "text/plain"
    assert (
        'lensd_input_points_total{workload="w",data_source="log",adapter="log",input="train"} 5'
        in await plain.text()
    )
    strict = await client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert (await strict.text()).endswith("# EOF\n")
