"""The GraphQL operations that the W&B SDK (0.16 to 0.31) needs: parsing calls and building answers.

Pure functions: `wandb_online.py` stores what a call reports. Not a GraphQL engine: an operation is recognised
by its name or by a field, and its answer has the fields that the SDK reads.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lensd.api.errors import ApiError
from lensd.wandb.online_run import FileProgress

Json = dict[str, Any]

ENTITY = "lensd"
_INTROSPECTION = re.compile(r"(\w{1,80})\s*:\s*__type")
_OPERATION = re.compile(r"\b(?:query|mutation)\s+(\w{1,120})")


@dataclass(frozen=True, slots=True)
class RunName:
    """The three names of a run at a W&B server; `name` is its id."""

    entity: str
    project: str
    name: str

    @property
    def id(self) -> str:
        """The opaque id that the SDK sends back in later calls."""
        return base64.b64encode("\0".join((self.entity, self.project, self.name)).encode()).decode()

    @classmethod
    def from_id(cls, id: object) -> RunName:
        """Raises ValueError if it is not an id that lensd made."""
        entity, project, name = base64.b64decode(str(id), validate=True).decode().split("\0")
        return cls(entity, project, name)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. operation: its name, or an empty string."""

    operation: str
    query: str
    variables: Json

    @classmethod
    def parse(cls, query: str, variables: object) -> Call:
        match = _OPERATION.search(query)
        return cls(match[1] if match else "", query, variables if isinstance(variables, dict) else {})

    def run_name(self, variable: str = "name") -> RunName:
        """The run that the call is about. Raises ApiError (400)."""
        name = self.variables.get(variable)
        if isinstance(name, str) and name:
            entity, project = self.variables.get("entity"), self.variables.get("project")
            return RunName(str(entity or ENTITY), str(project or "uncategorized"), name)
        try:
            return RunName.from_id(self.variables.get("id"))
        except ValueError:
            message = "the run is not named: name is missing, and id is missing or not from this server"
            raise ApiError(400, message) from None


def answer(call: Call, base_url: str) -> Json | None:
    """The data of a call that changes nothing; None for an operation that lensd does not know.

    base_url: the address of this server as the client sees it. Raises ApiError (400).
    """
    if call.operation == "RunUploadUrls":  # SDK 0.16: ask for no file
        files: Json = {"uploadHeaders": [], "edges": []}
        return {"model": {"bucket": {"id": str(call.variables.get("run")), "files": files}}}
    if "createRunFiles" in call.query:
        return {"createRunFiles": _upload_urls(call, base_url)}
    for field, data in _CONSTANT.items():
        if re.search(rf"\b{field}\b", call.query):
            return {field: data}
    types = _INTROSPECTION.findall(call.query)
    if types:  # introspection: answer as an old server, whose types lack what is asked about
        return {name: {"name": name, "fields": [], "inputFields": [], "args": []} for name in types}
    if re.search(r"\bproject\s*\(", call.query) and "mutation" not in call.query:
        # A missing artifact must be there as null: the SDK checks the shape during training.
        run = {"stopped": False} if call.operation == "RunStoppedStatus" else None
        return {"project": {"id": "1", "name": call.variables.get("project"), "artifact": None, "run": run}}
    return None


#: Field to data of the operations with a fixed answer; the first field that a query holds counts.
_CONSTANT: Mapping[str, Json] = {
    "viewer": {
        "id": "lensd", "entity": ENTITY, "username": ENTITY, "name": ENTITY, "email": "", "flags": "{}",
        "admin": False, "teams": {"edges": [{"node": {"name": ENTITY}}]},
    },
    "serverInfo": {
        "cliVersionInfo": {"max_cli_version": "99.0.0"}, "latestLocalVersionInfo": None, "features": [],
    },
    "ServerSettingsType": {"name": "ServerSettings", "fields": []},
}  # fmt: skip


def _upload_urls(call: Call, base_url: str) -> Json:
    run = call.run_name("run")
    names = call.variables.get("files")
    upload = f"{base_url}/files/{run.entity}/{run.project}/{run.name}/upload"
    return {
        "runID": run.id,
        "uploadHeaders": [],
        "files": [
            {"name": name, "uploadUrl": f"{upload}?file={name}"}
            for name in (names if isinstance(names, list) else [])
            if isinstance(name, str)
        ],
    }


def upserted(call: Call, run: RunName, progress: FileProgress, *, inserted: bool) -> Json:
    """The data of `upsertBucket`. progress: the run's before this call. inserted: whether it is new."""
    bucket = {
        "id": run.id,
        "name": run.name,
        "displayName": call.variables.get("displayName") or progress.name or run.name,
        "description": None,
        "config": call.variables.get("config") or progress.config,
        "sweepName": None,
        "historyLineCount": progress.history,
        "project": {"id": "1", "name": run.project, "entity": {"id": "1", "name": run.entity}},
    }
    return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}


def resume_status(run: RunName, progress: FileProgress | None) -> Json:
    """The data of `RunResumeStatus`. progress: None for a run never seen."""
    bucket: Json | None = None
    if progress is not None:
        bucket = {
            "id": run.id,
            "name": run.name,
            "displayName": progress.name or run.name,
            "summaryMetrics": progress.summary,
            "config": progress.config,
            "logLineCount": progress.output,
            "historyLineCount": progress.history,
            "eventsLineCount": progress.events,
            "historyTail": json.dumps([progress.tail] if progress.tail else []),
            "eventsTail": "[]",
            "tags": [],
            "notes": None,
            "wandbConfig": '{"t": 1}',  # without `t` the SDK takes the run for one that never started
        }
    project = {"id": "1", "name": run.project, "entity": {"id": "1", "name": run.entity}, "bucket": bucket}
    return {"model": project}
