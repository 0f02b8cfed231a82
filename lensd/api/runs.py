"""The Runs dialect: runs, their rows by time and by step, their progress."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from aiohttp import web

from lensd.api import params
from lensd.api.answer import WHOLE, body_answer, etag, json_answer, stream, unchanged
from lensd.api.encode import column_names, row_objects, rows_json
from lensd.api.errors import ApiError
from lensd.api.ratelimit import client
from lensd.api.state import ROWS, WINDOW, ask
from lensd.query import lens, runs
from lensd.query.answers import Axis, Progress, RowTable

_MANY = 4000  # rows; more of them are encoded while they are sent


class RowsAnswer(msgspec.Struct):
    """Rows of a run. Every key of a row is in `columns`; a row leaves out what it does not have."""

    columns: list[str]
    rows: list[dict[str, float | int | str]]
    total: int
    sampled: int


class AppliedFilters(msgspec.Struct):
    metrics: list[str]
    step_range: tuple[int, int] | None
    downsampled: bool


class FastAnswer(msgspec.Struct):
    columns: list[str]
    rows: list[dict[str, float | int]]
    query_time_ms: float
    total_points: int
    applied_filters: AppliedFilters


async def list_runs(request: web.Request) -> web.StreamResponse:
    return json_answer(request, await ask(request, runs.runs))


async def one_run(request: web.Request) -> web.StreamResponse:
    run_id = request.match_info["run_id"]
    found = await ask(request, lambda reader: runs.run(reader, run_id))
    if found is None:
        raise not_found(run_id)
    return json_answer(request, found)


async def metrics(request: web.Request) -> web.StreamResponse:
    return await _rows(request, "time")


async def metrics_step(request: web.Request) -> web.StreamResponse:
    return await _rows(request, "step")


async def _rows(request: web.Request, axis: Axis) -> web.StreamResponse:
    headers = request.app[WINDOW].take(axis, client(request))
    run_id, downsample = request.match_info["run_id"], params.runs_downsample(request)
    source = request.query.get("data_source") or None
    cache = request.app[ROWS]
    tag = etag(request, await ask(request, lambda reader: lens.workload_version(reader, run_id)))
    table = await ask(
        request,
        lambda reader: cache.rows(reader, run_id, axis, downsample=downsample, data_source=source),
    )
    if table is None:
        raise not_found(run_id)
    headers |= {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "X-Row-Count": str(len(table)),
        "X-Total-Count": str(table.total),
    }
    if len(table) and table.last_step is not None:
        headers["X-Last-Step"] = str(table.last_step)
    known = unchanged(request, tag)
    if known is not None:
        return known
    if len(table) > _MANY:
        return await stream(request, lambda _: rows_json(table), headers)
    if table.encoded is None:
        body = b"".join(rows_json(table))
        table.encoded = body if len(body) <= WHOLE else None
        return body_answer(request, body, headers=headers)
    return body_answer(request, table.encoded, headers=headers)


async def progress(request: web.Request) -> web.StreamResponse:
    run_id = request.match_info["run_id"]
    found: Progress = await ask(request, lambda reader: runs.progress(reader, run_id))
    return json_answer(request, found)


async def cache_stats(request: web.Request) -> web.StreamResponse:
    return json_answer(request, request.app[ROWS].stats())


async def fast(request: web.Request) -> web.StreamResponse:
    """Rows by step of chosen metrics in a range of steps."""
    began = time.perf_counter()
    run_id, downsample = request.match_info["run_id"], params.runs_downsample(request)
    wanted = params.metric_names(request.query.getall("metric_names", []))
    bounds = params.step_range(request)
    cache = request.app[ROWS]
    table = await ask(
        request,
        lambda reader: cache.rows(
            reader,
            run_id,
            "step",
            downsample=downsample,
            metric_names=wanted,
            step_range=bounds or params.ALL_STEPS,  # a range also leaves out the labels
        ),
    )
    if table is None:
        raise not_found(run_id)
    return body_answer(request, _fast_body(table, began, wanted, bounds, downsample))


def _fast_body(
    table: RowTable,
    began: float,
    wanted: frozenset[str] | None,
    bounds: tuple[int, int] | None,
    downsample: int | None,
) -> bytes:
    filters: dict[str, Any] = {
        "metrics": sorted(wanted) if wanted is not None else None,
        "step_range": list(bounds) if bounds else None,
        "downsampled": downsample is not None and len(table) < table.total,
    }
    rows = b"".join(row_objects(table))
    took = round((time.perf_counter() - began) * 1000.0, 2)
    return b'{"columns":%b,"rows":[%b],"query_time_ms":%b,"total_points":%d,"applied_filters":%b}' % (
        msgspec.json.encode(column_names(table)),
        rows,
        msgspec.json.encode(took),
        len(table),
        msgspec.json.encode(filters),
    )


def not_found(run_id: str) -> ApiError:
    return ApiError(404, f"Run not found: {run_id}")
