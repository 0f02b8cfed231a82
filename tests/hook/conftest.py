"""What the tests of the hook share: a server that records, and training in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lensd.hook.install import source

Point = tuple[str, str, int]


class Server:
    """Takes what the hook posts. `answer(number)` chooses the status of each request; `hold` keeps answers
    back until it is set."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.largest = 1 << 30
        self.answer: Callable[[int], int] = lambda number: 200
        self.hold: threading.Event | None = None
        self.came = threading.Condition()
        self._number = 0
        self._http: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def start(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._http.daemon_threads = True
        self.port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for url, body in self.requests if url == "/api/v1/wandb/" + path]

    @property
    def points(self) -> dict[Point, float]:
        """(run id, name, step) to the value posted last."""
        return {
            (body["run_id"], entry["name"], entry["step"]): entry["value"]
            for body in self.bodies("metrics")
            for entry in body["metrics"]
        }

    @property
    def count(self) -> int:
        """How many points were posted, those posted twice twice."""
        return sum(len(body["metrics"]) for body in self.bodies("metrics"))

    def series(self, name: str) -> dict[int, float]:
        """Of the only run that has it: step to value, in the order of steps."""
        return dict(
            sorted((step, value) for (_, metric, step), value in self.points.items() if metric == name)
        )

    def wait_for(self, reached: Callable[[], bool]) -> None:
        with self.came:
            assert self.came.wait_for(reached, timeout=30)

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                data = self.rfile.read(length)
                with server.came:
                    server._number += 1
                    status = server.answer(server._number) if length <= server.largest else 413
                    if status == 200:
                        server.requests.append((self.path, json.loads(data)))
                        server.headers.append(dict(self.headers))
                    server.came.notify_all()
                if server.hold is not None:
                    server.hold.wait()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")
                except OSError:  # the client did not wait
                    self.close_connection = True

            def log_message(self, *arguments: object) -> None:
                """Nothing."""

        return Handler


@dataclass
class Training:
    """Runs scripts with the hook, each in a process of its own, in one working folder."""

    folder: Path
    url: str
    environment: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable

    def start(self, script: str, **environment: str) -> subprocess.Popen[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "LENSD", "PRIMUS"))}
        variables = {
            "WANDB_MODE": "offline",
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_SILENT": "true",
            "LENSD_API_BASE_URL": self.url,
            "LENSD_WANDB_FLUSH_INTERVAL": "0.05",
            "PYTHONPATH": str(source() / "inject"),
            "WORKLOAD_UID": "my-workload",
        }
        return subprocess.Popen(
            [self.python, "-c", textwrap.dedent(script)],
            cwd=self.folder,
            env=inherited | variables | self.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, code: int | None = 0, /, **environment: str) -> tuple[str, str]:
        """What the script printed on stdout and stderr; it must exit with this code, if one is named."""
        process = self.start(script, **environment)
        out, err = process.communicate(timeout=120)
        assert code is None or process.returncode == code, err
        return out, err

    @property
    def spools(self) -> list[Path]:
        return sorted(self.folder.rglob("*.lensd-spool"))

    def flush(self) -> subprocess.CompletedProcess[str]:
        """`lensd hook flush` in the working folder."""
        return subprocess.run(
            [sys.executable, "-m", "lensd", "hook", "flush", "--url", self.url],
            cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    if made.hold is not None:
        made.hold.set()
    made.stop()


@pytest.fixture
def training(tmp_path: Path, server: Server) -> Training:
    return Training(tmp_path, server.url)
