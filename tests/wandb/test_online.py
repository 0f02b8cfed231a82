"""lensd as the server that the real wandb client talks to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Daemon, start_daemon

pytestmark = pytest.mark.slow  # each test trains with wandb

KEY = "lensd" + "0" * 35


def train(daemon: Daemon, folder: Path, script: str, python: str = sys.executable, **env: str) -> str:
    """Run a script whose wandb is online, with this daemon for a server; what it printed."""
    settings = {
        "WANDB_BASE_URL": daemon.base,
        "WANDB_API_KEY": KEY,
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_CONFIG_DIR": str(folder / "config"),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB__DISABLE_STATS": "true",
        "PYTHONWARNINGS": "ignore",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "LENSD"))}
    done = subprocess.run(
        [python, "-c", textwrap.dedent(script)],
        cwd=folder, env=clean | settings | env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def series(daemon: Daemon, uid: str, name: str) -> list[tuple[int, float]]:
    points = daemon.get(f"/v1/workloads/{uid}/metrics/data?metrics={name}&data_source=wandb")["data"]
    return [(point["iteration"], point["value"]) for point in points]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all tests; each has runs of its own."""
    place = tmp_path_factory.mktemp("online")
    (place / "watched").mkdir()
    daemon = start_daemon(str(place / "watched"), "--db", str(place / "x.db"))
    yield daemon
    daemon.stop()


def listed(daemon: Daemon, uid: str) -> Any:
    (workload,) = (w for w in daemon.get("/v1/workloads")["workloads"] if w["uid"] == uid)
    return workload


def test_an_untouched_script_is_served(daemon: Daemon, tmp_path: Path) -> None:
    output = train(daemon, tmp_path, """
        import wandb
        run = wandb.init(project="p", id="r1", name="first", config={"lr": 0.1, "api_key": "secret"})
        for step in range(300):
            run.log({"loss": 1 / (step + 1), "opt": {"lr": 0.1}, "odd": float("nan")})
        run.log({"image": wandb.Histogram([1, 2, 3]), "last": float("inf")})
        print("hello from training")
        run.summary["best"] = 0.5
        wandb.finish()
    """)  # fmt: skip
    assert f"{daemon.base}/lensd/p/runs/r1" in output
    assert series(daemon, "r1", "loss") == [(step, 1 / (step + 1)) for step in range(300)]
    assert len(series(daemon, "r1", "opt.lr")) == 300
    assert series(daemon, "r1", "odd") == []
    workload = listed(daemon, "r1")
    assert (workload["name"], workload["status"]) == ("first", "finished")
    about = daemon.get("/api/runs/r1")
    assert about["summary"]["best"] == 0.5
    assert "secret" not in json.dumps(about)


def test_the_address_may_name_the_workload(daemon: Daemon, tmp_path: Path) -> None:
    output = train(daemon, tmp_path, """
        import wandb
        run = wandb.init(project="p", id="named")
        run.log({"loss": 0.5})
        wandb.finish()
    """, WANDB_BASE_URL=f"{daemon.base}/for/exp%207")  # fmt: skip
    assert "/for/exp%207/lensd/p/runs/named" in output
    assert series(daemon, "exp%207", "loss") == [(0, 0.5)]


def test_a_run_that_is_resumed_goes_on(daemon: Daemon, tmp_path: Path) -> None:
    script = """
        import wandb
        run = wandb.init(project="p", id="resumed", resume="{resume}")
        for number in range(100):
            run.log({{"loss": number}})
        wandb.finish()
    """
    train(daemon, tmp_path, script.format(resume="allow"))
    train(daemon, tmp_path, script.format(resume="must"))
    assert series(daemon, "resumed", "loss") == [(step, step % 100) for step in range(200)]


def test_axes_labels_and_the_command_arrive(daemon: Daemon, tmp_path: Path) -> None:
    train(daemon, tmp_path, """
        import wandb
        labels = {"group": "g", "job_type": "train", "tags": ["a,b"], "notes": "n"}
        run = wandb.init(project="p", id="r1", **labels)
        run.define_metric("*", step_metric="train/global_step", step_sync=True)
        for step in (10, 20, 30):
            run.log({"train/loss": 1 / step, "train/global_step": step})
            run.log({"eval/loss": 2 / step, "train/global_step": step})
        wandb.finish()
    """)  # fmt: skip
    assert series(daemon, "r1", "train/loss") == [(10, 1 / 10), (20, 1 / 20), (30, 1 / 30)]
    assert series(daemon, "r1", "eval/loss") == [(10, 2 / 10), (20, 2 / 20), (30, 2 / 30)]
    about = daemon.get("/v1/workloads/r1")
    labels = [about[name] for name in ("group", "job_type", "notes", "tags", "run_id", "host")]
    assert labels == ["g", "train", "n", ["a,b"], "r1", os.uname().nodename]
    assert about["facts"]["python"].startswith("CPython 3.")


def test_a_script_that_fails_is_reported_as_failed(daemon: Daemon, tmp_path: Path) -> None:
    train(daemon, tmp_path, """
        import wandb
        run = wandb.init(project="p", id="fails")
        run.log({"loss": 1})
        run.finish(exit_code=3)
    """)  # fmt: skip
    assert listed(daemon, "fails")["status"] == "failed"


def test_what_lensd_does_not_keep_harms_nobody(daemon: Daemon, tmp_path: Path) -> None:
    train(daemon, tmp_path, """
        import wandb
        run = wandb.init(project="p", id="rest")
        run.log({"table": wandb.Table(columns=["a"], data=[[1]]), "loss": 0.5})
        artifact = wandb.Artifact("name", type="model")
        with artifact.new_file("x.txt") as file:
            file.write("x")
        run.log_artifact(artifact)
        run.alert("title", "text")
        wandb.finish()
    """)  # fmt: skip
    assert series(daemon, "rest", "loss") == [(0, 0.5)]


@pytest.mark.sdk
def test_every_sdk_delivers_ten_thousand_steps_of_twenty_metrics(
    sdk: str, daemon: Daemon, tmp_path: Path
) -> None:
    run_id = Path(sdk).parents[1].name
    train(daemon, tmp_path, f"""
        import wandb
        run = wandb.init(project="p", id="{run_id}")
        for step in range(10_000):
            run.log({{f"m{{index}}": step + index + 0.5 for index in range(20)}})
        wandb.finish()
    """, python=sdk)  # fmt: skip
    for index in range(20):
        assert series(daemon, run_id, f"m{index}") == [(step, step + index + 0.5) for step in range(10_000)]
