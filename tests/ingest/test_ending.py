"""When a daemon that accompanies a job ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lensd.ingest.ending import ending_of

WAITS = [sys.executable, "-c", "input()"]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_process(tmp_path: Path) -> None:
    with subprocess.Popen(WAITS, stdin=subprocess.PIPE) as process:
        over = ending_of(str(process.pid), lambda: 0)
        assert over() is None
        process.communicate(b"\n")
        assert over() == f"process {process.pid} has ended"
        with pytest.raises(ValueError, match="no such process"):
            ending_of(str(process.pid), lambda: 0)


def test_a_process_that_nobody_waits_for() -> None:
    process = subprocess.Popen(WAITS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    over = ending_of(str(process.pid), lambda: 0)
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stdout.read() == b"", "its end is seen here"
    while over() is None:  # it is a zombie a moment after it has closed its files
        pass
    process.wait()
    process.stdout.close()


def test_a_file(tmp_path: Path) -> None:
    over = ending_of(str(tmp_path / "done"), lambda: 0)
    assert over() is None
    (tmp_path / "done").touch()
    assert over() == f"{tmp_path}/done is there"


def test_silence() -> None:
    clock, seen = Clock(), [0]
    over = ending_of("idle=10m", lambda: seen[0], clock)
    assert over() is None
    clock.now += 599
    assert over() is None
    seen[0] += 1
    assert over() is None, "something new begins the time anew"
    clock.now += 599
    assert over() is None
    clock.now += 1
    assert over() == "nothing new for 600 s"


@pytest.mark.parametrize("text", ["idle=10", "idle=ten minutes", "idle="])
def test_a_time_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="write the time as in idle=10m"):
        ending_of(text, lambda: 0)
