"""Linux has more than other systems. Without it, a daemon still serves and `lensd run` still runs."""

from __future__ import annotations

import ast
import os
import platform
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import DATA, ROOT, StartDaemon
from tests.run.test_run import wait_until

#: Runs at the start of each Python that has its folder on PYTHONPATH.
WITHOUT_LINUX = """
import builtins, importlib.abc, os, signal, sys

for module, prefix in ((os, "sched_"), (signal, "sigtimedwait"), (signal, "sigwaitinfo"), (os, "pidfd_")):
    for name in [name for name in dir(module) if name.startswith(prefix)]:
        delattr(module, name)

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("pty", "termios", "fcntl"):
            raise ModuleNotFoundError(f"no {name} on this system", name=name)

sys.meta_path.insert(0, Missing())
for name in ("pty", "termios", "fcntl"):
    sys.modules.pop(name, None)

def without_proc(function):
    def call(path, *arguments, **options):
        if str(path).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return function(path, *arguments, **options)
    return call

builtins.open = without_proc(builtins.open)
for name in ("readlink", "listdir", "scandir", "stat"):
    setattr(os, name, without_proc(getattr(os, name)))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "other-system"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WITHOUT_LINUX)
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    variables = {name: value for name, value in os.environ.items() if name != "WORKLOAD_UID"}
    variables |= {"PYTHONPATH": path, "XDG_DATA_HOME": str(tmp_path / "data")}
    program = "import os, pty"
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, check=False)
    assert b"no pty on this system" in done.stderr
    return variables


@pytest.mark.slow
def test_a_daemon_serves_and_stops(tmp_path: Path, serve: StartDaemon, environment: dict[str, str]) -> None:
    daemon = serve(str(DATA / "runs" / "keras-1"), "--db", str(tmp_path / "x.db"), env=environment)
    wait_until(lambda: daemon.get("/api/v1/workloads/keras-1/metrics/sources")["data_sources"])
    with urllib.request.urlopen(daemon.base + "/metrics", timeout=30) as answer:
        memory = re.search(r"^process_resident_memory_bytes (\S+)$", answer.read().decode(), re.MULTILINE)
    assert memory
    assert float(memory[1]) > 1 << 20
    assert daemon.stop() == 0


SCRIPT = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("step 1 loss: 0.5", flush=True)
signal.pause()
"""


@pytest.mark.slow
def test_a_command_runs_and_gets_its_signals(
    tmp_path: Path, serve: StartDaemon, environment: dict[str, str]
) -> None:
    daemon = serve(str(tmp_path), "--db", str(tmp_path / "x.db"), env=environment)
    port = daemon.base.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "lensd", "run", "--workload", "w", "--port", port, "--"]
    process = subprocess.Popen(
        [*command, sys.executable, "-c", SCRIPT],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "step 1 loss: 0.5\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 7
    assert (tmp_path / "runs" / "w" / "logs.txt").read_text() == "step 1 loss: 0.5\n"


def test_only_one_module_knows_what_systems_differ_in() -> None:
    for path in (ROOT / "lensd").rglob("*.py"):
        # The hook is copied into other environments without the rest, so it has a lock of its own.
        if path.name == "platform.py" or path.is_relative_to(ROOT / "lensd" / "hook"):
            continue
        tree = ast.parse(path.read_text())
        imports = {
            name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
        }
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not imports & {"fcntl", "pty", "resource", "termios"}, path
        assert not attributes & {"sigtimedwait", "sched_getaffinity"}, path
        assert "/proc/" not in path.read_text(), path


#: Eight threads that each allocate more than fits between the others; prints how many heaps they have.
HEAPS = """
import sys, threading
from lensd.platform import keep_little_memory
if sys.argv[1] == "tamed":
    keep_little_memory()
together, kept = threading.Barrier(9), []
def work():
    together.wait()
    kept.append([bytearray(100_000) for _ in range(20)])
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
together.wait()
together.wait()
with open("/proc/self/maps") as file:  # glibc aligns the heaps of threads to 64 MiB
    begins = [int(line.split("-")[0], 16) for line in file if " rw-p " in line and line.endswith(" 0 \\n")]
print(sum(begin % (64 << 20) == 0 for begin in begins))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heaps of threads are glibc's")
def test_threads_share_two_heaps() -> None:
    def heaps(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", HEAPS, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert heaps("tamed") <= 1, "the other is the main one"
    assert heaps("wild") > 1
