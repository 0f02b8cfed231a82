"""The Runs API: runs, their rows by time and by step, their progress."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
from aiohttp import web

from lensd.api import params
from lensd.api.description import CSV, JSON
from lensd.api.encode import (
    column_names,
    long_row_objects,
    long_rows_json,
    row_objects,
    rows_csv,
    rows_json,
)
from lensd.api.errors import ApiError
from lensd.api.ratelimit import client
from lensd.api.responses import accepts_gzip, body_answer, compress, etag, json_answer, without_body
from lensd.api.state import ROWS, WINDOW, ask, in_thread
from lensd.api.streaming import stream_made, stream_read
from lensd.api.tables import list_answer
from lensd.query import lens, runs
from lensd.query.results import Axis, RowTable, RunInfo, RunProgress
from lensd.query.rows import LongRows
from lensd.store import Reader

_MANY = 40_000  # values, about a megabyte; more of them are encoded while they are sent


class RowsAnswer(msgspec.Struct):
    """Rows of a run. Every key of a row is in `columns`; a row leaves out what it does not have."""

    columns: list[str]
    rows: list[dict[str, float | int | str]]
    total: int
    sampled: int


class AppliedFilters(msgspec.Struct):
    """null where nothing was asked for; `step_range` with null for an end that was left open."""

    metrics: list[str] | None
    step_range: tuple[int | None, int | None] | None
    downsampled: bool


class FastAnswer(msgspec.Struct):
    columns: list[str]
    rows: list[dict[str, float | int]]
    query_time_ms: float
    total_points: int
    applied_filters: AppliedFilters


async def list_runs(request: web.Request) -> web.StreamResponse:
    page, output_format = params.page(request), params.choice(request, params.LIST_FORMAT)
    infos = await ask(request, runs.runs)
    if params.choice(request, params.RUN_ORDER) == "created_time":
        infos.reverse()
    headers = {"X-Total-Count": str(len(infos))}
    return await list_answer(request, infos[page], infos[page], RunInfo, output_format, headers)


async def one_run(request: web.Request) -> web.StreamResponse:
    run_id = request.match_info["run_id"]
    run = await ask(request, lambda reader: runs.run(reader, run_id))
    if run is None:
        raise not_found(run_id)
    return await json_answer(request, run)


async def metrics(request: web.Request) -> web.StreamResponse:
    return await _rows(request, "time")


async def metrics_step(request: web.Request) -> web.StreamResponse:
    return await _rows(request, "step")


async def _rows(request: web.Request, axis: Axis) -> web.StreamResponse:
    headers = request.app[WINDOW].take(axis, client(request))
    run_id, downsample = request.match_info["run_id"], params.runs_downsample(request)
    source = request.query.get("data_source") or None
    cache = request.app[ROWS]
    version, table = await ask(
        request,
        lambda reader: (
            lens.workload_version(reader, run_id),
            cache.rows(reader, run_id, axis, downsample=downsample, data_source=source),
        ),
    )
    if table is None:
        raise not_found(run_id)
    headers |= {
        "ETag": etag(request, version),
        "Cache-Control": "no-cache",
        "X-Row-Count": str(table.rows if isinstance(table, LongRows) else len(table)),
        "X-Total-Count": str(table.total),
    }
    if table.total and table.last_step is not None:
        headers["X-Last-Step"] = str(table.last_step)
    is_csv = params.choice(request, params.LIST_FORMAT) == "csv"
    short = without_body(request, headers, CSV if is_csv else JSON)
    if short is not None:
        return short
    if is_csv:
        return await _csv(request, table, headers)
    if isinstance(table, LongRows):
        return await stream_read(request, lambda reader: long_rows_json(table, reader), headers)
    if len(table) * len(column_names(table)) > _MANY:
        return await stream_made(request, lambda: rows_json(table), headers)
    gzip = accepts_gzip(request)
    if table.encoded is None or (gzip and table.packed is None):
        await in_thread(request, lambda: _encode(table, gzip))
    return await body_answer(request, table.encoded or b"", headers=headers, compressed=table.packed)


async def _csv(
    request: web.Request, table: RowTable | LongRows, headers: dict[str, str]
) -> web.StreamResponse:
    if isinstance(table, LongRows):
        return await stream_read(
            request, lambda reader: rows_csv(table.names, table.tables(reader)), headers, CSV
        )
    names = list(dict.fromkeys([table.axis_name, *table.columns, *table.labels]))
    return await stream_made(request, lambda: rows_csv(names, [table]), headers, CSV)


def _encode(table: RowTable, gzip: bool) -> None:
    """Keep the table's JSON with it, for whoever asks for the same rows again."""
    table.encoded = table.encoded or b"".join(rows_json(table))
    if gzip:
        table.packed = compress(table.encoded)


async def progress(request: web.Request) -> web.StreamResponse:
    run_id = request.match_info["run_id"]
    progress: RunProgress = await ask(request, lambda reader: runs.progress(reader, run_id))
    return await json_answer(request, progress)


async def cache_stats(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, request.app[ROWS].stats())


async def fast(request: web.Request) -> web.StreamResponse:
    """Rows by step of chosen metrics in a range of steps."""
    began = time.perf_counter()
    run_id, downsample = request.match_info["run_id"], params.runs_downsample(request)
    names = params.chosen_by(request, "metric_names")
    bounds = params.step_range(request)
    cache = request.app[ROWS]
    table = await ask(
        request,
        lambda reader: cache.rows(
            reader,
            run_id,
            "step",
            downsample=downsample,
            metric_names=names,
            step_range=bounds or params.ALL_STEPS,  # a range also leaves out the labels
        ),
    )
    if table is None:
        raise not_found(run_id)
    if params.choice(request, params.LIST_FORMAT) == "csv":
        return await _csv(request, table, {})
    filters = AppliedFilters(
        sorted(names) if names is not None else None,
        (_end(bounds[0]), _end(bounds[1])) if bounds else None,
        downsample is not None and downsample < table.total,
    )
    took = round((time.perf_counter() - began) * 1000.0, 2)
    if isinstance(table, LongRows):
        return await stream_read(request, lambda reader: _fast_long(table, reader, took, filters), {})
    return await stream_made(request, lambda: _fast_json(table, took, filters), {})


def _fast_json(table: RowTable, took: float, filters: AppliedFilters) -> Iterator[bytes]:
    yield b'{"columns":%b,"rows":[' % msgspec.json.encode(column_names(table))
    yield from row_objects(table)
    yield _fast_end(len(table), took, filters)


def _fast_long(rows: LongRows, reader: Reader, took: float, filters: AppliedFilters) -> Iterator[bytes]:
    yield b'{"columns":%b,"rows":[' % msgspec.json.encode(rows.names)
    count = 0
    for objects, some in long_row_objects(rows, reader):
        yield objects
        count += some
    yield _fast_end(count, took, filters)


def _fast_end(count: int, took: float, filters: AppliedFilters) -> bytes:
    encode = msgspec.json.encode
    form = b'],"query_time_ms":%b,"total_points":%d,"applied_filters":%b}'
    return form % (encode(took), count, encode(filters))


def _end(bound: int) -> int | None:
    return None if bound in params.ALL_STEPS else bound


def not_found(run_id: str) -> ApiError:
    return ApiError(404, f"Run not found: {run_id}")
