"""Logs and inputs of workloads: lines by number, step and time, search, and how each input is read."""

from __future__ import annotations

from functools import partial

import msgspec
from aiohttp import web

from lensd.api import params
from lensd.api.errors import ApiError, invalid
from lensd.api.responses import json_answer
from lensd.api.state import HEALTH, ask, in_thread
from lensd.query.log_pages import LogQuestion, log_page
from lensd.query.log_search import LogQuery, UnsafePattern, search_log
from lensd.query.logs import LogSource, log_source
from lensd.query.results import InputInfo, UnreadLines
from lensd.query.workloads import inputs as inputs_of
from lensd.store import Reader

_SEARCH_SECONDS = 1.5  # of one request


class InputHealth(InputInfo):
    """An input, and kinds of its lines that look like metrics and were not read; null where they were not
    asked for, or where its adapter cannot tell."""

    unread: list[UnreadLines] | None = None


class InputsAnswer(msgspec.Struct):
    inputs: list[InputHealth]
    total_count: int


async def lines(request: web.Request) -> web.StreamResponse:
    """No ETag: a log changes before what was read of it does."""
    query = request.query
    first, count = params.whole(request, params.FIRST_LINE), params.whole(request, params.LINES)
    at_step, at_ms = params.whole(request, params.AT_STEP), params.number(request, "at_time")
    if sum(place is not None for place in (first, at_step, at_ms)) > 1:
        raise invalid("give only one of from, at_step and at_time")
    question = LogQuestion(count or 1, first, at_step, at_ms)
    uid, input_id = params.uid(request), query.get("input") or None
    return await json_answer(
        request,
        await ask(request, lambda reader: log_page(reader, _source(reader, uid, input_id), question)),
    )


async def search(request: web.Request) -> web.StreamResponse:
    uid, input_id = params.uid(request), request.query.get("input") or None
    text = request.query.get("q") or ""
    if not 0 < len(text) <= params.TEXT.schema["maxLength"]:
        raise invalid(f"q has {len(text)} characters; allowed are 1 to {params.TEXT.schema['maxLength']}")
    regex = params.choice(request, params.REGEX)
    first, limit = params.whole(request, params.SEARCH_FROM), params.whole(request, params.HITS)
    query = LogQuery(text, regex == "1", first or 1, limit or 1, _SEARCH_SECONDS)
    try:
        hits = await ask(request, lambda reader: search_log(reader, _source(reader, uid, input_id), query))
    except UnsafePattern as error:
        raise invalid(str(error)) from None
    return await json_answer(request, hits)


def _source(reader: Reader, uid: str, input_id: str | None) -> LogSource:
    source = log_source(reader, uid, input_id)
    if source is None:
        what = f"no workload {uid} was ever seen" if input_id is None else f"{uid} has no log {input_id!r}"
        raise ApiError(404, what)
    return source


async def inputs(request: web.Request) -> web.StreamResponse:
    """No ETag: the state of an input changes without new points."""
    uid = request.query.get("workload") or None
    samples = params.whole(request, params.SAMPLES) or 0
    if uid is not None and await ask(request, lambda reader: reader.workload(uid)) is None:
        raise ApiError(404, f"no workload {uid} was ever seen")
    inputs = await ask(request, lambda reader: inputs_of(reader, uid))
    health = request.app[HEALTH]
    answers = []
    for info in inputs:
        answer = InputHealth(**msgspec.structs.asdict(info))
        if samples and health and info.unparsed:
            answer.unread = await in_thread(request, partial(health.unread, info.id, samples))
        answers.append(answer)
    return await json_answer(request, InputsAnswer(answers, len(answers)))
