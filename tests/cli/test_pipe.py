"""A pipe as an input: `... | lensd serve -` and `... | lensd ingest -`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import HANG_S
from tests.conftest import Daemon, start_daemon

pytestmark = pytest.mark.slow  # each starts daemons

LENSD = [sys.executable, "-m", "lensd"]


def lines(first: int, last: int) -> bytes:
    return b"".join(
        b"2026-11-20 20:00:%02d INFO step %d loss=%.2f\n" % (step % 60, step, 3 - step / 100)
        for step in range(first, last)
    )


def ingest(data: bytes, *flags: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*LENSD, "ingest", "-", *flags], input=data, capture_output=True, check=False)


def until(daemon: Daemon, path: str, key: str, count: int) -> Any:
    """What an answer lists, once that is so much."""
    give_up = time.monotonic() + HANG_S
    while (answer := daemon.get(path))["total_count"] < count:
        assert time.monotonic() < give_up, answer
    return answer[key]


def test_ingest_reads_a_pipe_to_its_end(tmp_path: Path) -> None:
    database = str(tmp_path / "x.db")
    done = ingest(lines(0, 30), "--db", database, "--name", "pod-7")
    assert done.returncode == 0, done.stderr
    runs = subprocess.run([*LENSD, "runs", "--db", database], capture_output=True, text=True, check=True)
    assert "pod-7" in runs.stdout
    export = [*LENSD, "export", "--db", database, "--workload", "pod-7", "--format", "csv"]
    points = subprocess.run(export, capture_output=True, text=True, check=True).stdout.splitlines()
    assert points[1].startswith("loss,3.0,")
    assert len(points) == 1 + 30
    assert (tmp_path / "x.db.pipes" / "pod-7" / "pod-7.log").read_bytes() == lines(0, 30)


def test_a_workload_may_be_named_beside_the_pipe(tmp_path: Path) -> None:
    database = str(tmp_path / "x.db")
    assert ingest(lines(0, 9), "--db", database, "--name", "rank0", "--workload", "job").returncode == 0
    listed = subprocess.run([*LENSD, "sources", "--db", database], capture_output=True, text=True, check=True)
    assert "job" in listed.stdout
    assert "rank0.log" in listed.stdout


def test_serve_reads_a_pipe_while_it_is_written(tmp_path: Path) -> None:
    end, begin = os.pipe()
    stdin = os.dup(0)
    os.dup2(end, 0)  # what the daemon inherits
    try:
        daemon = start_daemon("-", "--name", "pod", "--db", str(tmp_path / "x.db"))
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
        os.close(end)
    try:
        data = "/v1/workloads/pod/metrics/data"
        os.write(begin, lines(0, 10))
        until(daemon, data, "data", 10)
        os.write(begin, lines(10, 20))
        points = until(daemon, data, "data", 20)
        assert points[-1]["iteration"] == 19
        os.close(begin)
        assert daemon.get(data)["total_count"] == 20, "the end of the pipe is not the end of the daemon"
    finally:
        assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["-", "--name", "../x"], "without a slash"),
        (["-", "--workload", "a/b"], "without a slash"),
        (["runs", "--name", "x"], "--name is for what comes through a pipe"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, flags: list[str], sentence: str) -> None:
    command = [*LENSD, "ingest", *flags, "--db", str(tmp_path / "x.db")]
    done = subprocess.run(command, input=b"", capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert sentence in done.stderr.decode()
