"""The events of a workload: as a list, as CSV, and as annotations of a Grafana panel."""

from __future__ import annotations

import msgspec
from aiohttp import web

from lensd.api import params
from lensd.api.clusters import per_cluster
from lensd.api.responses import json_answer
from lensd.api.state import ask
from lensd.api.tables import list_answer
from lensd.query.events import RunEvent, RunEvents, events


class Annotation(msgspec.Struct, rename="camel"):
    """An event as Grafana takes annotations. time, timeEnd: UTC ms. tags: its kind, metric."""

    time: int
    time_end: int | None
    title: str
    text: str
    tags: str


EventsAnswer = RunEvents | list[Annotation]


@per_cluster
async def workload_events(request: web.Request) -> web.StreamResponse:
    """No ETag: whether a run has ended or stalls changes with time alone."""
    uid = params.uid(request)
    names = params.chosen_by(request, "metrics")
    start_ms, end_ms = params.times(request)
    output_format = params.choice(request, params.EVENT_FORMAT)
    answer = await ask(request, lambda reader: events(reader, uid, names))
    params.refuse_seconds(end_ms, max((event.time for event in answer.events), default=0))
    if start_ms is not None and end_ms is not None:
        answer.events = [e for e in answer.events if e.time <= end_ms and (e.time_end or e.time) >= start_ms]
        answer.total_count = len(answer.events)
    if output_format == "annotations":
        return await json_answer(request, [_annotation(uid, event) for event in answer.events])
    return await list_answer(request, answer, answer.events, RunEvent, output_format)


def _annotation(uid: str, event: RunEvent) -> Annotation:
    tags = event.kind if event.metric is None else f"{event.kind},{event.metric}"
    return Annotation(event.time, event.time_end, f"{uid}: {event.kind}", event.text, tags)
