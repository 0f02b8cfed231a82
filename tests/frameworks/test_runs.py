"""One training that prints, writes event files and logs to W&B offline is one run, however it was started.

`loss` of the log, of the event file and of W&B keep their names, and have equal values at equal iterations:
those of the files, where the log counts from 1 and the files from 0, as with Lightning and Keras.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartDaemon
from tests.frameworks.runs import command, environ, one_file

pytestmark = pytest.mark.framework


@dataclass(frozen=True)
class Setup:
    """A script with both loggers. log, tensorflow, wandb: the name of the loss there. first: what the loggers
    call the step that the log calls 1."""

    environment: str
    script: str
    options: dict[str, Any]
    log: str
    tensorflow: str
    wandb: str
    framework: str
    first: int = 1


BOTH = {"per_device_train_batch_size": 4, "num_train_epochs": 1, "logging_steps": 5}
SETUPS = {
    "Trainer": Setup(
        "transformers-5",
        "hf_trainer",
        {"rows": 100, "arguments": {**BOTH, "report_to": ["tensorboard", "wandb"]}},
        "loss",
        "train/loss",
        "train/loss",
        "huggingface",
    ),
    "Lightning": Setup(
        "lightning-2.6",
        "lightning_fit",
        {
            "bar": "tqdm",
            "logger": ["tensorboard", "wandb"],
            "batches": 5,
            "validate": True,
            "arguments": {"max_epochs": 3, "log_every_n_steps": 1},
        },
        "train_loss",
        "train_loss",
        "train_loss",
        "lightning",
        first=0,
    ),
    "Accelerate": Setup(
        "transformers-5",
        "accelerate_loop",
        {"epochs": 2, "batches": 10, "trackers": ["tensorboard", "wandb"]},
        "loss",
        "train/loss",
        "train/loss",
        "",
    ),
    "Keras": Setup(
        "keras-2",
        "keras_fit",
        {"epochs": 4, "batches": 5, "validate": True, "callbacks": ["tensorboard", "wandb"]},
        "loss",
        "train/epoch_loss",
        "epoch/loss",
        "keras",
        first=0,
    ),
}


UIDS = ["exp1", "exp2", "exp3"]


def answer(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def wait_until(ready: Any, what: str) -> Any:
    """Real files, read by a real daemon, take their time."""
    until = time.monotonic() + 60
    while not (result := ready()):
        assert time.monotonic() < until, what
        time.sleep(0.2)
    return result


def series(base: str, uid: str, source: str, name: str) -> dict[int, float]:
    path = f"/api/v1/workloads/{uid}/metrics/data?data_source={source}&metrics={name}"
    return {point["iteration"]: point["value"] for point in answer(base + path)["data"]}


def workloads(base: str) -> dict[str, Any]:
    return {workload["uid"]: workload for workload in answer(f"{base}/api/v1/workloads")["workloads"]}


def check_run(base: str, uid: str, setup: Setup, truth: Path, took_s: float) -> None:
    """The run `uid` of a daemon is what the script logged."""
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    expected = {
        line["step"] - 1 + setup.first: line["values"][setup.log]
        for line in lines
        if setup.log in line["values"]
    }
    for source in ("log", "tensorflow", "wandb"):
        name = getattr(setup, source)
        wait_until(
            lambda source=source, name=name: series(base, uid, source, name).keys() == expected.keys(),
            f"{source} has {series(base, uid, source, name)}, not {expected};"
            f" {answer(f'{base}/api/v1/workloads/{uid}/metrics/available')}",
        )
        assert series(base, uid, source, name) == pytest.approx(expected, rel=6e-3), source
    wait_until(lambda: answer(f"{base}/api/v1/workloads/{uid}")["status"] != "running", "it is still running")
    detail = answer(f"{base}/api/v1/workloads/{uid}")
    assert detail["status"] in ("finished", "ended"), detail
    if setup.framework:
        assert detail["framework"] == setup.framework
    assert 0 < detail["updated_at"] - detail["created_at"] <= (took_s + 1) * 1000, detail


def options_in(folder: Path, setup: Setup, truth: Path) -> list[str]:
    (folder / "out").mkdir(parents=True, exist_ok=True)
    return command(setup.environment, setup.script, {"folder": "out", "truth": str(truth), **setup.options})


@pytest.mark.parametrize("name", SETUPS)
def test_three_commands_of_lensd_run_in_one_folder_are_three_runs(
    name: str, tmp_path: Path, serve: StartDaemon
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    base = serve(str(project), "--db", str(tmp_path / "x.db")).base
    took: dict[str, float] = {}
    for uid in UIDS:
        options = options_in(project, SETUPS[name], tmp_path / f"{uid}.truth")
        begin = time.monotonic()
        done = subprocess.run(
            [
                *[sys.executable, "-m", "lensd", "run", "--workload", uid, "--port", base.rsplit(":", 1)[1]],
                *["--", *options],
            ],
            cwd=project,
            env=environ(XDG_DATA_HOME=str(tmp_path / "data"), PYTHONPATH=os.environ.get("PYTHONPATH", "")),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # the order of two pipes would depend on the machine
            text=True,
            timeout=300,
            check=False,
        )
        took[uid] = time.monotonic() - begin
        assert done.returncode == 0, done.stdout[-3000:]
    for uid, took_s in took.items():
        check_run(base, uid, SETUPS[name], tmp_path / f"{uid}.truth", took_s)
        assert answer(f"{base}/api/v1/workloads/{uid}")["status"] == "finished"
    assert sorted(workloads(base)) == UIDS


@pytest.mark.parametrize("name", SETUPS)
def test_beside_a_daemon_three_folders_are_three_runs(name: str, tmp_path: Path, serve: StartDaemon) -> None:
    project = tmp_path / "project"
    project.mkdir()
    base = serve(str(project), "--db", str(tmp_path / "x.db")).base
    took: dict[str, float] = {}
    for uid in UIDS:
        options = options_in(project / uid, SETUPS[name], tmp_path / f"{uid}.truth")
        begin = time.monotonic()
        assert one_file(options, project / uid, environ()) == 0
        took[uid] = time.monotonic() - begin
    for uid, took_s in took.items():
        check_run(base, uid, SETUPS[name], tmp_path / f"{uid}.truth", took_s)
    assert sorted(workloads(base)) == UIDS
