"""The route table: every operation of the HTTP API with its handler and its description, once.

`app.py` builds the router from it, `openapi.py` the OpenAPI document, `reference.py` the reference in
`docs/http-api.md`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from lensd.api import bodies, events, lens, live, logs, logs_ws, ops, page, params, push, runs, wandb_online
from lensd.api.description import CSV, WEBSOCKET_STATUS, Answer, Body, Route, Surface
from lensd.api.errors import LENS_PREFIXES
from lensd.api.logs import InputsAnswer
from lensd.query.log_pages import LogPage
from lensd.query.log_search import FoundLines
from lensd.query.panels import Panels
from lensd.query.results import CacheStats, RunDetail, RunInfo, RunProgress, WorkloadDetail
from lensd.query.run_table import RunTable
from lensd.wandb.framework import Detection

LENS = Surface("Lens API: queries", LENS_PREFIXES, bodies.LensError)
PUSHES = Surface("Lens API: pushes", LENS_PREFIXES, bodies.LensError)
PAGE = Surface("Page", LENS_PREFIXES, bodies.LensError)
RUNS = Surface("Runs API", ("",), bodies.RunsError)
WANDB = Surface("W&B server", ("", "/for/{workload}"), bodies.RunsError)
OPERATIONS = Surface("Operations", ("",), bodies.RunsError)
SURFACES = (LENS, PUSHES, PAGE, RUNS, WANDB, OPERATIONS)

_POINTS: dict[str, Any] = {
    "answer": Answer(
        lens.PointsAnswer, ("text/csv", "application/x-ndjson"), other_type=lens.WideAnswer
    ),
    "parameters": (
        params.DATA_SOURCES, params.METRICS, params.START, params.END, params.DOWNSAMPLE, params.SINCE,
        params.ATTEMPT, params.INPUT, params.ORDER, params.FORMAT, params.CLUSTER,
    ),
    "errors": (400, 429),
    "versioned": True,
}  # fmt: skip
_ROWS: dict[str, Any] = {
    "answer": Answer(
        runs.RowsAnswer,
        ("text/csv",),
        headers=(
            "X-Row-Count", "X-Total-Count", "X-Last-Step",
            "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
        ),
    ),
    "parameters": (params.DOWNSAMPLE, params.DATA_SOURCE, params.LIST_FORMAT),
    "errors": (400, 404, 422, 429),
    "versioned": True,
}  # fmt: skip
_STORED = (400, 408, 413, 429)


def _route(surface: Surface, method: str, path: str, handler: Any, operation: str, summary: str,
           answer: Answer | None = None, **more: Any) -> Route:  # fmt: skip
    fields = more | ({"answer": answer} if answer else {})
    if CSV in fields["answer"].media_types:
        fields["parameters"] = (*fields["parameters"], params.SPREADSHEET)
    return Route(surface=surface, method=method, path=path, handler=handler, operation=operation,
                 summary=summary, **fields)  # fmt: skip


_lens_get = partial(_route, LENS, "GET")
_push = partial(_route, PUSHES, "POST")
_page_get = partial(_route, PAGE, "GET")
_runs_get = partial(_route, RUNS, "GET")
_wandb = partial(_route, WANDB)
_operations_get = partial(_route, OPERATIONS, "GET")

ROUTES: tuple[Route, ...] = (
    _lens_get(
        "/workloads", lens.workloads, "listWorkloads", "All workloads, by uid",
        Answer(lens.WorkloadsAnswer, ("text/csv",)),
        parameters=(
            params.SEARCH, params.STATUS, params.WHERE, params.WORKLOAD_ORDER, params.LIST_LIMIT,
            params.OFFSET, params.LIST_FORMAT, params.CLUSTER,
        ),
        errors=(400,),
    ),
    _lens_get(
        "/workloads/{uid}", lens.workload, "getWorkload",
        "All that is known of a workload: configuration, labels, command, host", Answer(WorkloadDetail),
        parameters=(params.CLUSTER,), errors=(400, 404),
    ),
    _lens_get(
        "/workloads/{uid}/metrics/sources", lens.sources, "listSources",
        "Data sources of a workload, the largest first", Answer(lens.SourcesAnswer, ("text/csv",)),
        parameters=(params.LIST_FORMAT, params.CLUSTER), errors=(400,), versioned=True,
    ),
    _lens_get(
        "/workloads/{uid}/metrics/available", lens.available, "listMetrics",
        "Metrics of a workload, by name", Answer(lens.AvailableAnswer, ("text/csv",)),
        parameters=(
            params.DATA_SOURCES, params.LIST_LIMIT, params.OFFSET, params.LIST_FORMAT, params.CLUSTER,
        ), errors=(400,), versioned=True,
    ),
    _lens_get(
        "/workloads/{uid}/metrics/data", lens.data, "getPoints",
        "Points, ordered by metric name, data source, timestamp and iteration", **_POINTS,
    ),
    _lens_get(
        "/workloads/{uid}/metrics/iteration-times", lens.iteration_times, "getIterationTimes",
        "When each iteration was first reported, as metrics `iteration` and `target_iteration`", **_POINTS,
    ),
    _lens_get(
        "/workloads/{uid}/framework-detection", lens.framework_detection, "getFramework",
        "The framework that trains a workload, and the evidence", Answer(Detection),
        parameters=(params.CLUSTER,), errors=(400, 404),
    ),
    _lens_get(
        "/workloads/{uid}/events", events.workload_events, "listEvents",
        "What happened in a workload, by time: attempts, first NaN of metrics, spikes, stalls, its end",
        Answer(events.EventsAnswer, ("text/csv",)),
        parameters=(
            params.EVENT_METRICS, params.START, params.END, params.EVENT_FORMAT, params.CLUSTER,
        ),
        errors=(400,),
    ),
    _push(
        "/wandb/detection", push.detection, "pushDetection", "Report evidence of the framework, once a run",
        Answer(push.DetectionTaken), body=Body(bodies.DetectionPush), errors=_STORED,
    ),
    _push(
        "/wandb/metrics", push.metrics, "pushMetrics", "Report values, one entry a value",
        Answer(push.Taken), body=Body(bodies.MetricsPush), errors=_STORED,
    ),
    _push(
        "/wandb/logs", push.logs, "pushLogs", "Report values, one entry a step",
        Answer(push.Taken), body=Body(bodies.LogsPush), errors=_STORED,
    ),
    _push(
        "/wandb/batch", push.batch, "pushBatch", "Report all three at once; each succeeds or fails alone",
        Answer(push.BatchTaken), body=Body(bodies.BatchPush), errors=_STORED,
    ),
    _page_get(
        "/panels", page.panel_curves, "getPanels", "Curves of many runs, on one grid a metric",
        Answer(Panels),
        parameters=(
            params.RUNS, params.PANEL_METRICS, params.AXIS, params.LOW, params.HIGH, params.BINS,
            params.SMOOTH,
        ),
        errors=(400,), versioned=True,
    ),
    _page_get(
        "/runs/table", page.table, "getRunTable",
        "Runs with status, progress and the course of their main metric; running ones first, then the newest",
        Answer(RunTable), parameters=(params.SEARCH, params.LIMIT, params.ONLY), errors=(400,),
    ),
    _page_get(
        "/workloads/{uid}/logs/lines", logs.lines, "getLogLines",
        "Lines of the log by number, by step or by time, each with the step whose values it prints",
        Answer(LogPage),
        parameters=(params.FIRST_LINE, params.LINES, params.AT_STEP, params.AT_TIME, params.INPUT),
        errors=(400, 404),
    ),
    _page_get(
        "/workloads/{uid}/logs/search", logs.search, "searchLog", "Lines of the log that hold a text",
        Answer(FoundLines),
        parameters=(params.TEXT, params.REGEX, params.SEARCH_FROM, params.HITS, params.INPUT),
        errors=(400, 404),
    ),
    _page_get(
        "/inputs", logs.inputs, "listInputs",
        "What is read: state, format, counts, and lines that look like metrics and were not read",
        Answer(InputsAnswer), parameters=(params.WORKLOAD, params.SAMPLES), errors=(400, 404),
    ),
    _page_get(
        "/live", live.live, "streamChanges", "WebSocket: a message each time that runs have changed",
        Answer(status=WEBSOCKET_STATUS, description="Switching Protocols; messages follow"),
        parameters=(params.TOKEN,), errors=(426,),
    ),
    _runs_get(
        "/api/runs", runs.list_runs, "listRuns", "All runs, the newest first",
        Answer(list[RunInfo], ("text/csv",), ("X-Total-Count",)),
        parameters=(params.RUN_ORDER, params.LIST_LIMIT, params.OFFSET, params.LIST_FORMAT), errors=(400,),
    ),
    _runs_get(
        "/api/runs/{run_id}", runs.one_run, "getRun", "What is known of a run", Answer(RunDetail),
        errors=(404,),
    ),
    _runs_get("/api/runs/{run_id}/metrics", runs.metrics, "getRowsByTime", "Rows of a run by time", **_ROWS),
    _runs_get(
        "/api/runs/{run_id}/metrics_step", runs.metrics_step, "getRowsByStep", "Rows of a run by step",
        **_ROWS,
    ),
    _runs_get(
        "/api/runs/{run_id}/progress", runs.progress, "getProgress",
        "How far a run is (deprecated); `available` is false where nothing is known", Answer(RunProgress),
    ),
    _runs_get(
        "/api/runs/{run_id}/logs/ws", logs_ws.logs, "streamLog",
        "WebSocket: the last lines of the log, then each new line, one text message a line",
        Answer(status=WEBSOCKET_STATUS, description="Switching Protocols; messages follow"),
        parameters=(
            params.TAIL, params.AFTER, params.FOLLOW, params.PROGRESS, params.ANSI, params.INPUT,
            params.TOKEN,
        ),
        errors=(404, 422, 426, 429),
    ),
    _runs_get(
        "/api/metrics/cache/stats", runs.cache_stats, "getCacheStats", "Counters of the row cache",
        Answer(CacheStats),
    ),
    _runs_get(
        "/api/v2/experiments/{run_id}/metrics/fast", runs.fast, "getSelectedRows",
        "Rows by step, of chosen metrics and steps", Answer(runs.FastAnswer, ("text/csv",)),
        parameters=(params.DOWNSAMPLE, params.METRIC_NAMES, params.STEP_RANGE, params.LIST_FORMAT),
        errors=(400, 404, 422, 429),
    ),
    _wandb(
        "POST", "/graphql", wandb_online.graphql, "wandbGraphql",
        "The GraphQL operations that the W&B SDK needs", Answer(bodies.GraphQLAnswer),
        body=Body(bodies.GraphQLRequest), errors=(*_STORED, 409),
    ),
    _wandb(
        "POST", "/files/{entity}/{project}/{run}/file_stream", wandb_online.file_stream, "wandbFileStream",
        "Store what the W&B SDK streams of a run", Answer(bodies.FileStreamAnswer),
        body=Body(bodies.FileStreamRequest), errors=(*_STORED, 409),
    ),
    _wandb(
        "PUT", "/files/{entity}/{project}/{run}/upload", wandb_online.upload, "wandbUpload",
        "Take a bookkeeping file of a run, which is not kept; any other file is 403", Answer(dict[str, Any]),
        body=Body(media_type="application/octet-stream"), parameters=(params.FILE,), errors=(400, 408, 413),
    ),
    _wandb(
        "GET", "/{entity}/{project}/runs/{run}", wandb_online.page, "wandbRunPage",
        "The page whose address the W&B SDK prints: links to the data of the run",
        Answer(other_types=("text/html",)),
    ),
    _operations_get(
        "/", page.index, "getPage", "The page", Answer(other_types=("text/html", "text/plain")),
    ),
    _operations_get(
        "/assets/{name}", page.asset, "getPageFile", "A file of the page",
        Answer(other_types=("text/javascript", "text/css")), errors=(404,),
    ),
    _operations_get(
        "/api/health", ops.healthz, "getApiHealth", "Whether the process is up", Answer(ops.HealthAnswer)
    ),
    _operations_get("/api/version", ops.version, "getVersion", "The version of lensd", Answer(ops.Version)),
    _operations_get(
        "/healthz", ops.healthz, "getHealth", "Whether the process is up", Answer(ops.HealthAnswer)
    ),
    _operations_get(
        "/readyz", ops.readyz, "getReadiness",
        "Whether the database answers and the first look at the folders is done", Answer(ops.HealthAnswer),
        also=(Answer(ops.HealthAnswer, status=503, description="Not ready; `reason` says why"),),
    ),
    _operations_get(
        "/metrics", ops.own_metrics, "getOwnMetrics", "Metrics of the daemon itself, for Prometheus",
        Answer(other_types=("text/plain", "application/openmetrics-text")),
    ),
    _operations_get(
        "/openapi.json", ops.openapi, "getOpenApi", "The OpenAPI document of this API", Answer(dict[str, Any])
    ),
)  # fmt: skip
