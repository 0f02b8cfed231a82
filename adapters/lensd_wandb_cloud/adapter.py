"""The adapter for runs on a W&B server: lists those of a project, and reads each from its last step on."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from lensd.adapter import Budget, ReadError
from lensd.discovery import Roots
from lensd.model import Batch, Counts, Fact, Input, LogLine, Restarts, SeriesBuilder
from lensd.wandb.about import facts_of_internal, label_facts
from lensd.wandb.axes import Axes, definitions
from lensd.wandb.online_run import add_system_rows, console_lines
from lensd.wandb.values import add_history, config_facts, loads, scalar_facts, step_of
from lensd_wandb_cloud.package import WandbPackage, is_installed
from lensd_wandb_cloud.server import DEFAULT, WandbServer

_MAX_PAGE = 1 << 40
_STATES = {
    "running": "running",
    "finished": "finished",
    "failed": "failed",
    "crashed": "crashed",
    "killed": "failed",
}

#: Facts by field of a run.
_LABELS = {
    "name": "run_id", "displayName": "name", "group": "group", "jobType": "job_type", "notes": "notes",
    "tags": "tags", "sweepName": "sweep",
}  # fmt: skip


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`options` of a `[[source]]` block.

    runs: a regular expression for ids or names of runs; empty for all. poll_seconds: between two requests for
    a running run, and for the list of runs. client: `wandb` reads through the wandb package, which also has
    exports in Parquet, system metrics and the console.
    """

    entity: str = ""
    project: str = ""
    runs: str = ""
    base_url: str = ""
    poll_seconds: float = 60.0
    client: Literal["graphql", "wandb"] = "graphql"


class _CloudCursor(msgspec.Struct):
    """step: where reading goes on: at the last row, once all rows are read. page: steps to ask for at once.
    done: everything was read after the run had ended. axes: of the metrics. system_ms: the time of the last
    system metrics, UTC ms."""

    step: int | None = None
    page: int = WandbServer.page
    done: bool = False
    axes: Axes = msgspec.field(default_factory=Axes)
    system_ms: float = 0.0


class WandbCloudAdapter:
    """Runs of one project, one input each. Without options it finds nothing and sends no requests."""

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
            self._runs = re.compile(self._options.runs)
        except re.error as error:
            raise ValueError(f"runs is not a regular expression: {error}") from error
        url = self._options.base_url or os.environ.get("WANDB_BASE_URL") or DEFAULT
        by_package = self._options.client == "wandb"
        if by_package and not is_installed():
            raise ValueError('client = "wandb" needs the wandb package: pip install "lensd[wandb]"')
        self._server = WandbPackage(url) if by_package else WandbServer(url)
        self._clock = clock
        self._inputs: list[Input] = []
        self._next_list = -1.0
        self._problem = ""
        self._next_read: dict[str, float] = {}

    def discover(self, roots: Roots) -> Iterable[Input]:
        """The runs of the project, requested once in `poll_seconds`."""
        options = self._options
        if not options.project:
            return []
        if self._clock() >= self._next_list:
            self._next_list = self._clock() + options.poll_seconds
            try:
                runs = self._server.runs(options.entity, options.project)
                self._inputs = [self._input(run) for run in runs if self._is_chosen(run)]
                self._problem = ""
            except ReadError as error:
                self._problem = str(error)
        if self._problem:
            roots.problems[f"{options.entity}/{options.project}"] = self._problem
        return list(self._inputs)

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        """The next page of history. Reads the last row again, which may have got more metrics."""
        here = (
            msgspec.json.decode(cursor, type=_CloudCursor) if cursor else _CloudCursor(page=self._server.page)
        )
        if here.done or self._clock() < self._next_read.get(input.id, -1.0):
            return Batch(cursor or b"", waits=not here.done)
        entity, project, name = input.path.removeprefix("wandb://").split("/", 2)
        run = self._server.run(entity, project, name)
        keys = run.get("historyKeys")
        last = step_of(keys.get("lastStep")) if isinstance(keys, dict) else None
        facts, points, counts = _facts(run), SeriesBuilder(), Counts()
        facts |= {"entity": entity, "project": project}
        status = facts["status"]
        created_ms = _created_ms(run)
        for pattern, axis in definitions(_object(run, "config")):
            here.axes.define(pattern, axis)
        first = here.step or 0
        if last is not None and first <= last:
            end = min(first + here.page, last + 1)
            rows = self._server.rows(entity, project, name, first, end)
            add_history(rows, points, counts, created_ms)
            counts.bytes = sum(map(len, rows))
            # Steps may be far apart (counted in tokens, say): after a page without rows comes a wider one.
            here.page = self._server.page if rows else min(here.page * 16, _MAX_PAGE)
            here.step = end if end <= last else last
            more = end <= last
        else:
            more = False
        lines: list[LogLine] = []
        if not more and isinstance(self._server, WandbPackage):
            system = self._server.system_rows(entity, project, name)
            here.system_ms = add_system_rows(system, here.system_ms, last or 0, points)
            if status != "running":
                lines = console_lines(self._server.console(entity, project, name), created_ms)
        if not more:
            here.done = status != "running"
            self._next_read[input.id] = self._clock() + self._options.poll_seconds
        series, broke = here.axes.place(points.build(input.prefix))
        if broke:  # what was stored lies elsewhere: read all again
            here = _CloudCursor(axes=Axes(defined=here.axes.defined, broken=here.axes.broken))
            return Batch(msgspec.json.encode(here), facts=facts, more=True, restart=True)
        return Batch(
            msgspec.json.encode(here),
            series,
            facts=facts | here.axes.facts(),
            counts=counts,
            lines=lines,
            more=more,
            waits=not more and not here.done,
            log_format="wandb cloud",
        )

    def close(self) -> None:
        """No connection is kept."""

    def _is_chosen(self, run: dict[str, Any]) -> bool:
        return any(self._runs.search(str(run.get(key) or "")) for key in ("name", "displayName"))

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


def _created_ms(run: dict[str, Any]) -> float:
    """`createdAt`, which rows without a time are given."""
    try:
        created = datetime.fromisoformat(str(run.get("createdAt")))
    except ValueError:
        return 0.0
    return created.replace(tzinfo=created.tzinfo or UTC).timestamp() * 1000.0


def _facts(run: dict[str, Any]) -> dict[str, Fact]:
    facts: dict[str, Fact] = label_facts(run, _LABELS)
    facts["status"] = _STATES.get(str(run.get("state")), "running")
    facts["watched"] = True  # the server says itself when a run is silent
    config = _object(run, "config")
    facts |= config_facts(config) | facts_of_internal(config)
    return facts | scalar_facts("summary.", _object(run, "summaryMetrics"))


def _object(run: dict[str, Any], key: str) -> dict[str, Any]:
    """The JSON object that a member of the run holds as a string; empty where it holds something else."""
    try:
        value = loads(run.get(key) or "{}")
    except (ValueError, TypeError):
        return {}
    return value if isinstance(value, dict) else {}
