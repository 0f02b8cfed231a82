"""The description of the API, made of the types that its answers are encoded with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from lensd import __version__
from lensd.api import lens, push, runs
from lensd.api.errors import LENS_PREFIXES
from lensd.api.params import LEAST, MOST
from lensd.query.results import CacheStats, RunDetail, RunInfo, RunProgress


class LensError(msgspec.Struct):
    code: str
    message: str


class RunsError(msgspec.Struct):
    detail: str | list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One path: what it answers and what it may be asked."""

    path: str
    summary: str
    answer: Any = None
    query: tuple[str, ...] = field(default=())


_SELECTION = (
    "data_source", "metrics", "start", "end", "cluster", "downsample", "since", "attempt", "input", "format",
)  # fmt: skip

LENS = (
    Route("/workloads", "All workloads", lens.WorkloadsAnswer, ("q", "status", "cluster")),
    Route("/workloads/{uid}/metrics/sources", "Data sources of a workload", lens.SourcesAnswer, ("cluster",)),
    Route(
        "/workloads/{uid}/metrics/available", "Metrics of a workload", lens.AvailableAnswer,
        ("data_source", "cluster"),
    ),
    Route("/workloads/{uid}/metrics/data", "Points of metrics", lens.PointsAnswer, _SELECTION),
    Route(
        "/workloads/{uid}/metrics/iteration-times", "When iterations were reported", lens.PointsAnswer,
        _SELECTION,
    ),
    Route("/workloads/{uid}/framework-detection", "The framework of a workload", None, ("cluster",)),
)  # fmt: skip

PUSHES = (
    Route("/wandb/detection", "Framework evidence of a run", None),
    Route("/wandb/metrics", "Metrics that were given to wandb", push.Taken),
    Route("/wandb/logs", "Rows that were given to wandb", push.Taken),
    Route("/wandb/batch", "Detection, metrics and logs at once", None),
)

#: What the W&B SDK speaks; its own documentation is the SDK.
ONLINE = (
    ("/graphql", "post", "The operations of W&B's server that its SDK needs"),
    ("/files/{entity}/{project}/{run}/file_stream", "post", "The file stream of a W&B run"),
    (
        "/files/{entity}/{project}/{run}/upload",
        "put",
        "Files of a W&B run; most are refused",
    ),
    ("/{entity}/{project}/runs/{run}", "get", "The page of an online W&B run"),
)

RUNS = (
    Route("/api/runs", "All runs, the newest first", list[RunInfo]),
    Route("/api/runs/{run_id}", "One run", RunDetail),
    Route(
        "/api/runs/{run_id}/metrics", "Rows of a run by time", runs.RowsAnswer, ("downsample", "data_source")
    ),
    Route(
        "/api/runs/{run_id}/metrics_step", "Rows of a run by step", runs.RowsAnswer,
        ("downsample", "data_source"),
    ),
    Route("/api/runs/{run_id}/progress", "How far a run is (deprecated)", RunProgress),
    Route(
        "/api/runs/{run_id}/logs/ws", "WebSocket: one text message per log line", None,
        ("tail", "after", "follow", "progress", "ansi", "input", "token"),
    ),
    Route("/api/metrics/cache/stats", "What the row cache did", CacheStats),
    Route(
        "/api/v2/experiments/{run_id}/metrics/fast", "Rows by step of chosen metrics and steps",
        runs.FastAnswer, ("downsample", "metric_names", "step_range"),
    ),
    Route("/api/health", "Whether the daemon answers", None),
    Route("/api/version", "The version of lensd", None),
    Route("/healthz", "Whether the process is up", None),
    Route("/readyz", "Whether the daemon is ready; 503 with the reason if not", None),
    Route("/metrics", "Metrics of the daemon itself, for Prometheus", None),
    Route("/openapi.json", "This document", None),
)  # fmt: skip

_INTEGERS = {"start", "end", "after"}
_DESCRIPTIONS = {
    "metrics": "Names separated by commas, `{a,b}`, or repeated; `all` or nothing means all",
    "start": "UTC milliseconds, included; together with `end`",
    "end": "UTC milliseconds, included; together with `start`",
    "since": "The `next` of an earlier answer: only what came after it",
    "attempt": "`current`, `all`, or a number",
    "input": "The id of one input, as `lensd sources` prints it",
    "cluster": "Another lensd that the configuration names",
    "downsample": f"At most so many points of each series, or rows: {LEAST} to {MOST}",
    "step_range": "`min:max`, both included",
    "format": "json, csv or ndjson",
    "tail": "How many lines of the backlog: a number or `all`",
}


@cache
def document() -> bytes:
    """The OpenAPI document as JSON."""
    types = [route.answer for route in (*LENS, *PUSHES, *RUNS) if route.answer is not None]
    _, components = msgspec.json.schema_components(
        [*types, LensError, RunsError], ref_template="#/components/schemas/{name}"
    )
    paths = {
        prefix + route.path: {"get": _operation(route, LensError)}
        for prefix in LENS_PREFIXES
        for route in LENS
    }
    paths |= {
        prefix + route.path: {"post": _operation(route, LensError)}
        for prefix in LENS_PREFIXES
        for route in PUSHES
    }
    paths |= {
        address + path: {method: {"summary": summary}}
        for address in ("", "/for/{workload}")
        for path, method, summary in ONLINE
    }
    paths |= {route.path: {"get": _operation(route, RunsError)} for route in RUNS}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "lensd", "version": __version__},
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _operation(route: Route, error: type) -> dict[str, Any]:
    (shown,), _ = msgspec.json.schema_components([error], ref_template="#/components/schemas/{name}")
    success: dict[str, Any] = {"description": "OK"}
    if route.answer is not None:
        (schema,), _ = msgspec.json.schema_components(
            [route.answer], ref_template="#/components/schemas/{name}"
        )
        success["content"] = {"application/json": {"schema": schema}}
    return {
        "summary": route.summary,
        "parameters": [_path_parameter(name) for name in ("uid", "run_id") if f"{{{name}}}" in route.path]
        + [_query_parameter(name) for name in route.query],
        "responses": {
            "200": success,
            "default": {"description": "An error", "content": {"application/json": {"schema": shown}}},
        },
    }


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"} if name in _INTEGERS else {"type": "string"}
    if name == "downsample":
        schema = {"type": "integer", "minimum": LEAST, "maximum": MOST}
    found: dict[str, Any] = {"name": name, "in": "query", "schema": schema}
    if name in _DESCRIPTIONS:
        found["description"] = _DESCRIPTIONS[name]
    return found
