"""The description of the API: the route table, the OpenAPI document and the reference say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from openapi_spec_validator import validate

from lensd.api import page, reference
from lensd.api.description import Route
from lensd.api.routes import ROUTES
from lensd.config import RateLimits
from lensd.store import Store
from tests.api.conftest import Client, Connect, fill, running
from tests.api.schemas import DOCUMENT, answer_faults, faults, operation
from tests.conftest import DATA, ROOT

EVIDENCE = {"wandb": {"id": "r1", "config": {"framework": "megatron"}}}
METRICS = {"workload_uid": "w", "run_id": "r1", "metrics": [{"name": "a", "value": 1.0, "step": 1}]}
LOGS = {"workload_uid": "w", "run_id": "r1", "logs": [{"step": 1, "data": {"a": 1.0}}]}
DETECTION = {"workload_uid": "w", "evidence": EVIDENCE}
STREAM = {"files": {"output.log": {"offset": 0, "content": ["hello"]}}}
VIEWER = {"query": "query Viewer { viewer { id } }"}

#: Operation to the rest of its path and, if it has one, its body.
ASSET = next(path for path in (page.FOLDER / "assets").iterdir() if path.suffix == ".js")
CALLS: dict[str, tuple[str, Any]] = {
    "listWorkloads": ("/workloads?q=w", None),
    "getWorkload": ("/workloads/w", None),
    "listSources": ("/workloads/w/metrics/sources", None),
    "listMetrics": ("/workloads/w/metrics/available", None),
    "getPoints": ("/workloads/w/metrics/data?attempt=all&downsample=100", None),
    "getIterationTimes": ("/workloads/w/metrics/iteration-times", None),
    "pushDetection": ("/wandb/detection", DETECTION),
    "pushMetrics": ("/wandb/metrics", METRICS),
    "pushLogs": ("/wandb/logs", LOGS),
    "pushBatch": ("/wandb/batch", {"detection": DETECTION, "metrics": METRICS, "logs": LOGS}),
    "listEvents": ("/workloads/w/events?start=0&end=1", None),
    "getFramework": ("/workloads/w/framework-detection", None),
    "listRuns": ("/api/runs", None),
    "getRun": ("/api/runs/w", None),
    "getRowsByTime": ("/api/runs/w/metrics", None),
    "getRowsByStep": ("/api/runs/w/metrics_step?downsample=100", None),
    "getProgress": ("/api/runs/w/progress", None),
    "getCacheStats": ("/api/metrics/cache/stats", None),
    "getSelectedRows": ("/api/v2/experiments/w/metrics/fast?metric_names=loss&step_range=:5", None),
    "wandbGraphql": ("/graphql", VIEWER),
    "wandbFileStream": ("/files/e/p/r/file_stream", STREAM),
    "wandbUpload": ("/files/e/p/r/upload?file=output.log", b"hello"),
    "wandbRunPage": ("/e/p/runs/r", None),
    "getPanels": ("/panels?runs=w&metrics=loss", None),
    "getRunTable": ("/runs/table?limit=5", None),
    "getLogLines": ("/workloads/w/logs/lines?count=5", None),
    "searchLog": ("/workloads/w/logs/search?q=loss", None),
    "listInputs": ("/inputs?workload=w", None),
    "getPage": ("/", None),
    "getPageFile": (f"/assets/{ASSET.name}", None),
    "getApiHealth": ("/api/health", None),
    "getVersion": ("/api/version", None),
    "getHealth": ("/healthz", None),
    "getReadiness": ("/readyz", None),
    "getOwnMetrics": ("/metrics", None),
    "getOpenApi": ("/openapi.json", None),
}


@pytest.mark.slow
def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_operations_have_names_of_their_own() -> None:
    names = [described["operationId"] for path in DOCUMENT["paths"].values() for described in path.values()]
    assert len(set(names)) == len(names) > len(ROUTES)


async def test_the_table_has_the_routes_that_the_application_has(connect: Connect) -> None:
    client = await connect()
    app = running(client)
    served = {
        (route.method, route.resource.canonical.replace("{uid:[^/]*}", "{uid}"))
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    table = {(route.method, prefix + route.path) for route in ROUTES for prefix in route.surface.prefixes}
    described = {
        (method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations
    }
    assert served == table == described


def test_the_reference_is_made_of_the_table() -> None:
    text = (ROOT / "docs" / "http-api.md").read_text()
    assert text == reference.updated(text), "run `make docs`"


async def call(client: Client, route: Route, prefix: str) -> None:
    """Make the operation's call below a prefix; the answer must be as described."""
    path, body = CALLS[route.operation]
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
    answer = await client.request(route.method, prefix.replace("{workload}", "w") + path, data=data)
    assert answer.status == route.answer.status, await answer.text()
    assert answer.content_type in route.answer.media_types
    if answer.content_type == "application/json":
        content = operation(route.method, prefix + route.path)["responses"]["200"]["content"]
        assert faults(await answer.json(), content["application/json"]["schema"]) == []


async def test_every_route_answers_what_is_described(connect: Connect, store: Store) -> None:
    fill(store, 10, "loss", "acc")
    client = await connect(rate_limits=RateLimits())
    pushes_first = sorted(ROUTES, key=lambda route: route.method == "GET")
    for route in pushes_first:
        for prefix in () if route.is_websocket else route.surface.prefixes:
            await call(client, route, prefix)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body], ids=lambda r: r.operation)
def test_bodies_that_are_taken_are_described(route: Route) -> None:
    content = operation(route.method, route.surface.prefixes[0] + route.path)["requestBody"]["content"]
    body = CALLS[route.operation][1]
    if not isinstance(body, bytes):
        assert faults(body, content["application/json"]["schema"]) == []


CAPTURES = [json.loads(path.read_text()) for path in sorted((DATA / "primus-capture").glob("*/*.json"))]


@pytest.mark.parametrize("path", sorted({request["path"] for request in CAPTURES}))
def test_what_the_reference_client_sends_is_described(path: str) -> None:
    schema = operation("POST", path)["requestBody"]["content"]["application/json"]["schema"]
    for request in CAPTURES:
        if request["path"] == path:
            assert faults(request["body"], schema) == []


def test_an_answer_that_is_not_described_is_noticed() -> None:
    wrong = web.json_response({"status": "ok", "colour": "red"})
    assert "colour" in answer_faults("GET", "/healthz", wrong)[0]
