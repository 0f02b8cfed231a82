"""The push of Lens clients: framework evidence, metrics and rows that were given to wandb.

A success is exactly 200. Bodies are Python's JSON, NaN and Infinity included; what is no number is left out
and counted, and nothing of a body is stored unless its shape is right.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from lensd.api.errors import ApiError, invalid
from lensd.api.responses import json_answer
from lensd.api.state import INGEST, WALL, in_thread
from lensd.ingest.push import Busy, pushed_input
from lensd.model import Batch, Counts, Fact, Input, SeriesBuilder
from lensd.wandb.framework import from_evidence
from lensd.wandb.values import leaves, name_of, number_of, step_of

log = logging.getLogger(__name__)

_DOCUMENTED = frozenset(("step", "run_id", "source", "history", "created_at", "updated_at"))
_LONGEST_UID = 1000

#: Half a surrogate pair: JSON can say it, UTF-8 and so the store cannot.
_LONE = re.compile("[\ud800-\udfff]")
#: Whether a body in UTF-8 may hold one: its escape, or its bytes as some encoders write them.
_MAYBE_LONE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


class Taken(msgspec.Struct):
    """count: values that were taken. duplicates: those of them that changed nothing new. left_out: entries
    that are no numbers."""

    message: str
    count: int
    duplicates: int
    left_out: int = 0


async def detection(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, await _detection(request, await _body(request)))


async def metrics(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, await _values(request, await _body(request), "metrics"))


async def logs(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, await _values(request, await _body(request), "logs"))


async def batch(request: web.Request) -> web.StreamResponse:
    """Each part stands or falls alone."""
    body = await _body(request)
    results: dict[str, dict[str, Any]] = {}
    for part in ("detection", "metrics", "logs"):
        if body.get(part) is None:
            continue
        given = body[part]
        try:
            if not isinstance(given, dict):
                raise invalid(f"{part} is {_kind(given)}; it must be an object")
            if part == "detection":
                await _detection(request, given)
                results[part] = {"success": True}
            else:
                taken = await _values(request, given, part)
                results[part] = {"success": True, "count": taken.count}
        except ApiError as error:
            if (
                error.status == 429
            ):  # within a 200 nobody would come again; what was stored is not stored twice
                raise
            results[part] = {"success": False, "error": error.message}
    if not results:
        raise invalid("detection, metrics and logs are all missing; a batch holds one of them at least")
    success = all(result["success"] for result in results.values())
    return await json_answer(request, {"success": success, "results": results})


async def _body(request: web.Request) -> dict[str, Any]:
    """The object in a body. Raises ApiError."""
    try:
        data = await request.read()
    except RequestPayloadError as error:  # no gzip, for one, whatever its header says
        reason = str(error).split("message:")[-1].strip()
        request.content.feed_eof()  # else aiohttp reads on after the answer, and logs what it meets again
        headers = {"Connection": "close"}
        raise ApiError(400, f"the body cannot be read: {reason}", headers=headers) from None
    try:
        body = await in_thread(request, partial(_decoded, data))
    except (ValueError, RecursionError) as error:
        raise invalid(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise invalid(f"the body is {_kind(body)}; it must be an object")
    return body


def _decoded(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError):
        return _storable(data, json.loads(data))  # NaN, Infinity


def _storable(data: bytes, value: object) -> object:
    """The value with lone surrogates written out (`\\ud800`), so that names that differ still do."""
    if json.detect_encoding(data) == "utf-8" and not _MAYBE_LONE.search(data):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(_LONE.sub(lambda lone: f"\\\\u{ord(lone[0]):04x}", text))


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


async def _detection(request: web.Request, body: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(body.get("evidence"), dict):
        raise invalid(f"evidence is {_kind(body.get('evidence'))}; it must be an object")
    now = request.app[WALL]()
    run = body["evidence"].get("wandb")
    run_id = str(run.get("id") or "") if isinstance(run, dict) else ""
    target = _target(body, run_id)
    log.info("Processing WandB detection for workload %s", target.workload)
    verdict = from_evidence(body, datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    facts: dict[str, Fact] = {}
    if verdict is not None:
        log.info(
            "Detected framework from WandB: %s (confidence: %.2f)", verdict.framework, verdict.confidence
        )
        facts = {"detection": msgspec.json.encode(verdict).decode(), "framework": verdict.framework}
    if isinstance(run, dict) and isinstance(run.get("name"), str) and run["name"]:
        facts["name"] = run["name"]
    await _put(request, target, Batch(b"push", facts=facts, log_format="push"))
    answer: dict[str, Any] = {"message": "detection reported successfully"}
    if verdict is not None:
        answer |= {"framework": verdict.framework, "confidence": verdict.confidence}
    return answer


async def _values(request: web.Request, body: Mapping[str, Any], field: str) -> Taken:
    entries = body.get(field)
    if not isinstance(entries, list):
        raise invalid(f"{field} is {_kind(entries)}; it must be a list")
    run_id = body.get("run_id")
    target = _target(body, run_id if isinstance(run_id, str) else "")
    sent = _seconds(body.get("timestamp"))
    fallback = sent if sent is not None else request.app[WALL]()
    log.info("Processing WandB metrics: %d %s", len(entries), field)
    reader = _metric if field == "metrics" else _row
    made, count, left_out = await in_thread(request, partial(_batch, entries, reader, fallback))
    new = await _put(request, target, made) if count else 0
    what = "metrics" if field == "metrics" else "training data"
    return Taken(f"{what} reported successfully", count, count - new, left_out)


def _target(body: Mapping[str, Any], run_id: str) -> Input:
    for field in ("workload_uid", "pod_name"):
        given = body.get(field)
        if given is not None and not isinstance(given, str):
            raise invalid(f"{field} is {_kind(given)}; it must be a text")
        if given:
            if len(given) > _LONGEST_UID:
                raise invalid(f"{field} has {len(given)} characters; allowed are {_LONGEST_UID}")
            why = "the workload that training was given" if field == "workload_uid" else "the pod's name"
            return pushed_input(given, run_id, "wandb_push", why)
    raise invalid("workload_uid is missing, and pod_name too; one of them must name the workload")


Entry = tuple[int, float, list[tuple[str, float]]]


def _batch(entries: list[Any], reader: Any, fallback_s: float) -> tuple[Batch, int, int]:
    """The batch, how many values are in it, and how many entries were left out."""
    points, left_out, before = SeriesBuilder(), 0, None
    for each in entries:
        found: Entry | None = reader(each, fallback_s) if isinstance(each, dict) else None
        if found is None:
            left_out += 1
            continue
        step, seconds, pairs = found
        if (step, seconds) != before:
            points.next_row()
            before = step, seconds
        for name, value in pairs:
            points.add(name, step, seconds * 1000.0, value)
    counts = Counts(records=len(entries), matched=len(entries) - left_out, unparsed=left_out)
    return Batch(b"push", points.build(), counts=counts, log_format="push"), points.points, left_out


def _metric(entry: Mapping[str, Any], fallback_s: float) -> Entry | None:
    name, value, step = entry.get("name"), number_of(entry.get("value")), step_of(entry.get("step"))
    if not isinstance(name, str) or not name or value is None or step is None or _is_metadata(name):
        return None
    seconds = _seconds(entry.get("timestamp"))
    return step, fallback_s if seconds is None else seconds, [(name, value)]


def _row(entry: Mapping[str, Any], fallback_s: float) -> Entry | None:
    step, data = step_of(entry.get("step")), entry.get("data")
    if step is None or not isinstance(data, dict):
        return None
    seconds = _seconds(entry.get("timestamp"))
    pairs = list(_numbers(data))
    return (step, fallback_s if seconds is None else seconds, pairs) if pairs else None


def _numbers(data: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, given in data.items():
        if key and not _is_metadata(key):
            for path, value in leaves((key,), given):
                number = number_of(value)
                if number is not None:
                    yield name_of(path), number


def _is_metadata(name: str) -> bool:
    return name in _DOCUMENTED or name.startswith("_")


def _seconds(value: object) -> float | None:
    seconds = number_of(value)
    return seconds if seconds is not None and math.isfinite(seconds) and 0 < seconds < 1e11 else None


async def _put(request: web.Request, target: Input, made: Batch) -> int:
    try:
        return await request.app[INGEST].put(target, lambda _: made)
    except Busy:
        headers = {"Retry-After": "1"}
        raise ApiError(429, "too many pushes wait to be stored; come again", headers=headers) from None
