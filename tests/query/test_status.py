"""Whether a workload runs and how it ended, by the clock that the tests hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lensd.model import Fact
from lensd.query import lens, runs
from lensd.query.status import SILENCE_MS, Signs, status_of
from lensd_log import LogAdapter
from tests.watching import NOW_S, Watching

NOW = NOW_S * 1000.0
AGO = NOW - SILENCE_MS


def status(facts: dict[str, Fact], *, heard: float = NOW, last: float | None = AGO, **signs: float) -> str:
    iteration, target = signs.get("iteration"), signs.get("target")
    return status_of(
        Signs(
            facts,
            int(iteration) if iteration is not None else None,
            int(target) if target is not None else None,
            signs.get("steps_per_second"),
            last,
            heard,
        ),
        NOW,
    )


def test_what_a_run_reports_of_its_end_counts() -> None:
    assert status({"status": "finished"}) == "finished"
    assert status({"status": "failed", "exit_code": 1}) == "failed"
    assert status({"status": "failed", "exit_code": 255}) == "failed"
    assert status({"status": "failed", "exit_code": 143}) == "interrupted"
    assert status({"status": "finished", "process_status": "failed"}) == "failed", "it failed while it ended"


def test_last_words_count_before_the_target() -> None:
    assert status({"last_words": "traceback"}, iteration=10, target=10) == "failed"
    assert status({"last_words": "interrupt"}) == "interrupted"
    assert status({"last_words": ""}, iteration=10, target=10) == "finished"
    assert status({}, iteration=9, target=10) == "ended"


@pytest.mark.parametrize("facts", [{"status": "running"}, {"seen_live": True}, {"process_status": "running"}])
def test_who_was_heard_and_is_silent_has_crashed(facts: dict[str, Fact]) -> None:
    assert status(facts, heard=AGO + 1) == "running"
    assert status(facts, heard=AGO) == "crashed"
    assert status(facts, heard=AGO, steps_per_second=1 / 40) == "running", "ten steps take longer"
    assert status(facts, heard=NOW - 400_000, last=0.0, steps_per_second=1 / 40) == "crashed"


def test_a_server_that_watches_its_runs_is_believed() -> None:
    assert status({"status": "running", "watched": True}, heard=0.0, last=0.0) == "running"


def test_copied_files_have_ended() -> None:
    assert status({}, heard=NOW, last=AGO) == "ended"
    assert status({}, heard=NOW, last=AGO + 1) == "running", "it may have been begun before lensd"
    assert status({}, heard=AGO, last=NOW + 1e7) == "ended", "its clock is ahead"
    assert status({}, last=None) == "unknown"


class Watch(Watching):
    """One workload `exp` with text logs."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "exp"
        self.folder.mkdir()
        super().__init__(tmp_path / "x.db", self.folder, LogAdapter())

    def write(self, text: str, name: str = "train.log") -> None:
        path = self.folder / name
        with path.open("a") as file:
            file.write(text)
        os.utime(path, (self.now_s, self.now_s))

    def status(self) -> str:
        with self.store.read() as reader:
            (info,) = lens.workloads(reader, None, None)
        return info.status

    def status_for_runicorn(self) -> str:
        with self.store.read() as reader:
            (info,) = runs.runs(reader)
        return info.status


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    yield made
    made.store.close()


def steps(first: int, beyond: int) -> str:
    return "".join(f"step {n} loss: 0.{n}\n" for n in range(first, beyond))


def test_a_run_that_falls_silent_has_crashed_and_runs_again_when_it_speaks(watch: Watch) -> None:
    watch.write(steps(1, 10))
    watch.look()
    watch.write(steps(10, 20))
    watch.look()
    assert watch.status() == "running"
    watch.now_s += 400.0
    watch.look()
    assert watch.status() == "crashed"
    assert watch.status_for_runicorn() == "failed", "Runicorn's word for it"
    watch.write(steps(20, 30))
    watch.look()
    assert watch.status() == "running"


def test_files_that_were_copied_have_ended_which_runicorns_clients_know_as_finished(watch: Watch) -> None:
    watch.write(steps(1, 10))
    watch.now_s += 400.0
    watch.look()
    assert watch.status() == "ended"
    assert watch.status_for_runicorn() == "finished"


TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 3, in <module>
    loss = train(step=7, lr=0.1)
ValueError: loss: nan at step 8
"""


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (TRACEBACK, "failed"),
        (TRACEBACK + "srun: error: node1: task 0: Exited with exit code 1\n", "failed"),
        (TRACEBACK + steps(10, 11), "running"),
        (TRACEBACK.replace("ValueError: loss: nan at step 8", "KeyboardInterrupt"), "interrupted"),
        ("^CKeyboardInterrupt\nKeyboardInterrupt\n", "interrupted"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2027-01-15T08:00:00 ***\n", "interrupted"),
        ("[rank0] Received signal SIGTERM, saving\n", "interrupted"),
        ("installed a handler for SIGTERM\n", "running"),
    ],
)
def test_the_last_words_of_a_log(watch: Watch, printed: str, expected: str) -> None:
    watch.write(steps(1, 10))
    watch.look()
    middle = len(printed) // 2
    watch.write(printed[:middle])  # words may be cut by a read
    watch.look()
    watch.write(printed[middle:])
    watch.look()
    assert watch.status() == expected
    watch.write(steps(20, 30))
    watch.look()
    assert watch.status() == "running"
