"""What tests of several folders share: where data lies, and a real daemon on a real port."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from lensd.model import Input

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared"

# Tests start hundreds of Pythons; without bytecode each of them would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How many examples a property is tried with: few in each run of the tests, many in `make fuzz`.
_RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
settings.register_profile("tests", max_examples=50, deadline=None, suppress_health_check=_RELAXED)
settings.register_profile("fuzz", settings.get_profile("tests"), max_examples=2000)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests, or one process would run the last of them while the others wait. Those that
    share a process come first: they run one after the other."""

    def rank(item: pytest.Item) -> int:
        if item.get_closest_marker("xdist_group"):
            return 0
        return 1 if item.get_closest_marker("slow") else 2

    items.sort(key=rank)


@dataclass
class Daemon:
    """A running `lensd serve`; `base` is its address, `lines` what it has printed."""

    process: subprocess.Popen[str]
    base: str
    lines: list[str] = field(default_factory=list)
    listener: threading.Thread | None = None
    printed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def address(self) -> str:
        return self.base.removeprefix("http://")

    def get(self, path: str) -> Any:
        """The decoded answer of a GET that succeeds."""
        status, body = self.ask(path)
        assert status == 200, (path, status, body)
        return body

    def ask(self, path: str) -> tuple[int, Any]:
        """Status and decoded answer of a GET."""
        try:
            with urllib.request.urlopen(self.base + path, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def listen(self) -> None:
        """Keep what it prints. Somebody must read, or the daemon would block once the pipe is full."""
        for line in self.process.stdout or ():
            with self.printed:
                self.lines.append(line)
                self.printed.notify_all()

    def wait_for_line(self, text: str) -> str:
        """The first line that holds the text, once the daemon has printed it."""
        with self.printed:
            assert self.printed.wait_for(lambda: any(text in line for line in self.lines), 60), self.lines
        return next(line for line in self.lines if text in line)

    def stop(self) -> int:
        """End it as Ctrl-C would; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout=15)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it as the kernel would when memory runs out."""
        self.process.kill()
        self.process.wait()
        if self.listener:
            self.listener.join()
        if self.process.stdout:
            self.process.stdout.close()


StartDaemon = Callable[..., Daemon]


def start_daemon(
    *arguments: str,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    python: str = sys.executable,
) -> Daemon:
    """Start `lensd serve` with these arguments and wait until it says that it listens."""
    process = subprocess.Popen(
        [python, "-m", "lensd", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=env,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        match = re.search(r"lensd listening on (https?://\S+?)/?\s*$", line)
        if match:
            daemon = Daemon(process, match[1], lines)
            daemon.listener = threading.Thread(target=daemon.listen, daemon=True)
            daemon.listener.start()
            return daemon
    process.wait()
    process.stdout.close()
    raise AssertionError("the daemon did not start:\n" + "".join(lines))


@pytest.fixture
def serve() -> Iterator[StartDaemon]:
    """Start daemons; they are stopped at the end of the test."""
    running: list[Daemon] = []

    def start(*arguments: str, **options: Any) -> Daemon:
        running.append(start_daemon(*arguments, **options))
        return running[-1]

    yield start
    for daemon in running:
        daemon.stop()


@pytest.fixture(params=(ROOT / "tests" / "sdks.txt").read_text().split())
def sdk(request: pytest.FixtureRequest) -> str:
    """The Python of an environment with one version of the wandb SDK, for tests marked `sdk`."""
    python = ROOT / ".sdks" / request.param / "bin" / "python"
    assert python.exists(), "`make test-sdks` makes this environment first"
    return str(python)


def an_input(path: Path | str = "/x/train.log", **changes: Any) -> Input:
    """An input of the log adapter in workload `w`; its id is the stem of the path, unless changed."""
    fields: dict[str, Any] = {
        "id": Path(path).stem, "workload": "w", "data_source": "log", "adapter": "log", "path": str(path),
        "name": Path(path).name, "folder": "/x", "why": "test",
    }  # fmt: skip
    return Input(**(fields | changes))


def needs_shared(part: str) -> Path:
    """A folder beside the checkout that a plain clone does not have; the test is left out without it."""
    path = SHARED / part
    if not path.exists():
        pytest.skip(f"left out: {part} is not in this clone")
    return path
