"""The server that an untouched training script talks to with `WANDB_BASE_URL` set to this daemon.

Answers what the W&B SDK (0.16 to 0.31) asks a server for: a little GraphQL, the file stream, uploads.
Refusals are 4xx, never 5xx, which the SDK would repeat for days; a GraphQL operation that is not known is
answered with status 200 and `errors`, which it takes for an older server.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from aiohttp import web

from lensd.api.errors import ApiError
from lensd.api.state import INGEST, STORE, WALL, in_thread
from lensd.ingest.push import Busy, pushed_input
from lensd.model import Batch, Input
from lensd.store import StoreError
from lensd.wandb import online_run
from lensd.wandb.online_run import FileProgress
from lensd.wandb.values import loads

ENTITY = "lensd"
_LARGEST = 256 << 20  # bytes of one post of the file stream
_UPLOAD = 32 << 20
_ALIAS = re.compile(r"(\w{1,80})\s*:\s*__type")
_OPERATION = re.compile(r"\b(?:query|mutation)\s+(\w{1,120})")
#: What the SDK uploads of every run; lensd has what is in them from elsewhere.
_BOOKKEEPING = frozenset(
    "config.yaml requirements.txt wandb-metadata.json wandb-summary.json output.log conda-environment.yaml"
    " diff.patch".split()
)

Json = dict[str, Any]


async def graphql(request: web.Request) -> web.StreamResponse:
    body = await _object(request, 16 << 20)
    query = body.get("query")
    if not isinstance(query, str):
        raise ApiError(400, "query is missing; the body must be a GraphQL request")
    given = body.get("variables")
    variables: Json = given if isinstance(given, dict) else {}
    found = _OPERATION.search(query)
    operation = found[1] if found else ""
    data = await _answer(request, operation, query, variables)
    if data is None:
        error = {"message": f"lensd does not answer {operation or 'this operation'}"}
        return _json({"data": None, "errors": [error]})
    return _json({"data": data})


async def _answer(request: web.Request, operation: str, query: str, variables: Json) -> Json | None:
    if operation == "UpsertBucket" or "upsertBucket" in query:
        return {"upsertBucket": await _upsert(request, variables)}
    if operation == "RunResumeStatus":
        return {"model": await _resume(request, variables)}
    if operation == "RunUploadUrls":  # 0.16: no file is wanted
        files: Json = {"uploadHeaders": [], "edges": []}
        return {"model": {"bucket": {"id": str(variables.get("run")), "files": files}}}
    if "createRunFiles" in query:
        return {"createRunFiles": _files(request, variables)}
    answers: tuple[tuple[str, Callable[[], Json]], ...] = (
        ("viewer", _viewer),
        ("serverInfo", lambda: {"serverInfo": {"cliVersionInfo": {"max_cli_version": "99.0.0"},
                                               "latestLocalVersionInfo": None, "features": []}}),
        ("ServerSettingsType", lambda: {"ServerSettingsType": {"name": "ServerSettings", "fields": []}}),
    )  # fmt: skip
    for word, make in answers:
        if re.search(rf"\b{word}\b", query):
            return make()
    aliases = _ALIAS.findall(query)
    if aliases:  # introspection: what an old server has
        return {alias: {"name": alias, "fields": [], "inputFields": [], "args": []} for alias in aliases}
    if re.search(r"\bproject\s*\(", query) and "mutation" not in query:
        # An artifact that is missing has to be there as null: the SDK checks the shape within training.
        run = {"stopped": False} if operation == "RunStoppedStatus" else None
        return {"project": {"id": "1", "name": variables.get("project"), "artifact": None, "run": run}}
    return None


def _viewer() -> Json:
    teams = {"edges": [{"node": {"name": ENTITY}}]}
    return {
        "viewer": {
            "id": "lensd", "entity": ENTITY, "username": ENTITY, "name": ENTITY, "email": "", "flags": "{}",
            "admin": False, "teams": teams,
        }
    }  # fmt: skip


async def _upsert(request: web.Request, variables: Json) -> Json:
    entity, project, name = _named(variables)
    target = run_input(request, entity, project, name)
    known: list[bytes | None] = []

    def make(cursor: bytes | None) -> Batch:
        known.append(cursor)
        told = {"project": project, "entity": entity} | {k: v for k, v in variables.items() if v is not None}
        return online_run.batch_of_upsert(cursor, told)

    await _put(request, target, make)
    progress = FileProgress.decode(known[0])
    bucket = {
        "id": _pack(entity, project, name),
        "name": name,
        "displayName": variables.get("displayName") or progress.name or name,
        "description": None,
        "config": variables.get("config") or progress.config,
        "sweepName": None,
        "historyLineCount": progress.history,
        "project": {"id": "1", "name": project, "entity": {"id": "1", "name": entity}},
    }
    return {"bucket": bucket, "inserted": known[0] is None}


async def _resume(request: web.Request, variables: Json) -> Json:
    entity, project, name = _named(variables)
    target, store = run_input(request, entity, project, name), request.app[STORE]
    cursor = await in_thread(request, lambda: store.cursor(target.id))
    bucket: Json | None = None
    if cursor is not None:
        known = FileProgress.decode(cursor)
        bucket = {
            "id": _pack(entity, project, name),
            "name": name,
            "displayName": known.name or name,
            "summaryMetrics": known.summary,
            "config": known.config,
            "logLineCount": known.output,
            "historyLineCount": known.history,
            "eventsLineCount": known.events,
            "historyTail": json.dumps([known.tail] if known.tail else []),
            "eventsTail": "[]",
            "tags": [],
            "notes": None,
            "wandbConfig": '{"t": 1}',  # the SDK takes a run without `t` for one that never began
        }
    return {"id": "1", "name": project, "entity": {"id": "1", "name": entity}, "bucket": bucket}


def _files(request: web.Request, variables: Json) -> Json:
    entity, project, name = _named(variables | {"name": variables.get("run")})
    files = variables.get("files")
    prefix = request.path.removesuffix("/graphql")
    base = f"{request.scheme}://{request.host}{prefix}/files/{entity}/{project}/{name}/upload"
    return {
        "runID": _pack(entity, project, name),
        "uploadHeaders": [],
        "files": [
            {"name": file, "uploadUrl": f"{base}?file={file}"}
            for file in (files if isinstance(files, list) else [])
            if isinstance(file, str)
        ],
    }


async def file_stream(request: web.Request) -> web.StreamResponse:
    body = await _object(request, _LARGEST)
    part = request.match_info
    target = run_input(request, part["entity"], part["project"], part["run"])
    now_ms = request.app[WALL]() * 1000.0
    await _put(request, target, lambda cursor: online_run.batch_of_file_stream(cursor, body, now_ms))
    return _json({"exitcode": None, "limits": {}})


async def upload(request: web.Request) -> web.StreamResponse:
    name = request.query.get("file", "")
    size = 0
    async for chunk in request.content.iter_chunked(1 << 16):
        size += len(chunk)
        if size > _UPLOAD:
            raise ApiError(413, f"{name} is larger than {_UPLOAD >> 20} MiB; lensd keeps metrics, not files")
    if name not in _BOOKKEEPING:
        raise ApiError(403, f"lensd keeps metrics, not files: {name} was not stored")
    return _json({})


async def page(request: web.Request) -> web.StreamResponse:
    """The page of a run: the SDK prints its address."""
    run = request.match_info.get("workload") or request.match_info["run"]
    shown, data = html.escape(run), f"/api/v1/workloads/{quote(run, safe='')}/metrics"
    about = f"/api/runs/{quote(run, safe='')}"
    links = (
        (about, "what is known of it"),
        (f"{about}/metrics_step?downsample=2000", "its metrics by step"),
        (f"{data}/available", "the names of its metrics"),
        (f"{data}/data?format=csv&amp;data_source=wandb", "all points, as CSV"),
    )
    items = "".join(f'<li><a href="{path}">{what}</a></li>' for path, what in links)
    head = f"<!doctype html><title>{shown} - lensd</title><h1>{shown}</h1>"
    return web.Response(text=f"{head}<p>A run in lensd:</p><ul>{items}</ul>", content_type="text/html")


def run_input(request: web.Request, entity: str, project: str, name: str) -> Input:
    """The input that an online run is. Its workload is the one that the address of the server names
    (`/for/UID`), else the run's id, as for its files on disk."""
    path = f"{entity}/{project}/{name}"
    workload = request.match_info.get("workload") or name
    return pushed_input(workload, path, "wandb_online", f"W&B run {path}")


def _named(variables: Mapping[str, Any]) -> tuple[str, str, str]:
    """Entity, project and run of a request. Raises ApiError."""
    packed, name = variables.get("id"), variables.get("name")
    if isinstance(name, str) and name:
        entity, project = variables.get("entity"), variables.get("project")
        return str(entity or ENTITY), str(project or "uncategorized"), name
    try:
        first, second, third = base64.b64decode(str(packed), validate=True).decode().split("\0")
    except ValueError:
        raise ApiError(400, "the run is not named: name and id are missing or none of lensd's") from None
    return first, second, third


def _pack(*names: str) -> str:
    return base64.b64encode("\0".join(names).encode()).decode()


async def _object(request: web.Request, most: int) -> Json:
    """The JSON object in a body of at most so many bytes. Raises ApiError."""
    data = bytearray()
    async for chunk in request.content.iter_chunked(1 << 18):
        data += chunk
        if len(data) > most:
            raise ApiError(413, f"the body has over {most >> 20} MiB")
    try:
        body = await in_thread(request, partial(loads, bytes(data)))
    except ValueError as error:
        raise ApiError(400, f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "the body is no JSON object")
    return body


def _json(answer: Json) -> web.Response:
    return web.json_response(answer)


async def _put(request: web.Request, target: Input, make: Callable[[bytes | None], Batch]) -> None:
    try:
        await request.app[INGEST].put(target, make)
    except Busy:
        headers = {"Retry-After": "1"}
        raise ApiError(429, "too many posts wait to be stored; come again", headers=headers) from None
    except StoreError as error:  # a full disk may have room again: the SDK is to keep what it has
        raise ApiError(429, f"not stored: {error}", headers={"Retry-After": "10"}) from error
