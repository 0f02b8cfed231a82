"""Requests runs and rows of history from a W&B server.

Sends the GraphQL that `wandb.Api` of SDK 0.31 sends. The SDK itself would start a Go program that does the
same: 20 MB to install, and over 100 MB of memory. The API key comes from the environment and appears in no
message.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from lensd.adapter import InputDead, InputGone, RetryAfter

DEFAULT = "https://api.wandb.ai"
_TIMEOUT_S = 20.0
_MAX_BYTES = 64 << 20

_RUNS = """query Runs($entity: String!, $project: String!, $cursor: String, $perPage: Int!) {
  project(name: $project, entityName: $entity) { runCount
    runs(after: $cursor, first: $perPage, order: "+created_at") {
      edges { node { name displayName state } cursor } pageInfo { endCursor hasNextPage } } } }"""
_RUN = """query Run($entity: String!, $project: String!, $name: String!) {
  project(name: $project, entityName: $entity) { run(name: $name) {
    name displayName state createdAt config group jobType notes tags sweepName
     summaryMetrics historyKeys } } }"""
_PAGE = """query HistoryPage($entity: String!, $project: String!, $run: String!, $minStep: Int64!,
  $maxStep: Int64!, $pageSize: Int!) { project(name: $project, entityName: $entity) { run(name: $run) {
    history(minStep: $minStep, maxStep: $maxStep, samples: $pageSize) } } }"""


class WandbServer:
    """One server. Every method raises RetryAfter, InputGone or InputDead with a message for the user."""

    page = 10_000  # steps to ask for at once

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def runs(self, entity: str, project: str) -> list[dict[str, Any]]:
        """All runs of a project: name, displayName, state."""
        runs: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            variables = {"entity": entity, "project": project, "cursor": cursor, "perPage": 200}
            answer = self._project(_RUNS, variables)["runs"]
            runs += [edge["node"] for edge in answer["edges"]]
            page = answer["pageInfo"]
            if not page["hasNextPage"] or not answer["edges"]:
                return runs
            cursor = page["endCursor"]

    def run(self, entity: str, project: str, name: str) -> dict[str, Any]:
        """A run: names, labels, state, config, summaryMetrics (both JSON), historyKeys."""
        run = self._project(_RUN, {"entity": entity, "project": project, "name": name})["run"]
        if not isinstance(run, dict):
            raise InputGone(f"{entity}/{project}/{name} is not at {self.url}")
        return run

    def rows(self, entity: str, project: str, run: str, first: int, end: int) -> list[str]:
        """The rows of history with steps from `first` to before `end`, as JSON, ascending."""
        variables = {"entity": entity, "project": project, "run": run}
        window = {"minStep": first, "maxStep": end, "pageSize": end - first}
        page = self._project(_PAGE, variables | window)["run"]
        return list((page or {}).get("history") or [])

    def _project(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        data = self._post(query, variables)
        project = data.get("project")
        if not isinstance(project, dict):
            raise InputGone(f"{variables['entity']}/{variables['project']} is not at {self.url}")
        return project

    def _post(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        # Imported here because most daemons never send a request.
        import http.client
        import urllib.error
        import urllib.request

        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "lensd"}
        key = os.environ.get("WANDB_API_KEY", "")
        if key:
            headers["Authorization"] = "Basic " + base64.b64encode(f"api:{key}".encode()).decode()
        request = urllib.request.Request(self.url + "/graphql", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                text = answer.read(_MAX_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                wait = error.headers.get("Retry-After", "")
            if error.code in (401, 403):
                what = "the key in WANDB_API_KEY" if key else "a request without WANDB_API_KEY"
                raise InputDead(f"{self.url} refuses {what} ({error.code})") from None
            seconds = float(wait) if wait.isdigit() else 30.0
            raise RetryAfter(f"{self.url} answers {error.code}", min(seconds, 600.0)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise RetryAfter(f"{self.url} cannot be reached: {reason}", 30.0) from None
        if len(text) > _MAX_BYTES:
            raise RetryAfter(f"{self.url} answers with over {_MAX_BYTES >> 20} MiB at once", 300.0)
        try:
            decoded = json.loads(text)
            data = decoded.get("data")
        except (ValueError, AttributeError, RecursionError):
            raise RetryAfter(f"{self.url} answers with something that is not GraphQL", 60.0) from None
        if not isinstance(data, dict):
            first = (decoded.get("errors") or [{}])[0]
            message = str(first.get("message", "no data")) if isinstance(first, dict) else "no data"
            raise RetryAfter(f"{self.url} answers: {message[:200]}", 60.0)
        return data
