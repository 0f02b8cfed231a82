"""What the frameworks themselves said of the sample runs, and real logs where they are at hand."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lensd.discovery import Roots
from lensd_log import LogAdapter
from tests.conftest import an_input
from tests.log.reading import Reading, budget, plain, read

DATA = Path(__file__).parents[1] / "data"
SHARED = Path(__file__).parents[3] / "shared" / "data"
TRUTH = {path.stem: path for path in sorted((DATA / "truth").glob("*.json"))}
WITH_LOGS = [name for name, path in TRUTH.items() if json.loads(path.read_text()).get("log")]


def read_run(name: str) -> dict[bool, Reading]:
    """The inputs of a run, text and structured ones apart."""
    adapter = LogAdapter()
    readings: dict[bool, Reading] = {}
    for input in adapter.discover(Roots([str(DATA / "runs")])):
        if input.workload == name:
            reading = readings.setdefault(input.structured, Reading())
            reading.cursor = None
            while True:
                reading.add(adapter.read(input, reading.cursor, budget(now_ms=0.0)))
                if not reading.last.more:
                    break
    return readings


@pytest.mark.parametrize("name", WITH_LOGS)
def test_every_point_of_a_sample_run_is_there_once_and_none_extra(name: str) -> None:
    readings = read_run(name)
    for metric, truth in json.loads(TRUTH[name].read_text())["log"].items():
        # A structured input that holds the name supplies it.
        kind = next(kind for kind in (True, False) if kind in readings and metric in readings[kind].points)
        assert readings[kind].points[metric] == [(step, value) for step, value, *_ in truth], metric


def test_the_console_of_keras_agrees_with_its_csv_to_the_digits_printed() -> None:
    readings = read_run("keras-1")
    for metric, points in readings[False].points.items():
        for (epoch, printed), (index, exact) in zip(points, readings[True].points[metric], strict=True):
            assert epoch == index + 1  # `Epoch 1/5` is what the console says, 0 what CSVLogger writes
            assert printed == pytest.approx(exact, abs=5e-5)


def test_frameworks_and_targets_of_the_sample_runs_are_reported() -> None:
    facts = {name: read_run(name)[False].facts for name in WITH_LOGS}
    assert facts["hf-gpt2-1"] == {"framework": "huggingface", "target_iteration": 150}
    assert facts["torch-mlp-1"] == {"target_iteration": 600}
    assert facts["xgboost-1"] == {"framework": "xgboost"}
    assert facts["lightgbm-1"] == {"framework": "lightgbm"}


REAL = SHARED / "logs-dev"
REAL_LOGS = sorted(path.name.removesuffix(".expected.json") for path in REAL.glob("*.expected.json"))

#: What a log says beyond the training lines that were counted: evaluations, summaries of epochs, rates.
BEYOND = {
    "darknet__1": "mAP@|mean_average_precision|F1-score|precision|recall|average IoU|TP|FP|FN",
    "deepspeed__1": "ppl",
    "detectron2__1": "bbox/AP",
    "fairseq-simple__1": "bleu_score",
    "generic-epoch-batch__1": "Train|Loss",
    "icefall__1": "validation loss",
    "mxnet__1": "Validation-|Time cost",
    "mxnet__4": "Validation-|Train-accuracy|Time cost",
    "paddleclas__1": "Eval/",
    "rf-detr__1": "Test/|Average (Precision|Recall) ",
    "tf-estimator__1": "(global_step|examples)/sec",
    "timm__1": "Test/",
    "torchvision-reference__1": "Test/|Average (Precision|Recall) ",
    "yolov5-console__1": "Images|Box\\(P|R|mAP50|Mask\\(",
}
#: Logs that count batches within epochs whose length is not printed: only their order can be compared.
ORDERED = {"espnet__1", "icefall__1", "kaldi-pybind__1", "mindspore__1", "mxnet__1", "mxnet__4"}
FRAMEWORKS = {"hf-trainer": "huggingface", "generic": None}


def read_real(name: str) -> Reading:
    path, reading, adapter = REAL / f"{name}.log", Reading(), LogAdapter()
    input = an_input(path, folder="")
    while not reading.batches or reading.last.more:
        reading.add(adapter.read(input, reading.cursor, budget(now_ms=0.0, final=True)))
    return reading


@pytest.mark.skipif(not REAL_LOGS, reason="the real logs lie beside the checkout, not in it")
@pytest.mark.parametrize("name", REAL_LOGS)
def test_a_real_log_gives_what_was_read_from_it_by_hand(name: str) -> None:
    expected: dict[str, Any] = json.loads((REAL / f"{name}.expected.json").read_text())
    reading = read_real(name)
    framework = reading.facts.get("framework")
    right = expected["framework"]
    assert framework == FRAMEWORKS.get(right, framework if right.startswith(str(framework)) else right)
    steps = {metric: len({step for step, _ in points}) for metric, points in reading.points.items()}
    beyond = {metric for metric in steps if metric not in expected["points_by_metric"]}
    assert {metric: steps.get(metric) for metric in steps.keys() - beyond} == expected["points_by_metric"]
    assert not {metric for metric in beyond if not re.match(BEYOND.get(name, "nothing"), metric)}
    last: dict[tuple[str, int], tuple[float | str, float]] = {}
    for metric, points in reading.points.items():
        for (step, value), ts_ms in zip(points, reading.times[metric], strict=True):
            last[metric, step] = value, ts_ms
    for sample in expected["sample"]:
        metric, step, value = sample["metric"], sample["step"], plain(float(sample["value"]))
        if step is None or name in ORDERED:
            matches = [
                (at, last[metric, at][1]) for at, printed in reading.points[metric] if printed == value
            ]
            assert matches, sample
            assert step is None or any(at >= step for at, _ in matches), sample
            if name in ORDERED and sample["ts_ms"] is not None:
                assert sample["ts_ms"] in [ts_ms for _, ts_ms in matches], sample
        else:
            assert last[metric, step][0] == value, sample
            assert sample["ts_ms"] in (None, last[metric, step][1]), sample


@pytest.mark.skipif(not REAL_LOGS, reason="the real logs lie beside the checkout, not in it")
@pytest.mark.parametrize("name", sorted(ORDERED))
def test_batches_of_epochs_without_a_length_never_go_back(name: str) -> None:
    for metric, points in read_real(name).points.items():
        steps = [step for step, _ in points]
        assert steps == sorted(steps), metric


def test_a_lightning_console_without_a_log_format_says_that_nothing_matched() -> None:
    reading = read(DATA / "runs" / "lightning-1" / "stdout.log", now_ms=0.0)
    assert reading.points == {}
    assert reading.last.note == (
        "no points: 2 of 21 lines look like metrics, but none was read; `lensd doctor` on this file says why"
    )
