"""One clock for one run: written times come before inferred ones, in durations and for every point."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lensd.adapter import Adapter
from lensd.ingest.poller import AdapterSource, Poller
from lensd.query import lens, runs
from lensd.query.panels import PanelQuestion, panels
from lensd.query.results import Selection
from lensd.store import Store
from lensd_log import LogAdapter
from lensd_tensorboard import TensorBoardAdapter
from lensd_wandb.adapter import WandbAdapter
from tests.conftest import DATA

RUN = DATA / "runs" / "hf-gpt2-1"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The files of a run of the Hugging Face Trainer, whose log has no times, copied five days later."""
    folder = tmp_path / "runs" / "hf"
    shutil.copytree(RUN, folder)
    os.utime(folder / "train.log", (1795205599.8 + 5 * 86400,) * 2)
    return folder


def read(store: Store, folder: Path, *adapters: Adapter) -> None:
    Poller(store, [AdapterSource(adapter, [str(folder.parent)]) for adapter in adapters]).drain(final=True)


def times(store: Store, name: str, source: str, **more: Any) -> dict[int, int]:
    with store.read() as reader:
        _, slices = lens.points(reader, "hf", Selection(frozenset({source}), frozenset({name}), **more))
        return {
            step: ts_ms
            for part in slices
            for step, ts_ms in zip(part.iteration.tolist(), part.ts_ms.tolist(), strict=True)
        }


def test_lines_without_a_time_have_that_of_their_step_in_the_event_file(run: Path, tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "x.db"))
    read(store, run, LogAdapter(), TensorBoardAdapter())
    written = times(store, "train/loss", "tensorflow")
    assert len(written) == 15
    logged = times(store, "loss", "log")
    assert {step: abs(ts_ms - written[step]) < 20 for step, ts_ms in logged.items()} == dict.fromkeys(
        logged, True
    )
    assert set(logged) == set(written)
    with store.read() as reader:
        question = PanelQuestion(["hf"], ["loss"], "time", None, None, 100, 0.0)
        (panel,) = panels(reader, question).panels
        assert panel.hi - panel.lo < 10_000
    store.close()


def test_a_timed_source_that_comes_later_makes_the_points_new(run: Path, tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "x.db"))
    read(store, run, LogAdapter())
    before = times(store, "loss", "log")
    with store.read() as reader:
        version = lens.workload_version(reader, "hf")
    read(store, run, TensorBoardAdapter())
    with store.read() as reader:
        assert lens.workload_version(reader, "hf") > version
    newer = times(store, "loss", "log", since=version)
    assert newer == times(store, "loss", "log")
    assert set(newer) == set(before)
    assert all(before[step] - ts_ms > 86_400_000 for step, ts_ms in newer.items())
    assert times(store, "loss", "log", start_ms=min(newer.values()), end_ms=max(newer.values())) == newer
    store.close()


def test_duration_and_speed_are_those_of_the_training(run: Path, tmp_path: Path) -> None:
    """With the inferred end of the log they were 5 days, and 0.0003 steps/s."""
    store = Store.open(str(tmp_path / "x.db"))
    read(store, run, LogAdapter(), TensorBoardAdapter(), WandbAdapter())
    with store.read() as reader:
        detail = runs.run(reader, "hf")
        progress = runs.progress(reader, "hf")
        (workload,) = lens.workloads(reader, None, None)
    store.close()
    assert detail is not None
    assert detail.duration is not None
    assert 5 < detail.duration < 20
    assert isinstance(progress.steps_per_second, float)
    assert 10 < progress.steps_per_second < 40
    assert workload.updated_at is not None
    assert abs(workload.updated_at - 1795205599820) < 2000


def test_a_log_that_counts_epochs_keeps_its_times(run: Path, tmp_path: Path) -> None:
    (run / "train.log").write_text("".join(f"Epoch {n}: loss={1 / n:.4f}\n" for n in range(1, 6)))
    os.utime(run / "train.log", (1795205599.8 + 5 * 86400,) * 2)
    store = Store.open(str(tmp_path / "x.db"))
    read(store, run, LogAdapter(), TensorBoardAdapter())
    logged = times(store, "loss", "log")
    assert len(logged) == 5
    assert min(logged.values()) > 1795205599820 + 86_400_000
    store.close()
