"""What the frameworks themselves said of the sample runs, and real logs where they are at hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from lensd.discovery import Roots
from lensd.model import Input
from lensd_log import LogAdapter
from tests.log.reading import Reading, budget, plain, read

DATA = Path(__file__).parents[1] / "data"
SHARED = Path(__file__).parents[3] / "shared" / "data"
TRUTH = {path.stem: path for path in sorted((DATA / "truth").glob("*.json"))}
WITH_LOGS = [name for name, path in TRUTH.items() if json.loads(path.read_text()).get("log")]


def read_run(name: str) -> dict[bool, Reading]:
    """The inputs of a run, text and structured ones apart."""
    adapter = LogAdapter()
    found: dict[bool, Reading] = {}
    for each in adapter.discover(Roots([str(DATA / "runs")])):
        if each.workload == name:
            reading = found.setdefault(each.structured, Reading())
            reading.cursor = None
            while True:
                reading.add(adapter.read(each, reading.cursor, budget(now_ms=0.0)))
                if not reading.last.more:
                    break
    return found


@pytest.mark.parametrize("name", WITH_LOGS)
def test_every_point_of_a_sample_run_is_there_once_and_none_extra(name: str) -> None:
    found = read_run(name)
    for metric, truth in json.loads(TRUTH[name].read_text())["log"].items():
        # A structured input that holds the name supplies it.
        kind = next(kind for kind in (True, False) if kind in found and metric in found[kind].points)
        assert found[kind].points[metric] == [(step, value) for step, value, *_ in truth], metric


def test_the_console_of_keras_agrees_with_its_csv_to_the_digits_printed() -> None:
    found = read_run("keras-1")
    for metric, points in found[False].points.items():
        for (epoch, printed), (index, exact) in zip(points, found[True].points[metric], strict=True):
            assert epoch == index + 1  # `Epoch 1/5` is what the console says, 0 what CSVLogger writes
            assert printed == pytest.approx(exact, abs=5e-5)


def test_frameworks_and_targets_of_the_sample_runs_are_told() -> None:
    facts = {name: read_run(name)[False].facts for name in WITH_LOGS}
    assert facts["hf-gpt2-1"] == {"framework": "huggingface", "target_iteration": 150}
    assert facts["torch-mlp-1"] == {"target_iteration": 600}
    assert facts["xgboost-1"] == {"framework": "xgboost"}
    assert facts["lightgbm-1"] == {"framework": "lightgbm"}


REAL = (
    "megatron-lm__1 megatron-lm__2 megatron-deepspeed__1 primus__1 hf-trainer__1 trl-grpo__1 ms-swift__1"
    " keras__1 keras-verbose2__1 xgboost__1 lightgbm__1 lightgbm-cli__1 lightning-csv__1 ultralytics-csv__1"
    " llama-factory__1 detr-json__1 detectron2-metrics-json__1 torchtitan__1 nemo__1"
).split()


@pytest.mark.skipif(not (SHARED / "logs-dev").is_dir(), reason="the real logs are not at hand; left out")
@pytest.mark.parametrize("name", REAL)
def test_a_real_log_gives_what_was_read_from_it_by_hand(name: str) -> None:
    expected: dict[str, Any] = json.loads((SHARED / "logs-dev" / f"{name}.expected.json").read_text())
    path = SHARED / "logs-dev" / f"{name}.log"
    reading = Reading()
    given = Input(name, "w", "log", "log", str(path), path.name, "", "")
    adapter = LogAdapter()
    while not reading.batches or reading.last.more:
        reading.add(adapter.read(given, reading.cursor, budget(now_ms=0.0)))
    steps = {metric: {step for step, _ in points} for metric, points in reading.points.items()}
    assert {metric: len(found) for metric, found in steps.items()} == expected["points_by_metric"]
    last = {
        (metric, step): (value, ts)
        for metric, points in reading.points.items()
        for (step, value), ts in zip(points, reading.times[metric], strict=True)
    }
    for sample in expected["sample"]:
        if sample["step"] is None:
            continue
        value, ts_ms = last[sample["metric"], sample["step"]]
        assert value == plain(float(sample["value"]))
        assert sample["ts_ms"] in (None, ts_ms)


def test_a_lightning_console_without_a_dialect_says_that_nothing_matched() -> None:
    reading = read(DATA / "runs" / "lightning-1" / "stdout.log", now_ms=0.0)
    assert reading.points == {}
    assert reading.last.note == "0 of 21 lines matched any dialect"
