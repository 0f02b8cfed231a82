"""When the poller reads an input, and what a failing one does to the others. Only tests move the clock."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from lensd.adapter import Budget, InputDead, InputGone, RetryAfter
from lensd.discovery import Roots
from lensd.ingest.poller import AdapterSource, Poller
from lensd.ingest.tracked import Tracked
from lensd.model import Batch, Counts, Input, Points, Series
from lensd.query import lens
from lensd.store import Store, StoreError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Script:
    """An adapter that does what the first line of a file says, and counts its reads."""

    name = "script"
    data_source = "script"

    def __init__(self) -> None:
        self.reads: dict[str, int] = {}

    def discover(self, roots: Roots) -> Iterable[Input]:
        for file in roots.files(lambda name: name.endswith(".script")):
            yield roots.input(file, adapter=self.name, data_source=self.data_source)

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        name = os.path.basename(input.path)
        self.reads[name] = self.reads.get(name, 0) + 1
        try:
            word = Path(input.path).read_text().split()
        except FileNotFoundError as error:
            raise InputGone(f"{name} is gone") from error
        match word[0]:
            case "dead":
                raise InputDead(f"{name} holds nothing that can be read")
            case "wait":
                raise RetryAfter(f"{name} is not ready", 3.0)
            case "break":
                raise ZeroDivisionError("a fault of the adapter")
        if word[0] == "half":
            return Batch(b"0", waits=self.reads[name] < 3)
        done, total = int(cursor or b"0"), int(word[1])
        points = Points.of([done], [1000.0 * done], [1.0])
        more = done + 1 < total
        series = {"x": Series(points)} if done < total else {}
        return Batch(
            b"%d" % min(done + 1, total),
            series,
            counts=Counts(bytes=bool(series)),
            more=more,
            lag_bytes=total - done,
        )

    def close(self) -> None:
        pass


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "x.db")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "exp"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def poller(store: Store, folder: Path, script: Script, clock: Clock) -> Poller:
    source = AdapterSource(script, [str(folder.parent)])
    return Poller(store, [source], clock=clock, wall=lambda: 1.0)


def only(poller: Poller, name: str) -> Tracked:
    (match,) = [tracked for tracked in poller.tracked() if tracked.input.path.endswith(name)]
    return match


def health(store: Store) -> dict[str, tuple[str, str | None]]:
    with store.read() as reader:
        return {os.path.basename(i.path): (i.state, i.error) for i in lens.inputs(reader, None)}


def test_a_large_input_does_not_starve_a_small_one(poller: Poller, folder: Path, script: Script) -> None:
    (folder / "large.script").write_text("give 1000")
    (folder / "small.script").write_text("give 1")
    poller.scan()
    for _ in range(5):
        poller.poll()
    assert script.reads == {"large.script": 5, "small.script": 1}


def test_an_input_at_rest_is_not_read(poller: Poller, folder: Path, script: Script, clock: Clock) -> None:
    (folder / "a.script").write_text("give 2")
    poller.scan()
    for _ in range(50):
        poller.poll()
        clock.now += 1.0
    assert script.reads["a.script"] == 2
    assert only(poller, "a.script").schedule.interval == pytest.approx(5.0)
    (folder / "a.script").write_text("give 30")
    clock.now += 5.0
    poller.poll()
    assert script.reads["a.script"] == 3
    assert only(poller, "a.script").schedule.due == clock.now, "there is more: it is due at once"


def test_a_file_that_has_been_quiet_for_an_hour_is_left_to_the_scans(
    store: Store, folder: Path, script: Script, clock: Clock
) -> None:
    path = folder / "a.script"
    path.write_text("points 1")
    os.utime(path, (1e9, 1e9))
    source = AdapterSource(script, [str(folder.parent)])
    poller = Poller(store, [source], clock=clock, wall=lambda: 1e9 + 4000)
    poller.scan()
    intervals = []
    for _ in range(30):
        poller.poll()
        due = only(poller, "a.script").schedule.due
        intervals.append(due - clock.now)
        clock.now = due
    assert max(intervals) == pytest.approx(60)
    poller.poll()
    reads = script.reads["a.script"]
    path.write_text("points 2")
    clock.now += 2
    assert poller.poll() == 0
    poller.scan()
    assert poller.poll() == 1
    assert script.reads["a.script"] == reads + 1


def test_an_input_that_somebody_follows_is_looked_at_often(
    poller: Poller, folder: Path, clock: Clock
) -> None:
    (folder / "a.script").write_text("give 1")
    poller.scan()
    release = poller.follow(str(folder / "a.script"))
    for _ in range(20):
        poller.poll()
        clock.now += 5.0
    poller.poll()
    assert only(poller, "a.script").schedule.due == pytest.approx(clock.now + 0.2)
    release()
    clock.now += 5.0
    poller.poll()
    assert only(poller, "a.script").schedule.due > clock.now + 0.2


@pytest.mark.parametrize(("word", "state"), [("dead", "dead"), ("wait", "waiting"), ("break", "waiting")])
def test_one_that_fails_harms_no_other(
    poller: Poller, store: Store, folder: Path, script: Script, clock: Clock, word: str, state: str
) -> None:
    (folder / "bad.script").write_text(word)
    (folder / "good.script").write_text("give 20")
    poller.scan()
    for _ in range(40):
        poller.poll()
        clock.now += 1.0
    assert script.reads["good.script"] == 20
    assert script.reads["bad.script"] < 7, "a failing input is asked less and less"
    reported, error = health(store)["bad.script"]
    assert reported == state
    assert error


def test_a_dead_input_lives_again_when_it_is_replaced(
    poller: Poller, store: Store, folder: Path, script: Script, clock: Clock
) -> None:
    path = folder / "a.script"
    path.write_text("dead")
    poller.scan()
    for _ in range(30):
        poller.poll()
        clock.now += 10.0
    assert script.reads["a.script"] == 1
    path.write_text("give 3")
    poller.drain()
    assert health(store)["a.script"] == ("ok", None)


def test_a_vanished_input_keeps_its_points(poller: Poller, store: Store, folder: Path, clock: Clock) -> None:
    path = folder / "a.script"
    path.write_text("give 3")
    poller.drain()
    path.unlink()
    clock.now += 10.0
    poller.scan()
    poller.poll()
    assert health(store)["a.script"] == ("gone", "a.script is gone")
    with store.read() as reader:
        assert lens.available(reader, "exp", None)[0].count == 3


def test_what_could_not_be_stored_is_read_again(
    poller: Poller, store: Store, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.script").write_text("give 2")
    poller.scan()
    real = store.apply

    def full(*_: object, **__: object) -> int:
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "apply", full)
    for _ in range(5):
        poller.poll()
        clock.now += 10.0
    assert only(poller, "a.script").health.unstored == "the disk is full"
    monkeypatch.setattr(store, "apply", real)
    clock.now += 1000.0
    poller.drain()
    with store.read() as reader:
        assert lens.available(reader, "exp", None)[0].count == 2
    assert only(poller, "a.script").health.unstored is None


def test_scanning_takes_its_share_and_no_more(
    poller: Poller, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Script.discover

    def slow(self: Script, roots: Roots) -> Iterable[Input]:
        clock.now += 0.3
        return real(self, roots)

    monkeypatch.setattr(Script, "discover", slow)
    poller.scan()
    assert poller._next_scan - clock.now == pytest.approx(0.3 / 0.003)


def test_draining_ends_in_time(
    poller: Poller, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.script").write_text("give 1000000")
    real = Script.read

    def slow(self: Script, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        clock.now += 1.0
        return real(self, input, cursor, budget)

    monkeypatch.setattr(Script, "read", slow)
    assert poller.drain(seconds=10.0) is False


def test_the_thread_stops_when_told(poller: Poller, store: Store, folder: Path) -> None:
    (folder / "a.script").write_text("give 5")
    poller.start()
    poller.stop(drain_seconds=5.0)
    with store.read() as reader:
        assert lens.available(reader, "exp", None)[0].count == 5


def test_what_two_threads_read_at_the_same_time_is_counted(
    poller: Poller, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.script").write_text("give 1")
    (folder / "b.script").write_text("give 1")
    real, both, stored = store.apply, threading.Barrier(2, timeout=30), threading.Semaphore(0)

    def together(input: Input, batch: Batch, *, at_ms: float = 0.0) -> int:
        both.wait()  # both threads are in the middle of their reads now
        count = real(input, batch, at_ms=at_ms)
        stored.release()
        return count

    monkeypatch.setattr(store, "apply", together)
    poller.start()
    assert stored.acquire(timeout=30)
    assert stored.acquire(timeout=30)
    poller.stop()
    assert (poller.progress().points, poller.progress().done_bytes) == (2, 2)


def test_an_input_that_waits_is_read_again_though_nothing_is_written(
    store: Store, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / "a.script").write_text("half 0")
    adapter = Script()
    poller = Poller(store, [AdapterSource(adapter, [str(tmp_path)])], clock=clock, wall=clock)
    poller.scan()
    for _ in range(6):
        clock.now += 10.0
        poller.poll()
    assert adapter.reads == {"a.script": 3}
