"""The Lens API: sources, metrics, points and iterations of workloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from aiohttp import web

from lensd.api import params
from lensd.api.clusters import per_cluster
from lensd.api.description import CSV, JSON
from lensd.api.encode import Group, Point, points_csv, points_json, points_ndjson, wide_csv, wide_json
from lensd.api.errors import ApiError, invalid
from lensd.api.responses import etag, json_answer, without_body
from lensd.api.state import ask
from lensd.api.streaming import stream_read
from lensd.api.tables import list_answer
from lensd.query import lens, several
from lensd.query.details import fulfils, workload_detail
from lensd.query.framework import detection
from lensd.query.results import MetricInfo, PointsInfo, SourceCount, WorkloadInfo
from lensd.query.time_order import (
    MOST_ITERATIONS,
    Curve,
    TooManyIterations,
    by_time,
    column_names,
    wide,
)
from lensd.store import Reader

_MEDIA_TYPES = {"json": JSON, "csv": CSV, "ndjson": "application/x-ndjson", "wide": JSON, "wide-csv": CSV}


class SourcesAnswer(msgspec.Struct):
    workload_uid: str
    data_sources: list[SourceCount]
    total_count: int


class AvailableAnswer(msgspec.Struct):
    workload_uid: str
    metrics: list[MetricInfo]
    total_count: int


class PointsAnswer(msgspec.Struct):
    """`data_source` repeats the parameter. `next` is for the parameter `since` of a later request.
    `total_points` is the number of points before downsampling."""

    workload_uid: str
    data_source: str
    data: list[Point]
    total_count: int
    next: str
    total_points: int | msgspec.UnsetType = msgspec.UNSET


class WideAnswer(msgspec.Struct):
    """Rows by time. Each has `time` (UTC ms), `iteration`, and a value of each series that has one there: the
    metric, ` (source)` behind it where two sources have it, `uid: ` before it where there are several
    workloads."""

    workload_uid: str
    data_source: str
    data: list[dict[str, float]]
    total_count: int
    next: str
    total_points: int | msgspec.UnsetType = msgspec.UNSET


class WorkloadsAnswer(msgspec.Struct):
    workloads: list[WorkloadInfo]
    total_count: int


@per_cluster
async def workloads(request: web.Request) -> web.StreamResponse:
    q, statuses = request.query.get("q") or None, params.chosen_by(request, "status")
    conditions = params.conditions(request)
    order, page = params.choice(request, params.WORKLOAD_ORDER), params.page(request)
    output_format = params.choice(request, params.LIST_FORMAT)
    infos = await ask(
        request, lambda reader: lens.workloads(reader, q, statuses, lambda facts: fulfils(facts, conditions))
    )
    field = order.removeprefix("-")
    infos.sort(key=lambda info: info.uid)
    infos.sort(key=lambda info: _sortable(getattr(info, field)), reverse=order.startswith("-"))
    shown = infos[page]
    answer = WorkloadsAnswer(shown, len(infos))
    return await list_answer(request, answer, shown, WorkloadInfo, output_format)


def _sortable(value: str | float | None) -> tuple[bool, float, str]:
    """What is not known sorts first."""
    return value is not None, *((0.0, value) if isinstance(value, str) else (value or 0.0, ""))


@per_cluster
async def workload(request: web.Request) -> web.StreamResponse:
    """No ETag: the status changes with time alone."""
    uid = params.uid(request)
    detail = await ask(request, lambda reader: workload_detail(reader, uid))
    if detail is None:
        raise ApiError(404, f"no workload {uid} was ever seen")
    return await json_answer(request, detail)


@per_cluster
async def sources(request: web.Request) -> web.StreamResponse:
    text = params.uid(request)

    def look(reader: Reader) -> tuple[int, list[SourceCount]]:
        uids = several.uids_in(reader, text, params.ALL)
        return several.version_of(reader, uids), several.sources(reader, uids)

    output_format = params.choice(request, params.LIST_FORMAT)
    version, counts = await ask(request, look)
    answer = SourcesAnswer(text, counts, len(counts))
    return await _versioned(request, version, answer, counts, SourceCount, output_format)


@per_cluster
async def available(request: web.Request) -> web.StreamResponse:
    text, data_sources = params.uid(request), params.chosen_by(request, "data_source")

    def look(reader: Reader) -> tuple[int, list[MetricInfo]]:
        uids = several.uids_in(reader, text, params.ALL)
        return several.version_of(reader, uids), several.available(reader, uids, data_sources)

    page, output_format = params.page(request), params.choice(request, params.LIST_FORMAT)
    version, metrics = await ask(request, look)
    answer = AvailableAnswer(text, metrics[page], len(metrics))
    return await _versioned(request, version, answer, answer.metrics, MetricInfo, output_format)


@per_cluster
async def data(request: web.Request) -> web.StreamResponse:
    return await _points(request, is_points=True)


@per_cluster
async def iteration_times(request: web.Request) -> web.StreamResponse:
    return await _points(request, is_points=False)


@per_cluster
async def framework_detection(request: web.Request) -> web.StreamResponse:
    uid = params.uid(request)
    verdict = await ask(request, lambda reader: detection(reader, uid))
    if verdict is None:
        raise ApiError(404, f"no framework was detected for workload {uid}")
    return await json_answer(request, verdict)


async def _points(request: web.Request, is_points: bool) -> web.StreamResponse:
    text, selection = params.uid(request), params.selection(request)
    output_format = params.choice(request, params.FORMAT)
    is_by_time = params.choice(request, params.ORDER) == "time"
    is_wide = output_format in ("wide", "wide-csv")
    source = request.query.get("data_source") or ""

    def look(reader: Reader) -> tuple[list[str], int, float]:
        uids = several.uids_in(reader, text, params.ALL)
        return uids, several.version_of(reader, uids), several.last_ms(reader, uids)

    uids, version, last_ms = await ask(request, look)
    params.refuse_seconds(selection.end_ms, last_ms)
    headers = _headers(request, version)
    short = without_body(request, headers, _MEDIA_TYPES[output_format])
    if short is not None:
        return short
    more = ["attempt"] if is_points and selection.attempt != "current" else []
    more += ["workload_uid"] if len(uids) > 1 else []

    def read_curves(reader: Reader) -> tuple[PointsInfo, list[Curve]]:
        if is_points:
            return several.point_curves(reader, uids, selection)
        try:
            return several.curves_of_iterations(reader, uids, selection, is_wide)
        except TooManyIterations as error:
            sentence = f"more than {MOST_ITERATIONS} iterations are not put in order of time at once"
            raise invalid(f"{sentence}; give downsample, or start and end") from error

    def encoded(reader: Reader) -> Iterator[bytes]:
        groups: Iterable[Group]
        if is_wide:
            info, curves = read_curves(reader)
            names, rows = column_names(curves), wide(by_time(curves), len(curves))
            if output_format == "wide-csv":
                return wide_csv(names, rows)
            return wide_json(text, source, names, rows, info)
        if is_by_time:
            info, curves = read_curves(reader)
            groups = by_time(curves)
        elif is_points:
            info, groups = several.points(reader, uids, selection)
        else:
            info, groups = several.iterations(reader, uids, selection)
        if output_format == "csv":
            return points_csv(groups, *more)
        if output_format == "ndjson":
            return points_ndjson(groups)
        return points_json(text, source, groups, info)

    return await stream_read(request, encoded, headers, _MEDIA_TYPES[output_format])


async def _versioned(
    request: web.Request,
    version: int,
    answer: object,
    rows: Sequence[msgspec.Struct],
    row_type: type[msgspec.Struct],
    output_format: str,
) -> web.StreamResponse:
    headers = _headers(request, version)
    short = without_body(request, headers, _MEDIA_TYPES[output_format])
    return short or await list_answer(request, answer, rows, row_type, output_format, headers)


def _headers(request: web.Request, version: int) -> dict[str, str]:
    return {"ETag": etag(request, version), "Cache-Control": "no-cache"}
