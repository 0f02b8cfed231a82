"""`lensd run`: the command behaves as without it, and what it writes is found."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lensd.run import tee
from lensd.run.daemon import child_environment, is_lensd, start, stop
from lensd.run.event_files import Gatherer
from tests.conftest import StartDaemon

pytestmark = pytest.mark.slow  # each test starts commands and daemons

SCRIPT = """
import os, sys
from tensorboardX import SummaryWriter
writer = SummaryWriter("somewhere/exp/train", flush_secs=1)
for step in range(1, 21):
    writer.add_scalar("acc", step / 20, step)
    print(f"step {step} loss: {1 / step:.4f}")
writer.close()
print("to stderr", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


def answer(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    (made / "train.py").write_text(SCRIPT)
    return made


def run(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "WORKLOAD_UID"}
    return subprocess.run(
        [sys.executable, "-m", "lensd", "run", *arguments],
        cwd=folder, env=environment | {"XDG_DATA_HOME": str(folder.parent / "data")},
        capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip


@pytest.fixture
def daemon(folder: Path, serve: StartDaemon) -> str:
    return serve(str(folder), "--db", str(folder.parent / "x.db")).base


def port(base: str) -> str:
    return base.rsplit(":", 1)[1]


def wait_until(ready: Any) -> None:
    """Real files, read by a real daemon, take their time."""
    until = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < until
        os.sched_yield()


def test_one_command_from_a_script_to_its_curves(folder: Path, daemon: str) -> None:
    done = run(folder, "--workload", "exp7", "--port", port(daemon), "--", sys.executable, "train.py", "7")
    assert done.returncode == 7
    assert done.stdout == "".join(f"step {step} loss: {1 / step:.4f}\n" for step in range(1, 21))
    assert done.stderr == f"lensd: using the daemon at {daemon}\nto stderr\n"
    log = (folder / "runs" / "exp7" / "logs.txt").read_text()
    assert sorted(log.splitlines()) == sorted([*done.stdout.splitlines(), "to stderr"])

    def sources() -> dict[str, int]:
        body = answer(f"{daemon}/api/v1/workloads/exp7/metrics/sources")
        return {entry["name"]: entry["count"] for entry in body["data_sources"]}

    wait_until(lambda: sources() == {"log": 20, "tensorflow": 20})
    names = answer(f"{daemon}/api/v1/workloads/exp7/metrics/available")["metrics"]
    assert {entry["name"] for entry in names} == {"loss", "acc"}
    wait_until(lambda: uids(daemon) == {"exp7"})
    about = answer(f"{daemon}/api/v1/workloads/exp7")
    assert about["command"] == f"{sys.executable} train.py 7"
    assert (about["host"], about["facts"]["exit_code"]) == (os.uname().nodename, 7)


def uids(base: str) -> set[str]:
    return {workload["uid"] for workload in answer(f"{base}/api/v1/workloads")["workloads"]}


def test_what_wandb_and_tensorboard_write_is_one_run(folder: Path, daemon: str) -> None:
    (folder / "both.py").write_text(BOTH)
    environment = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB__DISABLE_STATS": "true"}
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "both.py"]
    done = run(folder, "--workload", "exp8", "--port", port(daemon), "--", *command)
    assert done.returncode == 0, done.stderr

    def points(source: str, name: str) -> list[tuple[int, float]]:
        path = f"/api/v1/workloads/exp8/metrics/data?data_source={source}&metrics={name}"
        return [(point["iteration"], point["value"]) for point in answer(daemon + path)["data"]]

    expected = [(step, 1 / step) for step in range(1, 21)]
    wait_until(lambda: points("wandb", "train/loss") == expected)
    wait_until(lambda: [step for step, _ in points("tensorflow", "train/loss")] == list(range(1, 21)))
    wait_until(lambda: uids(daemon) == {"exp8"})
    assert answer(f"{daemon}/api/v1/workloads/exp8")["project"] == "p"


BOTH = """
import wandb
from tensorboardX import SummaryWriter
run = wandb.init(project="p", id="abc123")
writer = SummaryWriter("out/runs/Nov26_02-15-13_host", flush_secs=1)
for step in range(1, 21):
    writer.add_scalar("train/loss", 1 / step, step)
    run.log({"train/loss": 1 / step}, step=step)
    print(f"step {step} loss: {1 / step:.4f}")
writer.close()
run.finish()
"""


@pytest.mark.parametrize(
    ("program", "status", "code"),
    [
        ("raise SystemExit(3)", "failed", 3),
        ("1 / 0", "failed", 1),
        ("print('step 1 loss: 0.5')", "finished", 0),
        ("import os; os.kill(os.getpid(), 15)", "interrupted", 143),
    ],
)
def test_how_the_command_ended_is_known_at_once(
    folder: Path, daemon: str, program: str, status: str, code: int
) -> None:
    done = run(folder, "--workload", "w", "--port", port(daemon), "--", sys.executable, "-c", program)
    assert done.returncode == code
    wait_until(lambda: "w" in uids(daemon))
    workload = f"{daemon}/api/v1/workloads/w"
    # Just registered and not read yet, it is unknown.
    wait_until(lambda: answer(workload)["status"] not in ("running", "unknown"))
    assert answer(workload)["status"] == status
    assert answer(workload)["facts"]["exit_code"] == code


def test_a_daemon_is_started_where_none_answers(folder: Path) -> None:
    done = run(folder, "--workload", "w", "--port", "0", "--stop", "--", sys.executable, "train.py", "0")
    assert done.returncode == 0
    assert re.match(rf"lensd: serving {folder} at http://127\.0\.0\.1:\d+\n", done.stderr)
    (database,) = (folder.parent / "data" / "lensd").glob("*.db")
    assert database.stat().st_size > 0


def test_a_daemon_goes_on_unless_told(folder: Path) -> None:
    done = run(folder, "--workload", "w", "--port", "0", "--", sys.executable, "-c", "print(1)")
    served = re.search(
        r"w is served at (http://\S+); the daemon keeps running \(process (\d+)\)", done.stderr
    )
    assert served
    try:
        assert is_lensd(served[1])
    finally:
        os.kill(int(served[2]), signal.SIGTERM)


def test_a_port_of_another_program_is_left_alone(folder: Path, serve: StartDaemon) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert not is_lensd(f"http://127.0.0.1:{number}", timeout=0.2)
        environment = os.environ | {"XDG_DATA_HOME": str(folder.parent / "data")}
        server = start(folder, number, None, environment)
    assert is_lensd(server.url)
    assert server.url != f"http://127.0.0.1:{number}"
    stop(server)


def test_training_goes_on_when_no_daemon_can_be_started(folder: Path) -> None:
    done = run(folder, "--port", "0", "--db", "/proc/x.db", "--", sys.executable, "-c", "print(1)")
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert "lensd: warning: no daemon could be started" in done.stderr


def test_a_command_that_is_not_there(folder: Path, daemon: str) -> None:
    done = run(folder, "--port", port(daemon), "--", "no-such-program")
    assert done.returncode == 127
    assert done.stderr.splitlines()[-1] == "lensd: no-such-program: No such file or directory"


@pytest.mark.parametrize("uid", ["a/b", "..", "logs", "x" * 300])
def test_names_that_are_no_folders(uid: str, folder: Path) -> None:
    done = run(folder, "--workload", uid, "--", "true")
    assert done.returncode == 2
    assert "give a plain name" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_are_passed_on(number: signal.Signals, folder: Path, daemon: str) -> None:
    body = f"signal.signal({int(number)}, lambda *a: (print('got', a[0], flush=True), sys.exit(5)))"
    program = f"import signal, sys, time; {body}; print('ready', flush=True); time.sleep(30)"
    process = subprocess.Popen(
        [sys.executable, "-m", "lensd", "run", "--port", port(daemon), "--", sys.executable, "-c", program],
        cwd=folder, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == (f"got {int(number)}\n", 5)


def test_a_command_that_is_killed(folder: Path, daemon: str) -> None:
    done = run(folder, "--port", port(daemon), "--", "sh", "-c", "kill -9 $$")
    assert done.returncode == 128 + 9


def test_a_reader_that_goes_away_ends_the_command_as_without_us(folder: Path, daemon: str) -> None:
    command = f"{sys.executable} -m lensd run --port {port(daemon)} -- yes 2>/dev/null | head -1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "y\n"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)


def test_on_a_terminal_the_command_has_one(folder: Path, daemon: str, terminal: tuple[int, int]) -> None:
    """Colours and bars as without us, the size of the window, and the same bytes in the log."""
    ours, theirs = terminal
    subprocess.run(["stty", "cols", "123", "rows", "45"], stdin=theirs, check=True)
    program = (
        "import os, sys; print(sys.stdout.isatty(), sys.stderr.isatty(), *os.get_terminal_size());"
        " print('\\r 50%\\r100%')"
    )
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "lensd", "run", "--workload", "t", "--port", port(daemon)),
            *("--", sys.executable, "-c", program),
        ],
        cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:
            break
        shown += data
        if not data:
            break
    assert process.wait(30) == 0
    assert b"True True 123 45\r\n\r 50%\r100%\r\n" in shown
    log = (folder / "runs" / "t" / "logs.txt").read_bytes()
    assert log == b"True True 123 45\n\r 50%\r100%\n"


def test_output_that_is_no_text_arrives_byte_by_byte(tmp_path: Path, capfdbinary: Any) -> None:
    program = "import os; os.write(1, bytes(range(256)) * 4000)"
    assert tee.run([sys.executable, "-c", program], os.environ, tmp_path / "log") == 0
    assert capfdbinary.readouterr().out == bytes(range(256)) * 4000
    assert (tmp_path / "log").read_bytes() == bytes(range(256)) * 4000


def test_a_grandchild_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path, capfdbinary: Any) -> None:
    assert tee.run(["sh", "-c", "sleep 3600 & echo $!"], os.environ, tmp_path / "log") == 0
    os.kill(int(capfdbinary.readouterr().out), signal.SIGTERM)  # it is still there


def test_event_files_of_other_runs_stay_where_they_are(tmp_path: Path) -> None:
    old = tmp_path / "tb" / "old" / "events.out.tfevents.1"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    os.utime(old, (1.0, 1.0))
    gatherer = Gatherer(tmp_path, tmp_path / "runs" / "w", time.time() - 60)
    new = tmp_path / "runs" / "Nov20_host" / "val" / "events.out.tfevents.2"
    new.parent.mkdir(parents=True)
    new.write_bytes(b"new")
    gatherer.finish()
    gatherer.finish()
    (link,) = gatherer.linked
    assert link == tmp_path / "runs" / "w" / "tensorboard" / "runs" / "Nov20_host" / "val" / new.name
    assert link.samefile(new)


def test_files_that_a_process_has_open_are_its_own(tmp_path: Path) -> None:
    gatherer = Gatherer(tmp_path, tmp_path / "runs" / "w", 0.0)
    process = subprocess.Popen(
        ["sh", "-c", "exec 3>events.out.tfevents.9; echo open; read line"],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    gatherer.look_at(os.getpid())
    process.communicate(b"\n")
    assert [link.name for link in gatherer.linked] == ["events.out.tfevents.9"]


def test_what_the_command_gets() -> None:
    base = {"PATH": "/bin", "LENSD_WORKLOAD": "other", "PYTHONPATH": "/mine", "WANDB_API_KEY": ""}
    hooked = child_environment(base, "http://127.0.0.1:1", "w", "hook")
    assert hooked["WORKLOAD_UID"] == "w"
    assert "LENSD_WORKLOAD" not in hooked
    assert hooked["PYTHONPATH"].endswith("lensd/hook/inject:/mine")
    assert hooked["LENSD_API_BASE_URL"] == "http://127.0.0.1:1/api/v1"
    online = child_environment(base, "http://127.0.0.1:1", "w", "online")
    assert online["WANDB_BASE_URL"] == "http://127.0.0.1:1/for/w"
    assert len(online["WANDB_API_KEY"]) == 40
    assert online["PYTHONPATH"] == "/mine"
    assert child_environment(base, "http://127.0.0.1:1", "w", "off")["LENSD_WANDB_HOOK"] == "false"
