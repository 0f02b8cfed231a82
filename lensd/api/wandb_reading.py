"""What `wandb.Api()` reads: runs of a project, their configuration, summary and history.

Any workload can be read as `lensd/PROJECT/UID`, whatever the project. What the SDK itself reported of a run
is answered as it said it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
from aiohttp import web

from lensd.api.state import ROWS, STORE, ask
from lensd.api.wandb_graphql import Call, Json, RunName
from lensd.ingest.push import pushed_input
from lensd.query import lens
from lensd.query.details import workload_detail
from lensd.query.results import MetricInfo, RowTable, WorkloadDetail
from lensd.store import Reader
from lensd.wandb.online_run import FileProgress
from lensd.wandb.values import shown_config

_STATES = {"interrupted": "killed", "ended": "finished", "unknown": "crashed"}
_MOST_RUNS, _MOST_ROWS = 1000, 50_000
_READING = ("Run", "Runs", "GetRuns", "RunHistoryKeys", "RunFullHistory", "RunSampledHistory", "HistoryPage",
            "SampledHistoryPage", "RunParquetHistory")  # fmt: skip


class CannotRead(Exception):
    """A call that is not answered; the message is one sentence, which the SDK shows."""


async def read(request: web.Request, call: Call) -> Json | None:
    """The data of a call that reads runs; None for another call. Raises CannotRead."""
    if call.operation not in _READING:
        return None
    try:
        return await _read(request, call)
    except (ValueError, TypeError, AttributeError) as error:
        raise CannotRead(f"the variables of {call.operation} are not valid: {error}") from error


async def _read(request: web.Request, call: Call) -> Json:
    variables = call.variables
    project = {"id": "1", "internalId": "1", "name": variables.get("project"), "readOnly": True}
    if call.operation in ("Runs", "GetRuns"):
        if json.loads(variables.get("filters") or "{}"):
            raise CannotRead("lensd does not filter runs: read all of them and choose from these")
        return {"project": project | await _runs(request, variables)}
    name = variables.get("name") or variables.get("run") or variables.get("runName")
    run = RunName(str(variables.get("entity")), str(variables.get("project")), str(name))
    uid = request.match_info.get("workload") or run.name
    if call.operation in ("Run", "RunHistoryKeys"):
        found = await ask(request, lambda reader: _run(request, reader, uid, run))
    else:
        found = await ask(request, lambda reader: _history(request, reader, uid, call))
    return {"project": project | {"run": found}}


async def _runs(request: web.Request, variables: Json) -> Json:
    first = min(int(variables.get("perPage") or 50), _MOST_RUNS)
    after = int(variables.get("cursor") or 0)
    entity, project = str(variables.get("entity")), str(variables.get("project"))
    newest_first = not str(variables.get("order") or "").startswith("+")

    def look(reader: Reader) -> tuple[int, list[Json]]:
        infos = lens.workloads(reader, None, None)
        infos.sort(key=lambda info: (info.created_at or 0, info.uid), reverse=newest_first)
        uids = [info.uid for info in infos]
        nodes = [
            _run(request, reader, uid, RunName(entity, project, uid)) for uid in uids[after : after + first]
        ]
        return len(uids), [node for node in nodes if node is not None]

    count, nodes = await ask(request, look)
    end = after + len(nodes)
    return {
        "runCount": count,
        "runs": {
            "edges": [{"node": node, "cursor": str(end)} for node in nodes],
            "pageInfo": {"endCursor": str(end), "hasNextPage": end < count},
        },
    }


def _run(request: web.Request, reader: Reader, uid: str, run: RunName) -> Json | None:
    detail = workload_detail(reader, uid)
    if detail is None:
        return None
    path = f"{run.entity}/{run.project}/{run.name}"
    cursor = request.app[STORE].cursor(pushed_input(uid, path, "wandb_online", "").id)
    progress = None if cursor is None else FileProgress.decode(cursor)
    names = {
        info.name: {"typeCounts": [{"type": "number", "count": info.count}]} for info in _metrics(reader, uid)
    }
    last = max(detail.iteration or 0, progress.step or 0 if progress else 0)
    return {
        "id": run.id,
        "projectId": "1",
        "name": run.name,
        "displayName": (progress.name if progress else "") or detail.name,
        "tags": detail.tags,
        "sweepName": detail.sweep,
        "state": _STATES.get(detail.status, detail.status),
        "config": shown_config(progress.config) if progress else _config(detail),
        "group": detail.group,
        "jobType": detail.job_type,
        "commit": None,
        "readOnly": True,
        "createdAt": _iso(detail.created_at),
        "heartbeatAt": _iso(detail.updated_at),
        "description": detail.notes,
        "notes": detail.notes,
        "systemMetrics": "{}",
        "summaryMetrics": progress.summary if progress else json.dumps(detail.summary),
        "historyLineCount": last + 1,
        "historyKeys": {"lastStep": last, "keys": names, "sets": []},
        "user": {"name": run.entity, "username": run.entity},
    }


def _metrics(reader: Reader, uid: str) -> list[MetricInfo]:
    return lens.available(reader, uid, None)


def _config(detail: WorkloadDetail) -> str:
    return json.dumps({name: {"value": value} for name, value in detail.config.items()})


def _iso(ts_ms: int | None) -> str | None:
    return (
        None if ts_ms is None else datetime.fromtimestamp(ts_ms / 1000.0, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    )


def _history(request: web.Request, reader: Reader, uid: str, call: Call) -> Json | None:
    """Rows of a run as the call wants them; None for a run never seen."""
    variables = call.variables
    if call.operation == "RunParquetHistory":  # nothing is packed away: all rows are in the pages
        known = reader.workload(uid) is not None
        return {"parquetHistory": {"parquetUrls": [], "liveData": []}} if known else None
    if call.operation in ("RunSampledHistory", "SampledHistoryPage"):
        texts = variables.get("specs") or [variables.get("spec")]
        specs = [json.loads(text) for text in texts]
        sampled = [_sampled(request, reader, uid, spec) for spec in specs]
        return None if any(rows is None for rows in sampled) else {"sampledHistory": sampled}
    if "minStep" in variables:
        steps = int(variables["minStep"]), int(variables["maxStep"]) - 1
        rows = _rows(request, reader, uid, None, None, steps)
    else:
        rows = _rows(request, reader, uid, None, int(variables.get("samples") or 500), None)
    return None if rows is None else {"history": [json.dumps(row) for row in rows], "events": []}


def _sampled(request: web.Request, reader: Reader, uid: str, spec: Json) -> list[Json] | None:
    """Rows that have a value of every key, as W&B's own server gives them."""
    keys = [key for key in spec.get("keys", []) if key != "_step"]
    lo, hi = spec.get("minStep"), spec.get("maxStep")
    steps = None if lo is None or hi is None else (int(lo), int(hi) - 1)
    samples = int(spec.get("samples") or 500) if steps is None else None
    rows = _rows(request, reader, uid, frozenset(keys), samples, steps)
    return None if rows is None else [row for row in rows if all(key in row for key in keys)]


def _rows(
    request: web.Request,
    reader: Reader,
    uid: str,
    names: frozenset[str] | None,
    samples: int | None,
    steps: tuple[int, int] | None,
) -> list[Json] | None:
    """Rows by step. samples: so many at most, chosen so that curves keep their shape; None for all."""
    table = request.app[ROWS].rows(
        reader, uid, "step", downsample=samples, metric_names=names, step_range=steps
    )
    if table is None:
        return None
    rows: list[Json] = []
    for piece in [table] if isinstance(table, RowTable) else table.tables(reader):
        rows += _objects(piece)
        if len(rows) > _MOST_ROWS:
            raise CannotRead(f"more than {_MOST_ROWS} rows in one page: ask for fewer steps at a time")
    return rows


def _objects(table: RowTable) -> list[Json]:
    rows: list[Json] = [{"_step": step} for step in table.axis.tolist()]
    for name, column in zip(table.columns, table.values, strict=True):
        for index in np.flatnonzero(np.isfinite(column)).tolist():
            rows[index][name] = float(column[index])
    return rows
