"""Event files in folders of any layout: names that meet, attempts, and runs of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboardX import SummaryWriter

from lensd.discovery import Roots
from lensd.ingest.poller import AdapterSource, Poller
from lensd.model import Batch, Points, Series
from lensd.query import lens
from lensd.query.results import Selection
from lensd.store import Store
from lensd_tensorboard import TensorBoardAdapter

RUNS = "runs"


def write(folder: Path, steps: Iterable[int], *names: str) -> None:
    with SummaryWriter(str(folder)) as writer:
        for step in steps:
            for name in names or ("train/loss",):
                writer.add_scalar(name, 1 / (step + 1), step)


class Reading:
    """A store that reads the folder `runs` again and again."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(str(folder / "x.db"))
        self.poller = Poller(self.store, [AdapterSource(TensorBoardAdapter(), [str(folder / RUNS)])])

    def metrics(self) -> dict[str, set[str]]:
        """The names of the metrics of each workload that has any."""
        self.poller.drain(final=True)
        with self.store.read() as reader:
            every = {w.uid: lens.available(reader, w.uid, None) for w in lens.workloads(reader, None, None)}
            return {uid: {metric.name for metric in metrics} for uid, metrics in every.items() if metrics}

    def steps(self, uid: str, name: str = "train/loss", attempt: str = "current") -> list[int]:
        with self.store.read() as reader:
            _, slices = lens.points(reader, uid, Selection(metrics=frozenset({name}), attempt=attempt))  # type: ignore[arg-type]  # as the API passes it
            return [step for part in slices for step in part.iteration.tolist()]

    def whys(self) -> dict[str, str]:
        with self.store.read() as reader:
            return {input.name: input.why for input in lens.inputs(reader, None)}


@pytest.fixture
def reading(tmp_path: Path) -> Iterable[Reading]:
    (tmp_path / RUNS).mkdir()
    made = Reading(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    "layout",
    [
        "out/runs/Nov26_02-15-13_host",  # the Hugging Face Trainer
        "tblogs/lightning_logs/version_0",
        "exp/tb_logs/my_model/version_0",
        "out/project",  # accelerate
        "PPO/PPO_1",  # Stable-Baselines 3
        "exp/2026-11-26/02-15-13/tensorboard",  # hydra
        "exp/rank0",
        "exp/5f2a9c81d0b74e6f",
        "exp",
    ],
)
def test_a_metric_keeps_the_name_that_the_framework_gave_it(
    tmp_path: Path, layout: str, reading: Reading
) -> None:
    write(tmp_path / RUNS / layout, range(3), "train/loss", "lr")
    assert reading.metrics() == {layout.split("/")[0]: {"train/loss", "lr"}}


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        (("exp/logs/train", "exp/logs/validation"), {"train/loss", "validation/loss"}),  # Keras
        (("exp/fit/20261126-021513/train", "exp/fit/20261126-021513/val"), {"train/loss", "val/loss"}),
        (("exp", "exp/loss/train", "exp/loss/val"), {"loss", "loss/train/loss", "loss/val/loss"}),
        (("exp/tb", "exp/tb/1796073643.77"), {"loss"}),  # add_hparams
    ],
)  # fmt: skip
def test_folders_join_names_where_they_tell_series_of_one_run_apart(
    tmp_path: Path, layout: tuple[str, ...], names: set[str], reading: Reading
) -> None:
    for folder in layout:
        write(tmp_path / RUNS / folder, range(3), "loss")
    assert reading.metrics() == {"exp": names}


def test_writers_that_one_process_has_at_the_same_time_are_series_of_one_run(
    tmp_path: Path, reading: Reading
) -> None:
    writers = {name: SummaryWriter(str(tmp_path / RUNS / "exp" / name)) for name in ("actor", "critic")}
    for step in range(3):
        for writer in writers.values():
            writer.add_scalar("loss", 1.0, step)
    for writer in writers.values():
        writer.close()
    assert reading.metrics() == {"exp": {"actor/loss", "critic/loss"}}


def test_runs_one_after_the_other_in_one_folder_are_as_many_runs(tmp_path: Path, reading: Reading) -> None:
    for rate in ("lr0.1", "lr0.01", "lr0.001"):
        write(tmp_path / RUNS / "grid" / rate, range(5))
    metrics = reading.metrics()
    assert metrics == {uid: {"train/loss"} for uid in ("grid", "grid-lr0.01", "grid-lr0.001")}
    assert reading.steps("grid-lr0.01") == list(range(5))
    whys = {name.split("/")[1]: why for name, why in reading.whys().items()}
    assert whys["lr0.1"] == "first folder below runs"
    assert whys["lr0.01"] == "a run of its own: it begins at step 0 anew"


def test_a_run_that_goes_on_in_another_folder_is_an_attempt(tmp_path: Path, reading: Reading) -> None:
    write(tmp_path / RUNS / "exp" / "version_0", range(10, 101, 10))
    write(tmp_path / RUNS / "exp" / "version_1", range(80, 151, 10))
    assert reading.metrics() == {"exp": {"train/loss"}}
    assert reading.steps("exp") == list(range(10, 151, 10))
    assert len(reading.steps("exp", attempt="all")) == 18
    (why,) = (why for name, why in reading.whys().items() if "version_1" in name)
    assert why == "attempt of exp: begins at step 80, where version_0 with its last step 100 goes on"


@pytest.mark.parametrize(("first", "is_own"), [(10, True), (20, False), (110, False), (111, True)])
def test_an_attempt_begins_above_the_first_step_and_one_interval_behind_the_last_at_most(
    tmp_path: Path, reading: Reading, first: int, is_own: bool
) -> None:
    write(tmp_path / RUNS / "exp" / "Nov26_02-15-13_host", range(10, 101, 10))
    write(tmp_path / RUNS / "exp" / "Nov26_03-15-13_host", range(first, first + 50, 10))
    assert ("exp-Nov26_03-15-13_host" in reading.metrics()) == is_own


def test_files_in_the_folder_of_the_workload_are_its_run(tmp_path: Path, reading: Reading) -> None:
    write(tmp_path / RUNS / "exp" / "version_1", range(5))
    write(tmp_path / RUNS / "exp", range(3))
    metrics = reading.metrics()
    assert metrics == {"exp": {"train/loss"}, "exp-version_1": {"train/loss"}}
    assert reading.steps("exp") == [0, 1, 2]


@pytest.mark.parametrize("first", [50, 60])
def test_purged_steps_begin_an_attempt(tmp_path: Path, reading: Reading, first: int) -> None:
    write(tmp_path / RUNS / "exp", range(0, 100, 10), "train/loss", "lr")
    reading.metrics()
    with SummaryWriter(str(tmp_path / RUNS / "exp"), purge_step=50, filename_suffix=".2") as writer:
        writer.flush()
        reading.metrics()
        for step in (first, first + 10):
            writer.add_scalar("train/loss", 7.0, step)
    assert reading.metrics() == {"exp": {"train/loss", "lr"}}
    assert reading.steps("exp") == [0, 10, 20, 30, 40, first, first + 10]
    with reading.store.read() as reader:
        counts = {metric.name: metric.count for metric in lens.available(reader, "exp", None)}
    assert counts["train/loss"] == 7


def test_a_folder_that_comes_later_renames_what_was_read_and_moves_nothing_else(
    tmp_path: Path, reading: Reading
) -> None:
    """Keras writes `validation/` after its first epoch."""
    write(tmp_path / RUNS / "exp" / "train", range(3), "loss")
    assert reading.metrics() == {"exp": {"loss"}}
    write(tmp_path / RUNS / "exp" / "validation", range(3), "loss")
    assert reading.metrics() == {"exp": {"train/loss", "validation/loss"}}
    assert reading.steps("exp", "train/loss") == [0, 1, 2]
    assert reading.steps("exp", "loss") == []


def test_a_database_from_before_is_read_anew_where_the_files_are(
    tmp_path: Path, reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("Nov26_02-15-13_host", "Nov26_03-15-13_host"):
        write(tmp_path / RUNS / "out" / "runs" / name, range(5))
    inputs = list(TensorBoardAdapter().discover(Roots([str(tmp_path / RUNS)])))
    gone = replace(inputs[0], id="gone", path="/gone/events.out.tfevents.1")
    for input in (*inputs, gone):
        before = replace(input, workload="out", folder=inputs[0].folder, prefix="old/", is_assigned=False)
        (registered,) = reading.store.register([before])
        points = Points.of([1, 2], [1e12, 1e12 + 1], [0.5, 0.25])
        reading.store.apply(registered, Batch(b"x", {"old/train/loss": Series(points)}))
    with caplog.at_level(logging.INFO):
        metrics = reading.metrics()
    assert metrics == {"out": {"old/train/loss", "train/loss"}, "out-Nov26_03-15-13_host": {"train/loss"}}
    assert reading.steps("out") == reading.steps("out-Nov26_03-15-13_host") == [0, 1, 2, 3, 4]
    assert reading.steps("out", "old/train/loss") == [1, 2], "its file is gone: it is left as it is"
    assert sum("is read anew" in record.message for record in caplog.records) == 2
    caplog.clear()
    reading.metrics()
    assert not [record for record in caplog.records if "is read anew" in record.message]
