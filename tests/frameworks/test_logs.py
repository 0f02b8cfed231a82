"""What real frameworks print, in every way of printing, gives the points that they logged: name, step, value.

`make test-frameworks` makes the environments and runs this.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.runs import WAYS, check, command, compare, environ, points_of, truth_of

pytestmark = pytest.mark.framework

HF = ("transformers-4.44", "transformers-5")
LIGHTNING = ("lightning-2.1", "lightning-2.6")
KERAS = ("keras-2", "keras-3")

_BATCH = {"per_device_train_batch_size": 4, "num_train_epochs": 2}
_EVALUATED = {**_BATCH, "logging_steps": 7, "eval_strategy": "steps", "eval_steps": 10}
HF_RUNS: dict[str, dict[str, Any]] = {
    "evaluation in between": {"rows": 100, "arguments": _EVALUATED},
    "evaluation and logging at one step": {
        "rows": 100,
        "arguments": {**_EVALUATED, "logging_steps": 5, "eval_on_start": True},
    },
    "many dicts in one buffer": {"rows": 400, "arguments": {**_BATCH, "logging_steps": 1}},
    "accumulation": {"rows": 100, "arguments": {**_EVALUATED, "gradient_accumulation_steps": 2}},
    "evaluation of as many batches as steps": {
        "rows": 16,
        "arguments": {**_EVALUATED, "num_train_epochs": 1, "logging_steps": 1, "eval_steps": 2},
    },
    "evaluated once more": {"rows": 100, "arguments": _EVALUATED, "evaluate": True},
    "fine-tuning with TRL": {"trainer": "trl", "rows": 100, "arguments": _EVALUATED},
}


def run(way: str, environment: str, script: str, options: dict[str, Any], folder: Path, **env: str) -> None:
    options = {"folder": str(folder / "out"), "truth": str(folder / "truth"), **options}
    Path(options["folder"]).mkdir(exist_ok=True)
    code = WAYS[way](command(environment, script, options), folder, environ(**env))
    assert code == 0, "".join(path.read_text()[-2000:] for path in folder.glob("train.*"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", HF_RUNS)
@pytest.mark.parametrize("environment", HF)
def test_a_run_of_trainer(environment: str, scenario: str, way: str, tmp_path: Path) -> None:
    run(way, environment, "hf_trainer", HF_RUNS[scenario], tmp_path)
    check(f"{environment}, {scenario}", way, tmp_path, truth_of(tmp_path / "truth"))


@pytest.mark.parametrize("way", ["one file", "one pipe", "joined pipes"])
@pytest.mark.parametrize("environment", HF)
def test_a_run_of_trainer_that_is_not_buffered(environment: str, way: str, tmp_path: Path) -> None:
    run(way, environment, "hf_trainer", HF_RUNS["evaluation in between"], tmp_path, PYTHONUNBUFFERED="1")
    check(f"{environment}, not buffered", way, tmp_path, truth_of(tmp_path / "truth"))


@pytest.mark.parametrize("way", ["one file", "one pipe"])
@pytest.mark.parametrize("environment", HF)
def test_a_run_that_was_resumed_goes_on(environment: str, way: str, tmp_path: Path) -> None:
    arguments = {**_EVALUATED, "save_strategy": "steps", "save_steps": 20, "max_steps": 26}
    run(way, environment, "hf_trainer", {"rows": 100, "arguments": arguments}, tmp_path)
    first = truth_of(tmp_path / "truth")
    (tmp_path / "truth").unlink()
    arguments = {**arguments, "max_steps": 50}
    resume = str(tmp_path / "out" / "checkpoint-20")
    run(way, environment, "hf_trainer", {"rows": 100, "arguments": arguments, "resume": resume}, tmp_path)
    check(f"{environment}, resumed", way, tmp_path, first + truth_of(tmp_path / "truth"))


LIGHTNING_RUNS: dict[str, dict[str, Any]] = {
    "three epochs": {"batches": 5, "arguments": {"max_epochs": 3}},
    "validation after each": {"batches": 5, "validate": True, "arguments": {"max_epochs": 3}},
    "validation within": {
        "batches": 8,
        "validate": True,
        "arguments": {"max_epochs": 2, "val_check_interval": 3},
    },
    "accumulation": {"batches": 6, "arguments": {"max_epochs": 2, "accumulate_grad_batches": 2}},
    "one batch an epoch": {"batches": 1, "arguments": {"max_epochs": 4}},
}


def shown(path: Path) -> list[Any]:
    """The truth of a bar that shows every batch: each value when it is new."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        new = {"batch": "train_loss", "validation": "val_loss"}.get(line["hook"], "")
        line["values"] = {name: value for name, value in line["values"].items() if name == new}
    path.write_text("\n".join(map(json.dumps, lines)))
    return truth_of(path)


@pytest.mark.parametrize("way", ["one file", "one pipe", "joined pipes", "terminal"])
@pytest.mark.parametrize("scenario", LIGHTNING_RUNS)
@pytest.mark.parametrize("environment", LIGHTNING)
def test_the_bar_of_lightning(environment: str, scenario: str, way: str, tmp_path: Path) -> None:
    run(way, environment, "lightning_fit", {"bar": "tqdm", **LIGHTNING_RUNS[scenario]}, tmp_path)
    check(f"{environment}, {scenario}", way, tmp_path, shown(tmp_path / "truth"))


@pytest.mark.parametrize("way", ["one file", "terminal"])
@pytest.mark.parametrize("environment", LIGHTNING)
def test_the_rich_bar_of_lightning(environment: str, way: str, tmp_path: Path) -> None:
    """It is drawn some times a second: nothing that it shows is wrong, and its last state is read."""
    options = {"bar": "rich", **LIGHTNING_RUNS["validation after each"]}
    run(way, environment, "lightning_fit", options, tmp_path)
    truth = {(point.name, point.step): point.value for point in shown(tmp_path / "truth")}
    points = points_of([tmp_path / "train.log"])
    read = {(name, step): value for name, pairs in points.items() for step, value in pairs}
    assert read == {key: pytest.approx(truth[key], rel=1e-3) for key in read}
    assert {("train_loss", 15), ("val_loss", 15)} <= read.keys()


@pytest.mark.parametrize("environment", LIGHTNING)
def test_the_csv_of_lightning(environment: str, tmp_path: Path) -> None:
    options = {"bar": "tqdm", "logger": ["csv"], **LIGHTNING_RUNS["validation after each"]}
    options["arguments"] = {**options["arguments"], "log_every_n_steps": 2}
    run("one file", environment, "lightning_fit", options, tmp_path)
    (table,) = (tmp_path / "out").rglob("metrics.csv")
    assert compare(points_of([table]), truth_of(tmp_path / "truth.csv"))[1:] == ([], [])


@pytest.mark.parametrize("environment", ["transformers-4.44", "transformers-5"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("show", ["postfix", "logger"])
def test_a_loop_with_accelerate_and_tqdm(environment: str, way: str, show: str, tmp_path: Path) -> None:
    options = {"epochs": 2, "batches": 12, "accumulate": 2, "show": show}
    run(way, environment, "accelerate_loop", options, tmp_path)
    check(f"{environment}, accelerate, {show}", way, tmp_path, truth_of(tmp_path / "truth"))


KERAS_RUNS: dict[str, dict[str, Any]] = {
    "fit": {"epochs": 3, "batches": 5, "validate": True},
    "of unknown length": {"epochs": 1, "batches": 5, "unknown": True},
    "verbose=2": {"epochs": 3, "batches": 5, "validate": True, "verbose": 2},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", KERAS_RUNS)
@pytest.mark.parametrize("environment", KERAS)
def test_fit_of_keras(environment: str, scenario: str, way: str, tmp_path: Path) -> None:
    run(way, environment, "keras_fit", KERAS_RUNS[scenario], tmp_path)
    check(f"{environment}, {scenario}", way, tmp_path, truth_of(tmp_path / "truth"))
