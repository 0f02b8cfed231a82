"""The iteration of a metric is the axis that the run defines for it, where that is one."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lensd.model import Batch, Points, Series
from lensd.wandb.axes import Axes, definitions
from lensd.wandb.online_run import batch_of_file_stream, batch_of_upsert
from tests.wandb.test_files import FILES, Reading, chunk, message, row_of, varint

SYSTEM = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB__DISABLE_STATS": "true"}


def offline(folder: Path, script: str) -> Path:
    """The file that the real SDK writes for a script that logs to `run`."""
    text = (
        "import wandb\nrun = wandb.init(project='p', id='r1')\n" + textwrap.dedent(script) + "\nrun.finish()"
    )
    command = [sys.executable, "-c", text]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=os.environ | SYSTEM)
    return next(folder.glob("wandb/offline-run-*/*.wandb"))


@pytest.mark.slow
def test_a_defined_axis_gives_the_iteration(tmp_path: Path) -> None:
    path = offline(tmp_path, """
        run.define_metric("train/step")
        run.define_metric("train/*", step_metric="train/step")
        run.define_metric("val/acc", step_metric="val_step")
        for i in range(4):
            row = {"train/step": 2**i, "train/loss": 1 / (i + 1), "x": i}
            run.log(row | {"val_step": 4 * i, "val/acc": i / 4})
    """)  # fmt: skip
    reading = Reading().on(path)
    assert reading.points["train/loss"] == [(1, 1.0), (2, 1 / 2), (4, 1 / 3), (8, 1 / 4)]
    assert reading.points["val/acc"] == [(0, 0.0), (4, 0.25), (8, 0.5), (12, 0.75)]
    assert reading.points["x"] == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert reading.points["train/step"] == [(1, 1), (2, 2), (4, 4), (8, 8)], "the axis is a series too"
    assert reading.facts["step_metric"] == "val_step, train/step"
    assert Reading().on(path, bytes=1).points == reading.points


@pytest.mark.slow
def test_the_trainers_global_step_gives_the_iteration_of_training_and_evaluation(tmp_path: Path) -> None:
    """As the WandbCallback of transformers 4 and 5 logs."""
    path = offline(tmp_path, """
        run.define_metric("train/global_step")
        run.define_metric("*", step_metric="train/global_step", step_sync=True)
        for step in (10, 20, 30):
            run.log({"train/loss": 1 / step, "train/epoch": step / 30, "train/global_step": step})
            run.log({"eval/loss": 2 / step, "train/epoch": step / 30, "train/global_step": step})
        run.log({"train/train_loss": 0.5, "train/epoch": 1.0, "train/global_step": 30})
    """)  # fmt: skip
    points = Reading().on(path).points
    assert points["train/loss"] == [(10, 1 / 10), (20, 1 / 20), (30, 1 / 30)]
    assert points["eval/loss"] == [(10, 2 / 10), (20, 2 / 20), (30, 2 / 30)]
    assert points["train/train_loss"] == [(30, 0.5)]


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["[0, 0, 1, 1]", "[3, 2, 1, 0]", "[0.5, 1.5, 2.5, 3.5]"])
def test_an_axis_that_falls_or_repeats_or_is_no_integer_leaves_the_count_of_log_calls(
    tmp_path: Path, axis: str
) -> None:
    path = offline(tmp_path, f"""
        run.define_metric("loss", step_metric="part")
        for i, part in enumerate({axis}):
            run.log({{"loss": float(i), "part": part}})
    """)  # fmt: skip
    for limits in ({}, {"bytes": 1}):
        reading = Reading().on(path, **limits)
        at = max(index for index, batch in enumerate(reading.batches) if batch.restart or not index)
        assert shown(reading.batches[at:], "loss") == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]
        assert reading.facts["step_metric"] == "part"


def shown(batches: list[Batch], name: str) -> list[tuple[int, float]]:
    """The points of these batches, which a restart begins."""
    series = [batch.series[name].points for batch in batches if name in batch.series]
    return [pair for p in series for pair in zip(p.iteration.tolist(), p.value.tolist(), strict=True)]


def test_an_epoch_is_no_iteration_beside_steps_but_where_it_is_the_axis_of_all() -> None:
    series = {"acc": of([7, 9], [0.5, 0.6]), "epoch": of([7, 9], [0, 1])}
    beside, alone = Axes(), Axes()
    beside.define("acc", "epoch")
    alone.define("*", "epoch")
    assert beside.place(series)[0]["acc"].points.iteration.tolist() == [7, 9]
    assert alone.place(series)[0]["acc"].points.iteration.tolist() == [0, 1]


def of(steps: list[int], values: list[float]) -> Series:
    return Series(Points.of(steps, [0.0] * len(steps), values))


def test_a_file_that_an_earlier_version_has_read_is_read_anew() -> None:
    """It took the count of log calls for the iteration; the cursor had fewer fields and version 1."""
    path = FILES / "wandb-0.22.3.wandb"
    reading = Reading().on(path)
    fields = msgspec.msgpack.decode(reading.batches[-1].cursor)
    reading.batches[-1].cursor = msgspec.msgpack.encode([1, *fields[1:7]])
    again = len(reading.batches)
    reading.on(path)
    assert reading.batches[again].restart
    assert repr(shown(reading.batches[again:], "loss")) == repr(shown(reading.batches[:again], "loss"))


def test_rows_that_are_posted_again_are_placed_where_they_were() -> None:
    axes = Axes()
    axes.define("*", "it")
    posts = [({0: 0, 1: 10, 2: 20}, [0, 10, 20]), ({1: 10, 2: 20, 3: 30}, [10, 20, 30]), ({0: 0}, [0])]
    for rows, iterations in posts:
        series = {"it": of(list(rows), list(rows.values())), "loss": of(list(rows), list(rows))}
        axes = msgspec.json.decode(msgspec.json.encode(axes), type=Axes)  # as a cursor keeps them
        placed, moved = axes.place(series)
        assert placed["loss"].points.iteration.tolist() == iterations
        assert not moved


def test_nan_may_be_logged_again_at_its_step() -> None:
    axes = Axes()
    axes.define("*", "it")
    series = {"loss": of([0, 1], [math.nan, math.nan]), "it": of([0, 1], [10, 10])}
    assert axes.place(series)[0]["loss"].points.iteration.tolist() == [10, 10]
    assert axes.place({name: of([2], [one.points.value[0]]) for name, one in series.items()})[1] is False


def test_an_online_run_sends_its_definitions_with_the_configuration() -> None:
    """As SDK 0.31 encodes them: field numbers for names, the axis by its place in the list."""
    records = [
        {"1": "it", "6": [3], "7": []}, {"1": "val/acc", "5": 3}, {"1": "own"}, {"2": "*", "5": 1},
        {"1": "odd", "5": 9},
    ]  # fmt: skip
    config = {"_wandb": {"value": {"m": records}}}
    assert definitions(config) == [("val/acc", "own"), ("*", "it")]
    cursor = batch_of_upsert(None, {"config": json.dumps(config)}).cursor
    rows = [{"_step": i, "loss": i, "it": 10 * i, "_timestamp": 1.7e9 + i} for i in range(3)]
    body: dict[str, Any] = {
        "files": {"wandb-history.jsonl": {"offset": 0, "content": [json.dumps(row) for row in rows]}}
    }
    for _ in range(2):
        batch = batch_of_file_stream(cursor, body, 0.0)
        assert shown([batch], "loss") == [(0, 0.0), (10, 1.0), (20, 2.0)]
        cursor = batch.cursor


def test_a_row_without_a_time_has_that_of_its_run(tmp_path: Path) -> None:
    """Rows that were written by hand, as converters write them: without `_timestamp`."""
    path = tmp_path / "run-x.wandb"
    rows = [[(["_runtime"], "2.5"), (["loss"], "1.0")], [(["loss"], "2.0")]]
    records = [message(17, message(17, b"\x08" + varint(1_700_000_000)))]  # a RunRecord with its start_time
    records += [message(2, row_of(items, nested=True, step=i)) for i, items in enumerate(rows)]
    path.write_bytes(b":W&B\xe1\xbe\x00" + b"".join(chunk(1, record) for record in records))
    reading = Reading().on(path)
    assert reading.points["loss"] == [(0, 1.0), (1, 2.0)]
    assert reading.times["loss"] == [1_700_000_002_500.0, 1_700_000_002_500.0]
    assert reading.count("unparsed") == 0
