"""The pushes of Lens clients: framework evidence, metrics and rows that were passed to wandb.

A success is exactly 200. Bodies are JSON as Python writes it, NaN and Infinity included. Values that are not
numbers are left out and counted. Nothing of a body with the wrong shape is stored.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from lensd.api.errors import ApiError, invalid
from lensd.api.received import read_body
from lensd.api.responses import json_answer
from lensd.api.state import CONFIG, INGEST, STORE, WALL, in_thread
from lensd.ingest.names import TooManyNames
from lensd.ingest.push import Busy, Stored, pushed_input
from lensd.model import Batch, Counts, Fact, Input, SeriesBuilder
from lensd.store import StoreError
from lensd.store.text import storable
from lensd.wandb.about import facts_of_evidence
from lensd.wandb.framework import from_evidence
from lensd.wandb.pushed_run import PushedRun
from lensd.wandb.values import is_metadata, leaves, name_of, number_of, step_of

log = logging.getLogger(__name__)

_LONGEST_UID = 1000

Json = Mapping[str, Any]


class Taken(msgspec.Struct):
    """What became of a push. `count`: values taken; `duplicates`: how many of them changed nothing;
    `left_out`: entries without a number."""

    message: str
    count: int
    duplicates: int
    left_out: int = 0


class DetectionTaken(msgspec.Struct):
    """The framework that the evidence of this push shows, if any; `confidence` is between 0 and 1."""

    message: str
    framework: str | UnsetType = UNSET
    confidence: float | UnsetType = UNSET


class PartTaken(msgspec.Struct):
    """What became of one part of a batch. `count`: values taken. `error`: why the part was refused."""

    success: bool
    count: int | UnsetType = UNSET
    error: str | UnsetType = UNSET


class BatchTaken(msgspec.Struct):
    """`success`: whether every part was taken. `results`: by the name of the part."""

    success: bool
    results: dict[str, PartTaken]


async def detection(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, await _detection(request, await _body(request)))


async def metrics(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, await _values(request, await _body(request), "metrics"))


async def logs(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, await _values(request, await _body(request), "logs"))


async def batch(request: web.Request) -> web.StreamResponse:
    """Up to three pushes in one; each succeeds or fails alone."""
    body = await _body(request)
    results = {
        name: await _part(request, name, body[name])
        for name in ("detection", "metrics", "logs")
        if body.get(name) is not None
    }
    if not results:
        raise invalid("detection, metrics and logs are all missing; a batch holds one of them at least")
    success = all(result.success for result in results.values())
    return await json_answer(request, BatchTaken(success, results))


async def _part(request: web.Request, name: str, part: object) -> PartTaken:
    try:
        if not isinstance(part, dict):
            raise invalid(f"{name} is {_kind(part)}; it must be an object")
        if name == "detection":
            await _detection(request, part)
            return PartTaken(True)
        return PartTaken(True, (await _values(request, part, name)).count)
    except ApiError as error:
        # A client does not repeat a batch that was answered with 200, so "busy" refuses the whole batch. It
        # may be sent again: what is stored already is not stored twice.
        if error.status == 429:
            raise
        return PartTaken(False, error=error.message)


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object in the body. Raises ApiError (400, 408, 413, 429)."""
    data = await read_body(request, request.app[CONFIG].limits.body_bytes)
    try:
        body = await in_thread(request, partial(_decoded, data))
    except (ValueError, RecursionError) as error:
        raise invalid(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise invalid(f"the body is {_kind(body)}; it must be an object")
    return body


def _decoded(data: bytearray) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError):
        return _storable(json.loads(data))  # NaN, Infinity


def _storable(value: object) -> object:
    """JSON with all of its strings as the store keeps them, so that answers and logs can hold them too."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): _storable(item) for key, item in value.items()}
    return value


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


async def _detection(request: web.Request, body: Json) -> DetectionTaken:
    evidence = body.get("evidence")
    if not isinstance(evidence, dict):
        raise invalid(f"evidence is {_kind(evidence)}; it must be an object")
    run = evidence.get("wandb")
    run_id = str(run.get("id") or "") if isinstance(run, dict) else ""
    target = _target(body, run_id)
    log.info("Processing WandB detection for workload %s", target.workload)
    now = datetime.fromtimestamp(request.app[WALL](), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    verdict = from_evidence(body, now)
    facts: dict[str, Fact] = {}
    answer = DetectionTaken("detection reported successfully")
    if verdict is not None:
        log.info(
            "Detected framework from WandB: %s (confidence: %.2f)", verdict.framework, verdict.confidence
        )
        facts = {"detection": msgspec.json.encode(verdict).decode(), "framework": verdict.framework}
        answer.framework, answer.confidence = verdict.framework, verdict.confidence
    facts |= facts_of_evidence(evidence)

    def told(cursor: bytes | None) -> Batch:
        progress = PushedRun.decode(cursor)
        progress.define(evidence)
        return Batch(progress.encode(), facts=facts | progress.axes.facts(), log_format="push")

    await _put(request, target, told)
    return answer


async def _values(request: web.Request, body: Json, field: str) -> Taken:
    """Store the entries in `field`, which is `metrics` or `logs`."""
    entries = body.get(field)
    if not isinstance(entries, list):
        raise invalid(f"{field} is {_kind(entries)}; it must be a list")
    run_id = body.get("run_id")
    target = _target(body, run_id if isinstance(run_id, str) else "")
    sent_s = _seconds(body.get("timestamp"))
    default_s = sent_s if sent_s is not None else request.app[WALL]()
    log.info("Processing WandB metrics: %d %s", len(entries), field)
    parse = _metric if field == "metrics" else _row
    batch, count, left_out = await in_thread(request, partial(_batch, entries, parse, default_s))
    added = 0
    if count:

        def numbered(cursor: bytes | None) -> Batch:
            run = PushedRun.decode(cursor)
            batch.series = run.place(batch.series)
            batch.facts, batch.cursor = run.axes.facts(), run.encode()
            return batch

        added = await _put(request, target, numbered)
    subject = "metrics" if field == "metrics" else "training data"
    return Taken(f"{subject} reported successfully", count, count - added, left_out)


def _target(body: Json, run_id: str) -> Input:
    """The input that the push adds to. Raises ApiError (400) if the body names no workload."""
    for field in ("workload_uid", "pod_name"):
        uid = body.get(field)
        if uid is not None and not isinstance(uid, str):
            raise invalid(f"{field} is {_kind(uid)}; it must be a string")
        if uid:
            if len(uid) > _LONGEST_UID:
                raise invalid(f"{field} has {len(uid)} characters; allowed are {_LONGEST_UID}")
            why = "the workload that training was given" if field == "workload_uid" else "the pod's name"
            return pushed_input(uid, run_id, "wandb_push", why)
    raise invalid("workload_uid is missing, and pod_name too; one of them must name the workload")


#: Step, seconds since the epoch, and (name, value) pairs.
Entry = tuple[int, float, list[tuple[str, float]]]


def _batch(
    entries: list[Any], parse: Callable[[Json, float], Entry | None], default_s: float
) -> tuple[Batch, int, int]:
    """The batch, the number of values in it, and the number of entries that were left out."""
    points, left_out, row = SeriesBuilder(), 0, None
    for item in entries:
        entry = parse(item, default_s) if isinstance(item, dict) else None
        if entry is None:
            left_out += 1
            continue
        step, seconds, pairs = entry
        if (step, seconds) != row:
            points.next_row()
            row = step, seconds
        for name, value in pairs:
            points.add(name, step, seconds * 1000.0, value)
    counts = Counts(records=len(entries), matched=len(entries) - left_out, unparsed=left_out)
    return Batch(b"", points.build(), counts=counts, log_format="push"), points.points, left_out


def _metric(entry: Json, default_s: float) -> Entry | None:
    name, value, step = entry.get("name"), number_of(entry.get("value")), step_of(entry.get("step"))
    if not isinstance(name, str) or not name or value is None or step is None or is_metadata(name):
        return None
    seconds = _seconds(entry.get("timestamp"))
    return step, default_s if seconds is None else seconds, [(name, value)]


def _row(entry: Json, default_s: float) -> Entry | None:
    step, data = step_of(entry.get("step")), entry.get("data")
    if step is None or not isinstance(data, dict):
        return None
    seconds = _seconds(entry.get("timestamp"))
    pairs = list(_numbers(data))
    return (step, default_s if seconds is None else seconds, pairs) if pairs else None


def _numbers(data: Json) -> Iterator[tuple[str, float]]:
    for key, value in data.items():
        if key and not is_metadata(key):
            for path, leaf in leaves((key,), value):
                number = number_of(leaf)
                if number is not None:
                    yield name_of(path), number


def _seconds(value: object) -> float | None:
    """Seconds since the epoch; None if it is not a number or not a plausible time."""
    seconds = number_of(value)
    return seconds if seconds is not None and math.isfinite(seconds) and 0 < seconds < 1e11 else None


async def _put(request: web.Request, target: Input, make: Callable[[bytes | None], Batch]) -> int:
    """Store the batch made for a cursor; returns how many points are new. Raises ApiError (413, 429)."""
    return (await put(request, target, make)).points


async def put(
    request: web.Request,
    target: Input,
    make: Callable[[bytes | None], Batch],
    *,
    drop: bool = False,
    patience_s: float = float("inf"),
) -> Stored:
    """Store the batch made for a cursor. drop: leave out new names for which there is no room. patience_s:
    how long nothing may be stored until clients are told not to come again.

    Raises ApiError (409, 413, 429).
    """
    try:
        return await request.app[INGEST].put(target, make, drop=drop)
    except Busy as error:
        raise ApiError(429, str(error), headers={"Retry-After": "1"}) from None
    except TooManyNames as error:
        raise ApiError(413, str(error)) from None
    except StoreError as error:  # for one, a full disk, which may have room again
        fault = await in_thread(request, request.app[STORE].fault)
        if fault is not None and request.app[WALL]() - fault.since_s >= patience_s:
            raise ApiError(409, f"not stored: {fault.reason}") from error
        raise ApiError(429, f"not stored: {error}", headers={"Retry-After": "10"}) from error
