"""The cloud adapter against a stand-in for W&B's GraphQL that the real `wandb.Api` accepts too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lensd.adapter import Budget, InputDead, InputGone, RetryAfter
from lensd.config import Config, ConfigError
from lensd.discovery import Roots
from lensd.ingest.registry import load
from lensd.ingest.sources import make
from lensd.model import Batch, Input
from lensd.query import lens
from lensd.query.results import Selection
from lensd.store import Store
from lensd_wandb_cloud.adapter import WandbCloudAdapter
from tests.conftest import DATA

KEY = "k" * 40


class Cloud:
    """One project. `runs`: name to state and rows; `status`: of the next answers; `requests`: operations."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.status = 200
        self.headers: dict[str, str] = {}
        self.keys: list[str] = []
        self.requests: list[str] = []
        handler = type("Handler", (_Handler,), {"cloud": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def add(self, name: str, rows: list[dict[str, Any]], state: str = "running") -> None:
        self.runs[name] = {"rows": rows, "state": state}

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        operation = re.search(r"(?:query|mutation)\s+(\w+)", query)
        self.requests.append(operation[1] if operation else "")
        if "viewer" in query:
            teams = {"edges": [{"node": {"name": "e"}}]}
            about = {"id": "1", "entity": "e", "username": "e", "flags": "{}", "email": "", "admin": False}
            return {"viewer": about | {"teams": teams}}
        if variables.get("entity") != "e" or variables.get("project") != "p":
            return {"project": None}
        project: dict[str, Any] = {"id": "1", "name": "p", "internalId": "1", "readOnly": False}
        if "runs(" in query:
            edges = [{"node": self.node(name), "cursor": name} for name in self.runs]
            page = {"endCursor": None, "hasNextPage": False}
            project |= {"runCount": len(edges), "runs": {"edges": edges, "pageInfo": page}}
        name = variables.get("name") or variables.get("run") or variables.get("runName")
        if "run(" in query:
            project["run"] = self.node(name) if name in self.runs else None
            if name in self.runs and "history(" in query:
                low, high = variables["minStep"], variables["maxStep"]
                rows = [row for row in self.runs[name]["rows"] if low <= row["_step"] < high]
                project["run"]["history"] = [json.dumps(row) for row in rows[: variables["pageSize"]]]
            if name in self.runs and "parquetHistory" in query:
                rows = self.runs[name]["rows"]
                live = [{"_step": float(rows[0]["_step"])}] if rows else []
                urls = [f"{self.url}/{name}/export" for _ in self.runs[name].get("export", b"")[:1]]
                project["run"]["parquetHistory"] = {"parquetUrls": urls, "liveData": live}
            if name in self.runs and "events(" in query:
                project["run"]["events"] = [json.dumps(row) for row in self.runs[name].get("system", [])]
            if name in self.runs and "files(" in query:
                project["run"]["files"] = self.files(name)
        return {"project": project}

    def files(self, name: str) -> dict[str, Any]:
        edges = [
            {"node": {
                "id": "1", "name": "output.log", "sizeBytes": len(text),
                "url": f"{self.url}/{name}/output.log", "directUrl": f"{self.url}/{name}/output.log",
                "mimetype": "text/plain", "md5": "x", "storagePath": "x", "updatedAt": "2026-01-01T00:00:00Z",
            }, "cursor": "1"}
            for text in [self.runs[name].get("console", "")] if text
        ]  # fmt: skip
        return {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}

    def node(self, name: str) -> dict[str, Any]:
        run = self.runs[name]
        last = run["rows"][-1]["_step"] if run["rows"] else -1
        return {
            "id": name, "name": name, "displayName": f"the run {name}", "state": run["state"],
            "projectId": "1",
            "config": json.dumps({"lr": {"value": 0.1}, "api_key": {"value": "secret"}}),
            "summaryMetrics": json.dumps({"best": 0.5}), "systemMetrics": "{}", "tags": [],
            "historyKeys": {"lastStep": last, "sets": [], "keys": {}}, "historyLineCount": len(run["rows"]),
            "createdAt": "2026-01-01T00:00:00Z", "heartbeatAt": "2026-01-01T00:00:00Z", "readOnly": False,
            "fileCount": 1,
            "user": {"name": "e", "username": "e"}, "sweepName": None, "group": None, "jobType": None,
            "commit": None, "description": None, "notes": None, "stopped": False,
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    cloud: Cloud
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.cloud.keys.append(self.headers.get("Authorization", ""))
        data = self.cloud.answer(body["query"], body.get("variables") or {})
        answer = json.dumps({"data": data}).encode()
        self.send_response(self.cloud.status)
        for name, value in self.cloud.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        name, file = self.path.split("/")[1:]
        self.cloud.requests.append(f"GET {file}")
        run = self.cloud.runs[name]
        data = run["export"] if file == "export" else run["console"].encode()
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part is None:
            self.send_response(200)
        else:
            first, last = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            data = data[first : last + 1]
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    cloud = Cloud()
    yield cloud
    cloud.server.shutdown()
    cloud.server.server_close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def adapter_of(cloud: Cloud, clock: Clock | None = None, **options: Any) -> WandbCloudAdapter:
    chosen = {"entity": "e", "project": "p", "base_url": cloud.url} | options
    return WandbCloudAdapter(options=chosen, clock=clock or Clock())


def rows(begin: int, end: int) -> list[dict[str, Any]]:
    return [
        {
            "_step": step,
            "_timestamp": 1795208600.5 + step,
            "_runtime": step,
            "loss": 1 / (step + 1),
            "o": {"x": step},
        }
        for step in range(begin, end)
    ]


def read_on(adapter: WandbCloudAdapter, run: Input, cursor: bytes | None = None) -> list[Batch]:
    batches: list[Batch] = []
    while not batches or batches[-1].more:
        batches.append(adapter.read(run, cursor, Budget()))
        cursor = batches[-1].cursor
    return batches


def losses(batches: list[Batch]) -> list[tuple[int, float]]:
    return [
        pair
        for batch in batches
        if "loss" in batch.series
        for pair in zip(
            batch.series["loss"].points.iteration.tolist(),
            batch.series["loss"].points.value.tolist(),
            strict=True,
        )
    ]


@pytest.mark.slow
def test_a_hundred_thousand_steps_then_only_what_is_new(cloud: Cloud) -> None:
    cloud.add("r1", rows(0, 100_000))
    clock = Clock()
    adapter = adapter_of(cloud, clock)
    (run,) = adapter.discover(Roots([]))
    assert (run.workload, run.data_source) == ("r1", "wandb")
    batches = read_on(adapter, run)
    assert losses(batches) == [(step, 1 / (step + 1)) for step in range(100_000)]
    assert batches[0].facts["name"] == "the run r1"
    assert batches[0].facts["config.api_key"] != "secret"
    assert batches[-1].waits

    cloud.runs["r1"]["rows"] += rows(100_000, 100_010)
    cloud.requests.clear()
    (idle,) = read_on(adapter, run, batches[-1].cursor)
    assert (idle.point_count, cloud.requests) == (0, []), "no request before it is time"
    clock.now = 61.0
    again = read_on(adapter, run, batches[-1].cursor)
    assert [step for step, _ in losses(again)] == list(range(99_999, 100_010))
    assert cloud.requests == ["Run", "HistoryPage"]

    cloud.runs["r1"]["state"] = "finished"
    clock.now = 122.0
    last = read_on(adapter, run, again[-1].cursor)
    assert last[-1].facts["status"] == "finished"
    assert not last[-1].waits, "a run that ended is read once more, and then never again"


@pytest.mark.slow
def test_the_real_client_reads_the_same_rows_from_this_stand_in(cloud: Cloud, tmp_path: Any) -> None:
    cloud.add("r1", rows(0, 5_000), "finished")
    script = """if True:
        import json, sys, wandb
        run = wandb.Api(overrides={"base_url": sys.argv[1]}).run("e/p/r1")
        rows = run.scan_history(page_size=10_000)
        print("ROWS", json.dumps([[row["_step"], row["loss"]] for row in rows]))
    """
    settings = {"WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script, cloud.url],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path, env=os.environ | settings,
    )  # fmt: skip
    assert "ROWS" in done.stdout, done.stderr
    theirs = [tuple(pair) for pair in json.loads(done.stdout.split("ROWS", 1)[1])]
    adapter = adapter_of(cloud)
    (run,) = adapter.discover(Roots([]))
    assert losses(read_on(adapter, run)) == theirs


def ingest(cloud: Cloud, folder: Path) -> Store:
    """What a daemon stores that reads through the wandb package."""
    done = subprocess.run(
        [sys.executable, "-m", "lensd", "ingest", "--config", configuration(folder, cloud), "--db", "x.db"],
        capture_output=True, text=True, timeout=120, check=False, cwd=folder,
        env=os.environ | {"WANDB_API_KEY": KEY, "HOME": str(folder), "WANDB_CACHE_DIR": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "RunParquetHistory" in cloud.requests
    return Store.open(str(folder / "x.db"), read_only=True)


def points_of(store: Store, *names: str) -> dict[str, dict[int, float]]:
    points: dict[str, dict[int, float]] = {}
    with store.read() as reader:
        _, slices = lens.points(reader, "r1", Selection(metrics=frozenset(names)))
        for part in slices:
            pairs = zip(part.iteration.tolist(), part.value.tolist(), strict=True)
            points.setdefault(part.metric_name, {}).update(pairs)
    return points


@pytest.mark.slow
def test_with_the_package_a_run_also_has_system_metrics_and_its_console(cloud: Cloud, tmp_path: Path) -> None:
    cloud.add("r1", rows(0, 5_000), "finished")
    cloud.runs["r1"]["system"] = [
        {"_timestamp": 1795208600.5 + second, "_runtime": second, "system.cpu": 50.0 + second}
        for second in range(3)
    ]
    cloud.runs["r1"]["console"] = "2026-11-20T20:03:49.058321 line 0\nline 1\n"
    store = ingest(cloud, tmp_path)
    points = points_of(store, "loss", "system/cpu")
    with store.read() as reader:
        (input,) = lens.inputs(reader, "r1")
        lines = reader.console_lines(input.id, 0, 10)
    store.close()
    assert points["loss"] == {step: 1 / (step + 1) for step in range(5_000)}
    assert points["system/cpu"] == {4_999: 52.0}, "they stand at the last step, and the last one counts"
    assert lines == [(0, "line 0"), (1, "line 1")]
    assert input.state == "ok"


@pytest.mark.slow
def test_the_package_reads_what_the_server_has_exported_to_parquet(cloud: Cloud, tmp_path: Path) -> None:
    # The steps before 300 are in the export alone: rows like those of `rows`, written by pyarrow 26.
    cloud.add("r1", rows(300, 1_000), "finished")
    cloud.runs["r1"]["export"] = (DATA / "wandb-files" / "history-export.parquet").read_bytes()
    store = ingest(cloud, tmp_path)
    points = points_of(store, "loss", "o.x")
    store.close()
    assert "GET export" in cloud.requests
    assert points["loss"] == {step: 1 / (step + 1) for step in range(1_000)}
    assert points["o.x"] == {step: step for step in range(1_000)}


def configuration(folder: Path, cloud: Cloud) -> str:
    path = folder / "lensd.toml"
    path.write_text(
        '[[source]]\nadapter = "wandb_cloud"\n'
        f'options = {{ entity = "e", project = "p", base_url = "{cloud.url}", client = "wandb" }}\n'
    )
    return str(path)


def test_the_package_is_asked_for_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lensd_wandb_cloud.adapter.is_installed", lambda: False)
    options = {"entity": "e", "project": "p", "client": "wandb"}
    with pytest.raises(ConfigError, match=r"pip install .lensd\[wandb\]"):
        make(load(), "wandb_cloud", Config(), options)


def test_steps_that_lie_far_apart_take_few_requests(cloud: Cloud) -> None:
    apart = [row | {"_step": row["_step"] * 50_000_000} for row in rows(0, 20)]
    cloud.add("r1", apart, "finished")
    adapter = adapter_of(cloud)
    (run,) = adapter.discover(Roots([]))
    assert len(losses(read_on(adapter, run))) >= 20
    assert len(cloud.requests) < 400


def test_runs_are_chosen_by_name(cloud: Cloud) -> None:
    for name in ("a1", "a2", "b1"):
        cloud.add(name, rows(0, 1))
    assert [input.workload for input in adapter_of(cloud, runs="^a").discover(Roots([]))] == ["a1", "a2"]


def test_the_list_of_runs_is_requested_now_and_then(cloud: Cloud) -> None:
    clock = Clock()
    adapter = adapter_of(cloud, clock)
    for _ in range(5):
        assert adapter.discover(Roots([])) == []
    assert cloud.requests == ["Runs"]
    cloud.add("r1", [])
    clock.now = 60.0
    assert len(list(adapter.discover(Roots([])))) == 1


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [(401, InputDead, "refuses the key"), (429, RetryAfter, "answers 429"), (500, RetryAfter, "answers 500")],
)
def test_refusals_are_a_sentence_without_the_key(
    cloud: Cloud, status: int, error: type[Exception], message: str
) -> None:
    cloud.add("r1", rows(0, 1))
    adapter = adapter_of(cloud)
    (run,) = adapter.discover(Roots([]))
    cloud.status, cloud.headers = status, {"Retry-After": "7"}
    with pytest.raises(error, match=message) as caught:
        adapter.read(run, None, Budget())
    assert KEY not in str(caught.value)
    if isinstance(caught.value, RetryAfter):
        assert caught.value.seconds == 7.0


def test_a_server_that_is_away_is_a_problem_of_the_source(cloud: Cloud) -> None:
    adapter = adapter_of(cloud, base_url="http://127.0.0.1:9")
    roots = Roots([])
    assert list(adapter.discover(roots)) == []
    assert "cannot be reached" in roots.problems["e/p"]


def test_a_run_that_was_deleted_is_gone(cloud: Cloud) -> None:
    cloud.add("r1", rows(0, 1))
    adapter = adapter_of(cloud)
    (run,) = adapter.discover(Roots([]))
    cloud.runs.clear()
    with pytest.raises(InputGone):
        adapter.read(run, None, Budget())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entity": "e"}, "a project"),
        ({"entity": "e", "project": "p", "runs": "("}, "not a regular"),
        ({"x": 1}, "x"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(load(), "wandb_cloud", Config(), options)


def test_without_options_no_request_is_sent() -> None:
    assert list(WandbCloudAdapter().discover(Roots([]))) == []
