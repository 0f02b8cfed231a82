"""A log that counts from 1 has the steps of the event file of its run, which counts from 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lensd.query import lens
from lensd.query.results import Selection
from lensd_log import LogAdapter
from lensd_tensorboard import TensorBoardAdapter
from tests.tensorboard.writing import event, simple, version
from tests.watching import Watching

EPOCHS = 8


def loss(epoch: int) -> float:
    return 1 / (epoch + 2)


def keras(first: int, beyond: int) -> str:
    """What Keras prints of epochs, which are counted from 0 here."""
    return "".join(
        f"Epoch {epoch + 1}/{EPOCHS}\n5/5 [==========] - 0s 9ms/step - loss: {loss(epoch):.4f}\n"
        for epoch in range(first, beyond)
    )


class World(Watching):
    """A workload `exp` with a log and an event file."""

    def __init__(self, folder: Path) -> None:
        self.exp = folder / "runs" / "exp"
        self.exp.mkdir(parents=True)
        self.events = self.exp / "events.out.tfevents.1795000000.host"
        self.events.write_bytes(version())
        super().__init__(folder / "x.db", self.exp.parent, LogAdapter(), TensorBoardAdapter())

    def log(self, first: int, beyond: int) -> None:
        with (self.exp / "train.log").open("a") as file:
            file.write(keras(first, beyond))

    def record(self, first: int, beyond: int, value: Callable[[int], float] = loss, offset: int = 0) -> None:
        with self.events.open("ab") as file:
            for epoch in range(first, beyond):
                values = simple(b"epoch_loss", value(epoch))
                file.write(event(1_795_000_000.0 + epoch, epoch + offset, values))

    def values(self, source: str = "log") -> dict[int, float]:
        with self.store.read() as reader:
            _, slices = lens.points(reader, "exp", Selection(frozenset({source})))
            return {
                step: value
                for part in slices
                for step, value in zip(part.iteration.tolist(), part.value.tolist(), strict=True)
            }

    def steps(self) -> list[int]:
        return sorted(self.values())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_a_log_that_is_read_at_once(world: World) -> None:
    world.log(0, EPOCHS)
    world.record(0, EPOCHS)
    world.poller.drain(final=True)
    assert world.values() == pytest.approx(world.values("tensorflow"), abs=1e-4)
    assert world.steps() == list(range(EPOCHS))
    with world.store.read() as reader:
        (info,) = lens.workloads(reader, None, None)
    assert (info.iteration, info.target_iteration, info.status) == (EPOCHS - 1, EPOCHS - 1, "finished")


def test_a_log_that_is_read_as_it_grows_by_one_daemon_after_the_other(world: World) -> None:
    world.log(0, 2)
    world.look()
    assert world.steps() == [1, 2], "as printed, while nothing else counts"
    world.record(0, 2)
    world.look()
    world.look()
    assert world.steps() == [1, 2], "two values prove nothing"
    world.log(2, 5)
    world.record(2, 5)
    world.look()
    world.look()
    assert world.steps() == [0, 1, 2, 3, 4]
    world.log(5, 7)
    world.look()
    assert world.steps() == list(range(7))
    world.begin()
    world.log(7, EPOCHS)
    world.look()
    assert world.steps() == list(range(EPOCHS))
    (info,) = [tracked for tracked in world.poller.tracked() if tracked.input.data_source == "log"]
    assert world.poller.progress().done_bytes < (world.exp / "train.log").stat().st_size, "and not read again"
    assert info.reading.lag_bytes == 0


@pytest.mark.parametrize(
    ("value", "offset"),
    [
        (loss, 1),  # the same steps
        (lambda epoch: 0.25, 0),  # a value that tells nothing
        (lambda epoch: 3.0 + epoch, 0),  # another loss
    ],
)
def test_a_log_whose_steps_are_not_proved_wrong_keeps_them(
    world: World, value: Callable[[int], float], offset: int
) -> None:
    world.log(0, EPOCHS)
    world.record(0, EPOCHS, value, offset)
    world.poller.drain(final=True)
    assert world.steps() == list(range(1, EPOCHS + 1))


def test_a_log_that_cannot_be_read_again_as_a_whole_keeps_its_steps(world: World) -> None:
    world.log(0, 5)
    world.look()
    log = world.exp / "train.log"
    log.rename(world.exp / "train.log.1")
    world.log(5, EPOCHS)
    world.look()
    (world.exp / "train.log.1").unlink()
    world.record(0, EPOCHS)
    world.look()
    world.look()
    assert world.steps() == list(range(1, EPOCHS + 1))
