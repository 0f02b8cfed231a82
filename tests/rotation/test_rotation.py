"""A log that is rotated while it is read, by Python, by loguru and by the real logrotate.

Nothing is lost and nothing doubled, but for what copytruncate loses itself; read live, after restarts and
afresh shows the same.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lensd.config import Polling
from lensd.ingest.poller import AdapterSource, Poller
from lensd.query import lens
from lensd.query.results import Selection
from lensd.store import Store
from lensd_log import LogAdapter
from tests.rotation import world as rotations
from tests.rotation.world import Rotation, World, slow_down

POLLING = Polling(fastest_seconds=0.02, slowest_seconds=0.1, rescan_seconds=0.1)


class Reader:
    """lensd on a folder: a poller and its database, with the clock of the world."""

    def __init__(self, folder: Path, database: Path, world: World) -> None:
        self.store = Store.open(database)
        self.poller = Poller(
            self.store,
            [AdapterSource(LogAdapter(), [str(folder)])],
            polling=POLLING,
            clock=lambda: world.now_ms / 1000.0,
            wall=lambda: os.stat(folder).st_mtime + world.now_ms / 1000.0,
        )
        self._next_scan = -1.0

    def look(self, now_ms: float) -> None:
        """What the threads of the poller do when they wake up."""
        if now_ms >= self._next_scan:
            self.poller.scan()
            self._next_scan = now_ms + POLLING.rescan_seconds * 1000.0
        self.poller.poll()

    def steps(self) -> list[int]:
        """The steps that the workload shows."""
        with self.store.read() as reader:
            (workload,) = [w for w in reader.workloads() if lens.sources(reader, w.uid)]
            _, slices = lens.points(reader, workload.uid, Selection(metrics=frozenset({"loss"})))
            return [int(step) for part in slices for step in part.iteration]

    def stored(self) -> int:
        """How many lines were read as records, by all inputs that are shown."""
        with self.store.read() as reader:
            return sum(input.matched for input in lens.inputs(reader, None) if input.state != "merged")

    def count(self) -> int:
        """How many points the metric has by the count that is kept at write time."""
        with self.store.read() as reader:
            uids = [workload.uid for workload in reader.workloads()]
            return sum(metric.count for uid in uids for metric in lens.available(reader, uid, None))

    def close(self) -> None:
        self.store.close()


def check(world: World, reader: Reader, *, live: bool) -> None:
    """All that was written is shown once. Read live, lines that the rotation loses may have been seen."""
    expected = set(world.written) - world.lost
    shown = reader.steps()
    assert sorted(set(shown)) == sorted(shown), "doubled"
    assert expected - set(shown) == set(), "lost"
    assert set(shown) - expected <= (world.lost if live else set())
    assert reader.stored() == len(shown), "read twice"
    assert reader.count() == len(shown)


def read_through(world: World, tmp_path: Path, *, lines: int, restarts: bool, poll_ms: float = 20.0) -> int:
    """Read while `lines` are written and rotated; then to the end, and afresh. Returns how many were lost."""
    folder, database = world.log.parent, tmp_path / "live.db"
    reader = Reader(folder, database, world)
    polls = 0
    while len(world.written) < lines:
        world.advance(poll_ms)
        reader.look(world.now_ms)
        polls += 1
        if restarts and polls % 7 == 0:
            reader.close()
            reader = Reader(folder, database, world)
    world.stop()
    assert reader.poller.drain()
    check(world, reader, live=True)
    reader.close()
    fresh = Reader(folder, tmp_path / "fresh.db", world)
    assert fresh.poller.drain()
    check(world, fresh, live=False)
    fresh.close()
    return len(world.lost)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "exp"
    path.mkdir()
    return path


#: interval_ms, delay_ms, restarts. One of them is quick.
TIMES = list(itertools.product((50.0, 200.0, 1000.0), (0.0, 3.0), (False, True)))
CASES = [
    pytest.param(rotation, *times, marks=() if times == (50.0, 3.0, True) else pytest.mark.slow)
    for rotation in rotations.IN_PYTHON
    for times in TIMES
]


@pytest.mark.parametrize(("rotation", "interval_ms", "delay_ms", "restarts"), CASES)
def test_nothing_is_lost_and_nothing_doubled(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rotation: Rotation,
    interval_ms: float,
    delay_ms: float,
    restarts: bool,
) -> None:
    world = World(folder, rotation, interval_ms=interval_ms, line_ms=interval_ms / 10, delay_ms=delay_ms)
    slow_down(world, monkeypatch)
    lost = read_through(world, tmp_path, lines=200, restarts=restarts)
    assert world.rotations > 5
    truncates = rotation in (rotations.copied, rotations.copied_to_a_date)
    assert lost == 0 or truncates
    assert lost > 0 or not truncates or interval_ms > 50.0


LOGROTATE = {
    "create": ["create"],
    "compress": ["create", "compress"],
    "copytruncate": ["copytruncate"],
    "extension": ["create", "extension .log"],
    "extension-compress": ["create", "extension .log", "compress", "delaycompress"],
    "xz": ["create", "compress", "compresscmd /usr/bin/xz", "compressext .xz"],
}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("logrotate") is None, reason="the program is not here; .ci/run installs it")
@pytest.mark.parametrize("delay_ms", [0.0, 3.0])
@pytest.mark.parametrize("options", LOGROTATE.values(), ids=LOGROTATE)
def test_with_the_real_logrotate(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], delay_ms: float
) -> None:
    world = World(folder, rotations.logrotate(*options), interval_ms=200.0, line_ms=10.0, delay_ms=delay_ms)
    slow_down(world, monkeypatch)
    assert read_through(world, tmp_path, lines=200, restarts=True) == 0
    assert world.rotations > 5


class _Loguru:
    """loguru in the place of the writer; `rotation` asks it to rotate before its next line."""

    def __init__(self, log: Path, packing: str | None) -> None:
        loguru: Any = pytest.importorskip("loguru", reason="loguru is not installed (it is in CI)")
        self._logger = loguru.logger
        self._logger.remove()
        self._due = False
        self._sink = self._logger.add(
            log, format="{message}", rotation=self._is_due, compression=packing, level="INFO"
        )

    def _is_due(self, _message: object, _file: object) -> bool:
        due, self._due = self._due, False
        return due

    def rotation(self, _world: World) -> Iterator[float]:
        self._due = True
        yield 1.0

    def write(self, line: bytes) -> None:
        self._logger.info(line.decode().rstrip("\n"))

    def close(self) -> None:
        self._logger.remove(self._sink)


@pytest.mark.parametrize("packing", [None, "gz"])
def test_with_the_real_loguru(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str | None
) -> None:
    loguru = _Loguru(folder / "train.log", packing)
    monkeypatch.setattr(World, "open", lambda _: loguru)
    world = World(folder, loguru.rotation, interval_ms=100.0, line_ms=10.0, delay_ms=3.0)
    slow_down(world, monkeypatch)
    assert read_through(world, tmp_path, lines=150, restarts=True) == 0
    assert len(os.listdir(folder)) > 5


@pytest.fixture
def quiet(tmp_path: Path) -> World:
    world = World(tmp_path, rotations.renamed, interval_ms=1e9, line_ms=1e9)
    world.stop()
    return world


def test_another_log_beside_it_is_no_segment(folder: Path, tmp_path: Path, quiet: World) -> None:
    # Two processes write at once, and print when.
    line = "2026-01-01 10:{:02}:00 step {} loss: 0.{}\n".format
    for name, first in (("train.log", 1), ("train.1.log", 100)):
        (folder / name).write_text("".join(line(n, first + n, first + n) for n in range(20)))
    reader = Reader(folder, tmp_path / "x.db", quiet)
    assert reader.poller.drain()
    with reader.store.read() as read:
        inputs = {input.name: input.points for input in lens.inputs(read, None)}
    reader.close()
    assert inputs == {"train.log": 20, "train.1.log": 20}


def test_a_segment_that_was_there_before_its_log_becomes_a_part_of_it(
    folder: Path, tmp_path: Path, quiet: World
) -> None:
    def rows(first: int, beyond: int) -> str:
        return "".join(f"step {n} loss: 0.{n}\n" for n in range(first, beyond))

    (folder / "train-20260101.log").write_text(rows(1, 50))
    reader = Reader(folder, tmp_path / "x.db", quiet)
    assert reader.poller.drain()
    assert reader.steps() == list(range(1, 50))
    (folder / "train.log").write_text(rows(50, 80))
    assert reader.poller.drain()
    assert reader.steps() == list(range(1, 80))
    assert reader.count() == 79
    with reader.store.read() as read:
        states = {input.name: (input.state, input.note) for input in lens.inputs(read, None)}
    reader.close()
    assert states["train-20260101.log"] == ("merged", "read as a part of train.log")


def test_a_segment_that_cannot_be_read_is_named_with_why(folder: Path, tmp_path: Path, quiet: World) -> None:
    (folder / "train.log.1.gz").write_bytes(b"\x1f\x8bthis is no gzip")
    (folder / "train.log").write_text("step 1 loss: 0.5\n")
    reader = Reader(folder, tmp_path / "x.db", quiet)
    assert reader.poller.drain()
    assert reader.steps() == [1]
    with reader.store.read() as read:
        (note,) = [input.note for input in lens.inputs(read, None)]
    reader.close()
    assert note is not None
    assert note.startswith("not read: train.log.1.gz: damaged after 0 bytes of text")
