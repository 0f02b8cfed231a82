"""The W&B server that an untouched training script reports to with `WANDB_BASE_URL` set to this daemon.

Serves what the W&B SDK (0.16 to 0.31) asks a server for: a little GraphQL, the file stream, uploads. Refusals
are 4xx, never 5xx, because the SDK retries a 5xx for days.
"""

from __future__ import annotations

import html
from functools import partial
from typing import Any
from urllib.parse import quote

from aiohttp import web

from lensd.api import wandb_graphql, wandb_reading
from lensd.api.errors import ApiError
from lensd.api.push import put
from lensd.api.received import read_body
from lensd.api.state import STORE, WALL, in_thread
from lensd.api.wandb_graphql import Json, RunName
from lensd.ingest.push import pushed_input
from lensd.model import Batch, Input
from lensd.wandb import online_run
from lensd.wandb.online_run import FileProgress
from lensd.wandb.values import loads

#: How long the SDK is told to come again while nothing can be stored: it does so for days, and does not end.
_PATIENCE_S = 60.0
_MAX_GRAPHQL = 16 << 20
_MAX_FILE_STREAM = 64 << 20
_MAX_UPLOAD = 32 << 20
#: Files that the SDK uploads of every run. lensd gets what is in them another way.
_BOOKKEEPING = frozenset(
    "config.yaml requirements.txt wandb-metadata.json wandb-summary.json output.log conda-environment.yaml"
    " diff.patch".split()
)


async def graphql(request: web.Request) -> web.StreamResponse:
    body = await _object(request, _MAX_GRAPHQL)
    if not isinstance(body.get("query"), str):
        raise ApiError(400, "query is missing; the body must be a GraphQL request")
    call = wandb_graphql.Call.parse(body["query"], body.get("variables"))
    if call.operation == "UpsertBucket" or "upsertBucket" in call.query:
        data: Json | None = await _upsert(request, call)
    elif call.operation == "RunResumeStatus":
        data = await _resume_status(request, call)
    else:
        try:
            data = await wandb_reading.read(request, call)
        except wandb_reading.CannotRead as refusal:
            return web.json_response({"data": None, "errors": [{"message": str(refusal)}]})
    if data is None:
        prefix = request.path.removesuffix("/graphql")
        data = wandb_graphql.answer(call, f"{request.scheme}://{request.host}{prefix}")
    if data is None:  # the SDK takes this answer for that of an older server
        error = {"message": f"lensd does not answer {call.operation or 'this operation'}"}
        return web.json_response({"data": None, "errors": [error]})
    return web.json_response({"data": data})


async def _upsert(request: web.Request, call: wandb_graphql.Call) -> Json:
    """Start or update a run, and answer with its state."""
    run = call.run_name()
    reported = {"project": run.project, "entity": run.entity}
    reported |= {name: value for name, value in call.variables.items() if value is not None}
    cursor: bytes | None = None

    def make(previous: bytes | None) -> Batch:
        nonlocal cursor
        cursor = previous
        return online_run.batch_of_upsert(previous, reported)

    await put(request, _input(request, run), make, patience_s=_PATIENCE_S)
    return wandb_graphql.upserted(call, run, FileProgress.decode(cursor), inserted=cursor is None)


async def _resume_status(request: web.Request, call: wandb_graphql.Call) -> Json:
    """What a resumed run goes on from."""
    run, store = call.run_name(), request.app[STORE]
    input_id = _input(request, run).id
    cursor = await in_thread(request, lambda: store.cursor(input_id))
    return wandb_graphql.resume_status(run, None if cursor is None else FileProgress.decode(cursor))


async def file_stream(request: web.Request) -> web.StreamResponse:
    body = await _object(request, _MAX_FILE_STREAM)
    part = request.match_info
    target = _input(request, RunName(part["entity"], part["project"], part["run"]))
    now_ms = request.app[WALL]() * 1000.0
    stored = await put(
        request,
        target,
        lambda cursor: online_run.batch_of_file_stream(cursor, body, now_ms),
        drop=True,
        patience_s=_PATIENCE_S,
    )
    answer: Json = {"exitcode": None, "limits": {}}
    return web.json_response(answer | ({"dropped_names": stored.dropped} if stored.dropped else {}))


async def upload(request: web.Request) -> web.StreamResponse:
    """Read and drop the bookkeeping files that every run uploads; refuse all others."""
    name = request.query.get("file", "")
    await read_body(request, _MAX_UPLOAD, keep=False)
    if name not in _BOOKKEEPING:
        raise ApiError(403, f"lensd keeps metrics, not files: {name} was not stored")
    return web.json_response({})


async def page(request: web.Request) -> web.StreamResponse:
    """The page of a run: the SDK prints its address."""
    workload = request.match_info.get("workload") or request.match_info["run"]
    title, uid = html.escape(workload), quote(workload, safe="")
    run, metrics = f"/api/runs/{uid}", f"/api/v1/workloads/{uid}/metrics"
    links = (
        (run, "what is known of it"),
        (f"{run}/metrics_step?downsample=2000", "its metrics by step"),
        (f"{metrics}/available", "the names of its metrics"),
        (f"{metrics}/data?format=csv&amp;data_source=wandb", "all points, as CSV"),
    )
    items = "".join(f'<li><a href="{path}">{text}</a></li>' for path, text in links)
    head = f"<!doctype html><title>{title} - lensd</title><h1>{title}</h1>"
    return web.Response(text=f"{head}<p>A run in lensd:</p><ul>{items}</ul>", content_type="text/html")


def _input(request: web.Request, run: RunName) -> Input:
    """The input that holds an online run.

    Its workload is UID if the server's address ends in `/for/UID`, else the run's id, as for files on disk.
    """
    path = f"{run.entity}/{run.project}/{run.name}"
    workload = request.match_info.get("workload") or run.name
    return pushed_input(workload, path, "wandb_online", f"W&B run {path}")


async def _object(request: web.Request, max_bytes: int) -> dict[str, Any]:
    """The JSON object in the body. Raises ApiError (400, 408, 413, 429)."""
    data = await read_body(request, max_bytes)
    try:
        body = await in_thread(request, partial(loads, data))
    except ValueError as error:
        raise ApiError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "the body is not a JSON object")
    return body
