"""Files of the writers that people use, held against tbparse: the same points, to the last bit."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from tbparse import SummaryReader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboardX import SummaryWriter

from tests.tensorboard.reading import inputs_below, read_to_end

Points = dict[str, list[tuple[int, float, float]]]


def oracle(folder: Path) -> Points:
    """(step, wall_s, value) of each tag, as tbparse reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tbparse 0.0.9 uses what pandas 3 deprecates
        reader = SummaryReader(str(folder), extra_columns={"wall_time"})
        tables = [reader.scalars, reader.tensors]
    by_tag: Points = {}
    for table in tables:
        for row in table.to_dict("records"):
            value = np.asarray(row["value"])
            if value.size == 1 and value.dtype.kind in "fiub":  # curves are tensors too
                point = (row["step"], row["wall_time"], float(value.item()))
                by_tag.setdefault(row["tag"], []).append(point)
    return {tag: sorted(points, key=repr) for tag, points in by_tag.items()}


def ours(folder: Path) -> Points:
    by_tag: Points = {}
    for input in inputs_below(folder):
        result = read_to_end(input)
        assert (result.skipped, result.lag_bytes) == (0, 0)
        for name, (step, ts_ms, value) in result.columns.items():
            by_tag.setdefault(name, []).extend(
                zip(step, (np.array(ts_ms) / 1000.0).tolist(), value, strict=True)
            )
    return {tag: sorted(points, key=repr) for tag, points in by_tag.items()}


def assert_same(folder: Path, tags: set[str]) -> None:
    expected, read = oracle(folder), ours(folder)
    assert set(read) == set(expected) == tags
    for tag, points in expected.items():
        for mine, theirs in zip(read[tag], points, strict=True):
            assert mine[0] == theirs[0]
            assert mine[1] == pytest.approx(theirs[1], abs=1e-6)
            assert repr(mine[2]) == repr(theirs[2])


def test_tensorboardx_with_everything_it_writes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with SummaryWriter(str(folder)) as writer:
        for step in range(300):
            writer.add_scalar("train/loss", 1.0 / (step + 1), step)
            writer.add_scalar("train/acc", step / 7.0, step)
            if step % 50 == 0:
                writer.add_scalar("eval/loss", float(step), step)
                writer.add_histogram("weights", np.arange(10.0) * step, step)
                writer.add_image("image", np.zeros((3, 8, 8), np.uint8), step)
                writer.add_text("words", f"step {step}", step)
                writer.add_pr_curve("pr", np.array([0, 1, 1]), np.array([0.1, 0.6, 0.9]), step)
    assert_same(folder, {"train/loss", "train/acc", "eval/loss"})


def test_tensorboards_own_writer_with_tf2_summaries(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    writer = EventFileWriter(str(folder))
    for step in range(300):
        summaries = [scalar_pb("loss", 1.0 / (step + 1)), scalar_pb("acc", step / 7.0)]
        if step % 50 == 0:
            summaries += [
                histogram_pb("weights", np.arange(10.0) * step, buckets=1),
                text_pb("words", f"step {step}"),
                hparams_pb({"lr": 0.1, "layers": step}),
            ]
        for summary in summaries:
            event = Event(wall_time=1_795_000_000.0 + step / 7, step=step)
            event.summary.CopyFrom(Summary.FromString(summary.SerializeToString()))
            writer.add_event(event)
    writer.close()
    assert_same(folder, {"loss", "acc"})


def test_hyperparameters_are_facts(tmp_path: Path) -> None:
    hparams = {"lr": 0.1, "layers": 3, "optimizer": "adamw", "nesterov": True}
    with SummaryWriter(str(tmp_path / "run")) as writer:
        writer.add_hparams(hparams, {"hparam/accuracy": 0.5}, name="trial")
    facts: dict[str, object] = {}
    for input in inputs_below(tmp_path):
        for batch in read_to_end(input).batches:
            facts |= batch.facts
    assert facts == {f"hparams.{name}": value for name, value in hparams.items()}
    assert ours(tmp_path)["trial/hparam/accuracy"][0][2] == 0.5


def test_texts_histograms_and_images_are_facts_as_tbparse_counts_them(tmp_path: Path) -> None:
    arguments = {"learning_rate": 5e-5, "fp16": False, "hub_token": "hf_abcdefghijklmnop", "lr": {"end": 0.1}}
    with SummaryWriter(str(tmp_path / "run")) as writer:
        writer.add_text("args", json.dumps(arguments, indent=2))  # as the Hugging Face Trainer does
        writer.add_text("model_config", '{"layers": 3}')
        writer.add_text("note", "a first try", 1)
        writer.add_text("note", "a *second* try", 2)
        for step in range(3):
            writer.add_histogram("weights", np.arange(10) + step, step)
            writer.add_scalar("loss", 1.0, step)
        writer.add_image("sample", np.zeros((3, 4, 4)), 0)
    facts: dict[str, object] = {}
    for input in inputs_below(tmp_path):
        for batch in read_to_end(input, limits=(200, 1)).batches:
            facts |= batch.facts
    assert facts == {
        "config.learning_rate": 5e-5, "config.fp16": False, "config.hub_token": "***", "config.lr.end": 0.1,
        "config.model_config.layers": 3, "text.note": "a *second* try",
        "histograms.weights": 3, "images.sample": 1,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = SummaryReader(str(tmp_path / "run"), event_types={"text", "histograms"})  # images: TensorFlow
        assert peer.text["value"].tolist()[-1] == facts["text.note"]
        assert len(peer.histograms) == facts["histograms.weights"]


def test_several_writers_in_one_folder_are_several_inputs(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for suffix in (".first", ".second"):
        with SummaryWriter(str(folder), filename_suffix=suffix) as writer:
            writer.add_scalar("loss", 1.0, len(suffix))
    assert len(inputs_below(folder)) == 2
    assert_same(folder, {"loss"})


def test_lines_of_one_chart_in_folders_of_their_own_are_prefixed(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "exp" / "tensorboard")) as writer:
        writer.add_scalars("loss", {"train": 1.0, "val": 2.0}, 1)
    names = {name for input in inputs_below(tmp_path) for name in read_to_end(input).columns}
    assert names == {"loss/train/loss", "loss/val/loss"}
    assert {input.workload for input in inputs_below(tmp_path)} == {"exp"}


def test_reading_imports_neither_tensorboard_nor_protobuf() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import lensd_tensorboard as module;"
        " module.TensorBoardAdapter();"
        " print({'tensorboard', 'google.protobuf', 'pandas', 'tbparse', 'tensorflow'} & set(sys.modules))"
    )
    adapters = Path(__file__).parents[2] / "adapters"
    command = [sys.executable, "-c", code, str(adapters)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "set()"
