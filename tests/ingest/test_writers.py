"""A run whose processes ended has crashed, a copy has ended. Real processes write; tests hold the clock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lensd import platform
from tests.query.test_status import Watch, steps
from tests.run.test_run import wait_until

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="only Linux tells who writes")


class Training:
    """A process that writes what it is told at the end of a log, and holds the log open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("ab") as log:
            self._process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)

    def write(self, text: str) -> None:
        size = self._path.stat().st_size
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()
        wait_until(lambda: self._path.stat().st_size == size + len(text))

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    yield made
    made.store.close()


def look_for(watch: Watch, seconds: int) -> None:
    for _ in range(seconds):
        watch.look()


def began(watch: Watch, path: Path) -> Training:
    """A training that was seen to write."""
    training = Training(path)
    training.write(steps(1, 10))
    watch.look()
    training.write(steps(10, 20))
    watch.look()
    assert watch.status() == "running"
    return training


@needs_proc
def test_a_run_whose_process_was_killed_has_crashed_until_another_goes_on(watch: Watch) -> None:
    log = watch.folder / "train.log"
    began(watch, log).kill()
    look_for(watch, 60)
    assert watch.status() == "crashed"
    second = Training(log)
    second.write(steps(20, 30))
    watch.look()
    assert watch.status() == "running"
    look_for(watch, 60)
    assert watch.status() == "running", "it lives and is silent"
    second.kill()
    look_for(watch, 60)
    assert watch.status() == "crashed"


@needs_proc
def test_what_a_process_wrote_last_is_read_before_it_is_missed(watch: Watch) -> None:
    training = began(watch, watch.folder / "train.log")
    training.write(steps(20, 30) + "KeyboardInterrupt")
    training.kill()
    look_for(watch, 60)
    assert watch.status() == "interrupted", "half a line is the last, once nobody goes on with it"


@needs_proc
def test_a_run_goes_on_while_one_of_its_processes_does(watch: Watch) -> None:
    log = watch.folder / "train.log"
    training = began(watch, log)
    beside = began(watch, watch.folder / "other.log")
    late = Training(log)  # has written nothing when the first one ends
    training.kill()
    look_for(watch, 60)
    assert watch.status() == "running"
    late.kill()
    look_for(watch, 60)
    assert watch.status() == "running"
    beside.kill()
    look_for(watch, 60)
    assert watch.status() == "crashed"


@needs_proc
def test_a_crashed_run_has_crashed_for_the_next_daemon_too(watch: Watch) -> None:
    began(watch, watch.folder / "train.log").kill()
    look_for(watch, 60)
    watch.begin()
    look_for(watch, 3)
    assert watch.status() == "crashed"


def test_a_process_that_cannot_be_seen_is_not_missed(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of another machine, user or container: /proc shows none of it."""
    monkeypatch.setattr(platform, "_entries", lambda folder: [])
    began(watch, watch.folder / "train.log").kill()
    look_for(watch, 60)
    assert watch.status() == "running"


def test_a_file_that_is_opened_for_each_line_has_no_writer_to_miss(watch: Watch) -> None:
    for first in (1, 10, 20):
        subprocess.run(
            [sys.executable, "-c", "import sys; open(sys.argv[1], 'a').write(sys.argv[2])",
             str(watch.folder / "train.log"), steps(first, first + 10)],
            check=True,
        )  # fmt: skip
        watch.look()
    look_for(watch, 60)
    assert watch.status() == "running"


@needs_proc
def test_only_who_may_write_is_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    training = Training(path)
    training.write("x\n")
    with path.open() as log, path.open("a") as ours, subprocess.Popen(["sleep", "600"], stdin=log) as reader:
        file = path.stat()
        key = (file.st_dev, file.st_ino)
        named, unnamed = platform.writers({"train.log"}), platform.writers({"other.log"})
        reader.kill()
        assert ours.writable()
    (writer,) = named[key]
    assert (writer.id, platform.has_ended(writer)) == (training._process.pid, False)
    assert key not in unnamed, "others of this machine may write an other.log"
    training._process.kill()
    training._process.stdout = None
    os.waitid(os.P_PID, writer.id, os.WEXITED | os.WNOWAIT)
    assert platform.has_ended(writer), "a zombie"
    training.kill()
    assert platform.has_ended(writer)
    own = platform._process_state(os.getpid())[2]
    assert not platform.has_ended(platform.Process(os.getpid(), own))
    assert platform.has_ended(platform.Process(os.getpid(), own - 1)), "its id was used again"


def timed(first: int, beyond: int, begin_s: float) -> str:
    """A step a minute, each line with its time."""
    times = (datetime.fromtimestamp(begin_s + 60 * step, UTC) for step in range(first, beyond))
    return "".join(
        f"{time:%Y-%m-%d %H:%M:%S} step {step} loss: 0.{step}\n"
        for step, time in zip(range(first, beyond), times, strict=True)
    )


def test_a_copy_that_grows_while_it_is_read_has_ended(watch: Watch) -> None:
    began_s = watch.now_s - 86_400
    for first in (1, 101, 201):
        watch.write(timed(first, first + 100, began_s))
        watch.look()
        assert watch.status() == "ended"
    watch.now_s += 400.0
    watch.look()
    assert watch.status() == "ended"


@pytest.mark.parametrize("behind_s", [0, 8 * 3600])
def test_a_run_whose_clock_is_behind_is_no_copy(watch: Watch, behind_s: int) -> None:
    began_s = watch.now_s - behind_s
    for first in range(1, 9, 2):
        watch.write(timed(first, first + 2, began_s))
        watch.look()
        watch.now_s += 119.0
    assert watch.status() == "running"
    watch.now_s += 800.0
    watch.look()
    assert watch.status() == "crashed"


def test_a_copy_that_gets_the_time_of_its_original_has_ended(watch: Watch) -> None:
    """As `cp -p` and `rsync -t` do at their end; nothing in this file is a time."""
    original_s = watch.now_s - 86_400
    for first in (1, 10):
        watch.write(steps(first, first + 10))
        watch.look()
    os.utime(watch.folder / "train.log", (original_s, original_s))
    watch.look()
    watch.now_s += 400.0
    watch.look()
    assert watch.status() == "ended"
