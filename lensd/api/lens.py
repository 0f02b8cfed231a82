"""The Lens dialect: sources, metrics, points and iterations of workloads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator

import msgspec
from aiohttp import web

from lensd.api import params
from lensd.api.clusters import passed_on
from lensd.api.encode import Group, Point, points_csv, points_json, points_ndjson
from lensd.api.errors import ApiError
from lensd.api.responses import etag, json_answer, stream_read, unchanged
from lensd.api.state import ask
from lensd.query import lens
from lensd.query.detection import detection
from lensd.query.results import MetricInfo, PointsInfo, Selection, SourceCount, WorkloadInfo
from lensd.store import Reader

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TYPES = {"json": "application/json", "csv": "text/csv", "ndjson": "application/x-ndjson"}


class SourcesAnswer(msgspec.Struct):
    workload_uid: str
    data_sources: list[SourceCount]
    total_count: int


class AvailableAnswer(msgspec.Struct):
    workload_uid: str
    metrics: list[MetricInfo]
    total_count: int


class PointsAnswer(msgspec.Struct):
    """`next` is what `since` takes; `total_points` comes with `downsample`."""

    workload_uid: str
    data_source: str
    data: list[Point]
    total_count: int
    next: str
    total_points: int | msgspec.UnsetType = msgspec.UNSET


class WorkloadsAnswer(msgspec.Struct):
    workloads: list[WorkloadInfo]
    total_count: int


def here_or_there(handler: Handler) -> Handler:
    """Pass a request on to the cluster that it names, if it names one."""

    async def handle(request: web.Request) -> web.StreamResponse:
        elsewhere = await passed_on(request)
        return elsewhere if elsewhere is not None else await handler(request)

    return handle


async def workloads(request: web.Request) -> web.StreamResponse:
    q, status = request.query.get("q") or None, request.query.get("status") or None
    found = await ask(request, lambda reader: lens.workloads(reader, q, status))
    return await json_answer(request, WorkloadsAnswer(found, len(found)))


async def sources(request: web.Request) -> web.StreamResponse:
    uid = params.uid(request)
    version, found = await ask(
        request, lambda reader: (lens.workload_version(reader, uid), lens.sources(reader, uid))
    )
    return await _versioned(request, version, SourcesAnswer(uid, found, len(found)))


async def available(request: web.Request) -> web.StreamResponse:
    uid, source = params.uid(request), request.query.get("data_source") or None
    version, found = await ask(
        request, lambda reader: (lens.workload_version(reader, uid), lens.available(reader, uid, source))
    )
    return await _versioned(request, version, AvailableAnswer(uid, found, len(found)))


async def data(request: web.Request) -> web.StreamResponse:
    return await _points(request, lens.points)


async def iteration_times(request: web.Request) -> web.StreamResponse:
    return await _points(request, lens.iteration_times)


async def _points(
    request: web.Request,
    question: Callable[[Reader, str, Selection], tuple[PointsInfo, Iterable[Group]]],
) -> web.StreamResponse:
    uid, wanted, form = params.uid(request), params.selection(request), params.form(request)
    attempts = question is lens.points and wanted.attempt != "current"
    headers = _headers(request, await ask(request, lambda reader: lens.workload_version(reader, uid)))
    known = unchanged(request, headers)
    if known is not None:
        return known

    def parts(reader: Reader) -> Iterator[bytes]:
        info, groups = question(reader, uid, wanted)
        if form == "csv":
            return points_csv(groups, attempts)
        if form == "ndjson":
            return points_ndjson(groups)
        return points_json(uid, wanted.data_source, groups, info)

    return await stream_read(request, parts, headers, _TYPES[form])


async def _versioned(request: web.Request, version: int, answer: object) -> web.StreamResponse:
    headers = _headers(request, version)
    return unchanged(request, headers) or await json_answer(request, answer, headers)


def _headers(request: web.Request, version: int) -> dict[str, str]:
    return {"ETag": etag(request, version), "Cache-Control": "no-cache"}


async def framework_detection(request: web.Request) -> web.StreamResponse:
    uid = params.uid(request)
    found = await ask(request, lambda reader: detection(reader, uid))
    if found is None:
        raise ApiError(404, f"no framework was detected for workload {uid}")
    return await json_answer(request, found)
