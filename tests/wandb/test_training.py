"""Real training with the real SDK and a real daemon: killed, restarted, and pushed to by the hook."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lensd.hook.install import source
from tests.conftest import ROOT, Daemon, StartDaemon
from tests.wandb.test_files import Reading

pytestmark = pytest.mark.slow  # each test trains with wandb


def start(folder: Path, script: str, python: str = sys.executable, **env: str) -> subprocess.Popen[str]:
    """A script with the SDK offline, in a process of its own."""
    settings = {
        "WANDB_MODE": "offline",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "WANDB__DISABLE_STATS": "true",
        "PYTHONUNBUFFERED": "1",
    }
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "LENSD", "PRIMUS"))
    }
    return subprocess.Popen(
        [python, "-c", textwrap.dedent(script)],
        cwd=folder, env=clean | settings | env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def the_file(folder: Path) -> Path:
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    return path


def series(daemon: Daemon, uid: str, name: str) -> list[tuple[int, float]]:
    points = daemon.get(f"/v1/workloads/{uid}/metrics/data?metrics={name}&data_source=wandb")["data"]
    return [(point["iteration"], point["value"]) for point in points]


def test_a_run_in_progress_and_killed_gives_what_was_flushed(tmp_path: Path) -> None:
    process = start(tmp_path, """
        import wandb
        run = wandb.init(project="p", config={"lr": 0.1})
        step = 0
        while True:
            for _ in range(2000):
                run.log({"loss": step, "nested": {"a": {"b": -step}}})
                step += 1
            print(step)
            input()
    """)  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    reading = Reading()
    for _ in range(3):
        process.stdout.readline()
        reading.on(the_file(tmp_path))
        process.stdin.write("\n")
        process.stdin.flush()
    process.kill()
    process.communicate()
    reading.on(the_file(tmp_path))
    steps = [step for step, _ in reading.points["loss"]]
    assert steps == list(range(len(steps))), "each row once, in order"
    assert len(steps) >= 2000
    assert reading.points["nested.a.b"] == [(step, -step) for step in steps]
    assert Reading().on(the_file(tmp_path)).points == reading.points
    assert "status" not in reading.facts


def test_ten_thousand_keys_in_one_step_and_odd_ones(tmp_path: Path) -> None:
    finish(start(tmp_path, """
        import wandb
        run = wandb.init(project="p")
        run.log({f"key {index}/é": index for index in range(10_000)})
        run.log({"a.b": 1, "a": {"b": {"c": 2}}, "x\\ny": 3, "": 4, "text": "t", "flag": True, "none": None})
        run.log({"late": 1}, step=10)
        run.log({"image": wandb.Histogram([1, 2]), "loss": float("-inf")})
        print("printed")
        run.finish(exit_code=7)
    """))  # fmt: skip
    reading = Reading().on(the_file(tmp_path))
    assert len([name for name in reading.points if name.startswith("key ")]) == 10_000
    assert reading.points["a.b"] == [(1, 1.0)]
    assert reading.points["a.b.c"] == [(1, 2.0)]
    assert reading.points["x\ny"] == [(1, 3.0)]
    assert reading.points["late"] == [(10, 1.0)]
    assert reading.points["loss"][-1][1] == float("-inf")
    assert not reading.points.keys() & {"text", "flag", "none", "image"}
    assert (reading.facts["exit_code"], reading.facts["status"]) == (7, "failed")


def test_the_hook_pushes_to_a_daemon_that_was_away_in_between(serve: StartDaemon, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    database = str(tmp_path / "x.db")
    daemon = serve(str(tmp_path / "empty"), "--db", database)
    port = daemon.base.rsplit(":", 1)[1]
    process = start(
        tmp_path,
        """
        import wandb
        run = wandb.init(project="p", config={"framework": "primus"})
        for step in range(1200):
            run.log({"loss": step / 2, "opt": {"lr": 0.1}})
            if step in (499, 799):
                print(step)
                input()
        wandb.finish()
        """,
        WORKLOAD_UID="w",
        LENSD_API_BASE_URL=f"{daemon.base}/api/v1",
        LENSD_WANDB_FLUSH_INTERVAL="0.05",
        PYTHONPATH=str(source() / "inject"),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    daemon.kill()
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    again = serve(str(tmp_path / "empty"), "--db", database, "--port", port)
    process.stdin.write("\n")
    process.stdin.flush()
    finish(process)
    flushed = subprocess.run(
        [sys.executable, "-m", "lensd", "hook", "flush", "--url", f"{again.base}/api/v1"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert flushed.returncode == 0, flushed.stderr
    assert series(again, "w", "loss") == [(step, step / 2) for step in range(1200)]
    assert len(series(again, "w", "opt.lr")) == 1200
    detected = again.get("/v1/workloads/w/framework-detection")
    assert detected["framework"] == "primus"


def test_the_hook_tells_the_labels_of_a_run_and_the_axes_of_its_metrics(
    serve: StartDaemon, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    daemon = serve(str(tmp_path / "empty"), "--db", str(tmp_path / "x.db"))
    script = """
        import wandb
        labels = {"project": "p", "group": "g", "job_type": "train", "tags": ["a,b"], "notes": "n"}
        run = wandb.init(config={"lr": 0.1}, **labels)
        run.define_metric("val/step")
        run.define_metric("val/*", step_metric="val/step")
        for step in range(4):
            run.log({"loss": step / 2, "val/acc": step / 4, "val/step": 100 * step})
        wandb.finish()
    """
    settings = {"WORKLOAD_UID": "w", "LENSD_API_BASE_URL": f"{daemon.base}/api/v1"}
    finish(start(tmp_path, script, PYTHONPATH=str(source() / "inject"), **settings))
    assert series(daemon, "w", "val/acc") == [(0, 0.0), (100, 0.25), (200, 0.5), (300, 0.75)]
    assert series(daemon, "w", "loss") == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5)]
    about = daemon.get("/v1/workloads/w")
    labels = [about[name] for name in ("project", "group", "job_type", "notes", "tags")]
    assert labels == ["p", "g", "train", "n", ["a,b"]]
    assert (about["config"]["lr"], about["facts"]["step_metric"]) == (0.1, "val/step")
    assert about["host"] == os.uname().nodename


@pytest.mark.sdk
def test_the_reference_client_is_served(serve: StartDaemon, tmp_path: Path) -> None:
    python = ROOT / ".sdks" / "primus-lens" / "bin" / "python"
    assert python.exists(), "`make test-sdks` makes this environment first"
    (tmp_path / "empty").mkdir()
    daemon = serve(str(tmp_path / "empty"), "--db", str(tmp_path / "x.db"))
    finish(
        start(
            tmp_path,
            """
            import time
            import primus_lens_wandb_exporter.wandb_hook
            import wandb
            run = wandb.init(project="p", config={"framework": "primus"})
            for step in range(30):
                wandb.log({"loss": step / 2, "odd": float("nan")}, step=step)
                time.sleep(0.2)
            wandb.finish()
            """,
            str(python),
            WORKLOAD_UID="w",
            POD_UID="pod",
            PRIMUS_LENS_API_BASE_URL=f"{daemon.base}/api/v1",
            PRIMUS_LENS_WANDB_API_REPORTING="true",
        )
    )
    losses = series(daemon, "w", "loss")
    assert losses, "some of the steps: the client loses the others"
    assert all(value == step / 2 for step, value in losses)
    assert daemon.get("/v1/workloads/w/framework-detection")["framework"] == "primus"


@pytest.mark.sdk
def test_the_file_of_every_sdk_holds_ten_thousand_steps_of_twenty_metrics(sdk: str, tmp_path: Path) -> None:
    finish(
        start(
            tmp_path,
            """
            import wandb
            run = wandb.init(project="p")
            for step in range(10_000):
                run.log({f"m{index}": step + index + 0.5 for index in range(20)})
            wandb.finish()
            """,
            sdk,
        )
    )
    reading = Reading().on(the_file(tmp_path))
    for index in range(20):
        assert reading.points[f"m{index}"] == [(step, step + index + 0.5) for step in range(10_000)]
    assert reading.facts["status"] == "finished"
