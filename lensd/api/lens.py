"""The Lens API: sources, metrics, points and iterations of workloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from aiohttp import web

from lensd.api import params
from lensd.api.clusters import per_cluster
from lensd.api.encode import Group, Point, points_csv, points_json, points_ndjson
from lensd.api.errors import ApiError
from lensd.api.responses import etag, json_answer, unchanged
from lensd.api.state import ask
from lensd.api.streaming import stream_read
from lensd.query import lens
from lensd.query.details import fulfils, workload_detail
from lensd.query.framework import detection
from lensd.query.results import MetricInfo, PointsInfo, Selection, SourceCount, WorkloadInfo
from lensd.store import Reader

_MEDIA_TYPES = {"json": "application/json", "csv": "text/csv", "ndjson": "application/x-ndjson"}


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


class WorkloadsAnswer(msgspec.Struct):
    workloads: list[WorkloadInfo]
    total_count: int


@per_cluster
async def workloads(request: web.Request) -> web.StreamResponse:
    q, status = request.query.get("q") or None, request.query.get("status") or None
    conditions = params.conditions(request)
    infos = await ask(
        request, lambda reader: lens.workloads(reader, q, status, lambda facts: fulfils(facts, conditions))
    )
    return await json_answer(request, WorkloadsAnswer(infos, len(infos)))


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
    uid = params.uid(request)
    version, counts = await ask(
        request, lambda reader: (lens.workload_version(reader, uid), lens.sources(reader, uid))
    )
    return await _versioned(request, version, SourcesAnswer(uid, counts, len(counts)))


@per_cluster
async def available(request: web.Request) -> web.StreamResponse:
    uid, source = params.uid(request), request.query.get("data_source") or None
    version, metrics = await ask(
        request, lambda reader: (lens.workload_version(reader, uid), lens.available(reader, uid, source))
    )
    return await _versioned(request, version, AvailableAnswer(uid, metrics, len(metrics)))


@per_cluster
async def data(request: web.Request) -> web.StreamResponse:
    return await _points(request, lens.points)


@per_cluster
async def iteration_times(request: web.Request) -> web.StreamResponse:
    return await _points(request, lens.iteration_times)


@per_cluster
async def framework_detection(request: web.Request) -> web.StreamResponse:
    uid = params.uid(request)
    verdict = await ask(request, lambda reader: detection(reader, uid))
    if verdict is None:
        raise ApiError(404, f"no framework was detected for workload {uid}")
    return await json_answer(request, verdict)


async def _points(
    request: web.Request,
    query: Callable[[Reader, str, Selection], tuple[PointsInfo, Iterable[Group]]],
) -> web.StreamResponse:
    uid, selection = params.uid(request), params.selection(request)
    output_format = params.output_format(request)
    with_attempts = query is lens.points and selection.attempt != "current"
    headers = _headers(request, await ask(request, lambda reader: lens.workload_version(reader, uid)))
    not_modified = unchanged(request, headers)
    if not_modified is not None:
        return not_modified

    def encoded(reader: Reader) -> Iterator[bytes]:
        info, groups = query(reader, uid, selection)
        if output_format == "csv":
            return points_csv(groups, with_attempts)
        if output_format == "ndjson":
            return points_ndjson(groups)
        return points_json(uid, selection.data_source, groups, info)

    return await stream_read(request, encoded, headers, _MEDIA_TYPES[output_format])


async def _versioned(request: web.Request, version: int, answer: object) -> web.StreamResponse:
    headers = _headers(request, version)
    return unchanged(request, headers) or await json_answer(request, answer, headers)


def _headers(request: web.Request, version: int) -> dict[str, str]:
    return {"ETag": etag(request, version), "Cache-Control": "no-cache"}
