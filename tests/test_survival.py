"""A daemon that is killed at any instant, again and again, neither loses nor doubles a point."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Daemon, start_daemon
from tests.tensorboard.writing import event, simple, version

pytestmark = pytest.mark.slow  # twenty daemons are killed

LINES = RECORDS = 1000
KILLS = 20


def log_line(step: int) -> bytes:
    second, part = divmod(step, 10)
    minute, second = divmod(second, 60)
    stamp = f"2026-11-20 20:{minute:02}:{second:02},{part}00"
    return f"{stamp} - INFO - trainer - step {step}/{LINES} | loss: {1000 / step:.6f}\n".encode()


def torn(data: bytes, chance: random.Random) -> list[bytes]:
    """The bytes in pieces that end anywhere, mostly within a record."""
    cuts = sorted(chance.sample(range(1, len(data)), 600))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


class Writer(threading.Thread):
    """Appends the pieces of both files by turns, as fast as `pace` lets it."""

    def __init__(self, log: Path, events: Path, pace: Callable[[], object]) -> None:
        super().__init__()
        chance = random.Random(3)
        lines = b"".join(log_line(step) for step in range(1, LINES + 1))
        records = version() + b"".join(
            event(1_795_000_000.0 + step, step, simple(b"train/loss", step / 8)) for step in range(RECORDS)
        )
        self._pieces = [(log, p) for p in torn(lines, chance)] + [(events, p) for p in torn(records, chance)]
        # Shuffled, but each file in its own order.
        order = [path for path, _ in self._pieces]
        chance.shuffle(order)
        queues = {path: iter([p for other, p in self._pieces if other == path]) for path in (log, events)}
        self._pieces = [(path, next(queues[path])) for path in order]
        self._pace = pace

    def run(self) -> None:
        for path, piece in self._pieces:
            with path.open("ab") as file:
                file.write(piece)
            self._pace()


def points(daemon: Daemon, name: str, source: str) -> list[tuple[int, float]]:
    answer = daemon.get(f"/api/v1/workloads/exp/metrics/data?metrics={name}&data_source={source}")
    return [(point["iteration"], point["value"]) for point in answer["data"]]


def test_twenty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "exp"
    folder.mkdir(parents=True)
    log, events = folder / "train.log", folder / "events.out.tfevents.1795000000.host.1.0"
    arguments = (str(tmp_path / "runs"), "--db", str(tmp_path / "lensd.db"))
    pieces_a_life = threading.Semaphore(0)
    writer = Writer(log, events, pieces_a_life.acquire)
    writer.start()
    expected_lines = {step: float(f"{1000 / step:.6f}") for step in range(1, LINES + 1)}
    expected_records = {step: step / 8 for step in range(RECORDS)}
    for _ in range(KILLS):
        daemon = start_daemon(*arguments)
        pieces_a_life.release(65)  # the writer goes on while the daemon reads, and while it is down
        for name, source, expected in (
            ("loss", "log", expected_lines),
            ("train/loss", "tensorflow", expected_records),
        ):
            seen = points(daemon, name, source)
            assert len(seen) == len(dict(seen)), "a step is served once"
            assert all(expected[step] == value for step, value in seen)
        daemon.kill()
    pieces_a_life.release(2000)
    writer.join()
    # What is left is read to its end by the last life.
    daemon = start_daemon("--once", *arguments)
    try:
        assert points(daemon, "loss", "log") == sorted(expected_lines.items())
        assert points(daemon, "train/loss", "tensorflow") == sorted(expected_records.items())
        assert daemon.get("/api/v1/workloads/exp/metrics/sources")["data_sources"] == [
            {"name": "log", "count": LINES},
            {"name": "tensorflow", "count": RECORDS},
        ]
    finally:
        assert daemon.stop() == 0
