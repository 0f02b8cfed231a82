"""The adapter: which runs of a project are inputs, and reading one on from its last step."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from lensd.adapter import Budget, ReadError
from lensd.discovery import Roots
from lensd.model import Batch, Counts, Fact, Input, Restarts, SeriesBuilder
from lensd.wandb.values import add_history, config_facts, loads, scalar_facts, step_of
from lensd_wandb_cloud.server import DEFAULT, WandbServer

_PAGE = 10_000  # steps asked for at once
_WIDEST = 1 << 40
_STATES = {
    "running": "running",
    "finished": "finished",
    "failed": "failed",
    "crashed": "crashed",
    "killed": "failed",
}


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`options` of a `[[source]]` block. runs: a regular expression for ids or names of runs; all where it is
    empty. poll_seconds: between two looks at a run that goes on, and at the list of runs."""

    entity: str = ""
    project: str = ""
    runs: str = ""
    base_url: str = ""
    poll_seconds: float = 60.0


class _CloudCursor(msgspec.Struct):
    """step: where reading goes on, which is the last row's once all are read. page: how many steps are asked
    for at once. done: the run had ended when everything was read."""

    step: int | None = None
    page: int = _PAGE
    done: bool = False


class WandbCloudAdapter:
    """Runs of one project, one input a run. Without options it finds nothing and asks nobody."""

    name = "wandb_cloud"
    data_source = "wandb"

    def __init__(
        self, options: dict[str, object] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        try:
            self._options = msgspec.convert(options or {}, Options)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
        if options and not (self._options.entity and self._options.project):
            raise ValueError("options must name an entity and a project")
        try:
            self._wanted = re.compile(self._options.runs)
        except re.error as error:
            raise ValueError(f"runs is no regular expression: {error}") from error
        url = self._options.base_url or os.environ.get("WANDB_BASE_URL") or DEFAULT
        self._server = WandbServer(url)
        self._clock = clock
        self._listed: list[Input] = []
        self._next_list = -1.0
        self._problem = ""
        self._next_read: dict[str, float] = {}

    def discover(self, roots: Roots) -> Iterable[Input]:
        """The runs of the project, asked for once in `poll_seconds`."""
        options = self._options
        if not options.project:
            return []
        if self._clock() >= self._next_list:
            self._next_list = self._clock() + options.poll_seconds
            try:
                runs = self._server.runs(options.entity, options.project)
                self._listed = [self._input(run) for run in runs if self._is_wanted(run)]
                self._problem = ""
            except ReadError as error:
                self._problem = str(error)
        if self._problem:
            roots.problems[f"{options.entity}/{options.project}"] = self._problem
        return list(self._listed)

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        """The next page of history; the last row is read again, for it may have been completed since."""
        known = msgspec.json.decode(cursor, type=_CloudCursor) if cursor else _CloudCursor()
        if known.done or self._clock() < self._next_read.get(input.id, -1.0):
            return Batch(cursor or b"", waits=not known.done)
        entity, project, name = input.path.removeprefix("wandb://").split("/", 2)
        about = self._server.run(entity, project, name)
        keys = about.get("historyKeys")
        last = step_of(keys.get("lastStep")) if isinstance(keys, dict) else None
        facts, points, counts = _facts(about), SeriesBuilder(), Counts()
        state = str(facts.get("status", "running"))
        first = known.step or 0
        if last is not None and first <= last:
            end = min(first + known.page, last + 1)
            rows = self._server.rows(entity, project, name, first, end)
            add_history(rows, points, counts)
            counts.bytes = sum(map(len, rows))
            # Steps may lie far apart (tokens): a page without rows is made wider.
            known.page = _PAGE if rows else min(known.page * 16, _WIDEST)
            known.step = end if end <= last else last
            more = end <= last
        else:
            more = False
        if not more:
            known.done = state != "running"
            self._next_read[input.id] = self._clock() + self._options.poll_seconds
        return Batch(
            msgspec.json.encode(known),
            points.build(input.prefix),
            facts=facts,
            counts=counts,
            more=more,
            waits=not more and not known.done,
            log_format="wandb cloud",
        )

    def close(self) -> None:
        """No connection is kept."""

    def _is_wanted(self, run: dict[str, Any]) -> bool:
        return any(self._wanted.search(str(run.get(key) or "")) for key in ("name", "displayName"))

    def _input(self, run: dict[str, Any]) -> Input:
        options = self._options
        name = f"{options.entity}/{options.project}/{run['name']}"
        digest = hashlib.blake2s(f"{self.name}\0{self._server.url}\0{name}".encode(), digest_size=5)
        return Input(
            id=digest.hexdigest(),
            workload=str(run["name"]),
            data_source=self.data_source,
            adapter=self.name,
            path=f"wandb://{name}",
            name=name,
            folder="",
            why=f"run of {options.entity}/{options.project} at {self._server.url}",
            structured=True,
            restarts=Restarts.NEVER,
        )


def _facts(about: dict[str, Any]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    if about.get("displayName"):
        facts["name"] = str(about["displayName"])
    facts["status"] = _STATES.get(str(about.get("state")), "running")
    for key, told in (("config", config_facts), ("summaryMetrics", lambda v: scalar_facts("summary.", v))):
        try:
            value = loads(about.get(key) or "{}")
        except (ValueError, TypeError):
            continue
        if isinstance(value, dict):
            facts |= told(value)
    return facts
