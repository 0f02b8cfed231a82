"""`wandb.Api()` reads from lensd what the SDK reported to it, and other runs as well."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lensd.hook.masking import MASK
from tests.conftest import DATA, Daemon, start_daemon
from tests.wandb.test_online import train

pytestmark = pytest.mark.slow  # each test trains with wandb


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all tests; it has two runs of event files and logs, and each test adds one of its own."""
    place = tmp_path_factory.mktemp("reading")
    (place / "watched").mkdir()
    runs = [str(DATA / "runs" / name) for name in ("torch-mlp-1", "lightning-1")]
    ingest = [sys.executable, "-m", "lensd", "ingest", *runs, "--db", str(place / "x.db")]
    subprocess.run(ingest, check=True, capture_output=True)
    daemon = start_daemon(str(place / "watched"), "--db", str(place / "x.db"))
    yield daemon
    daemon.stop()


def read(daemon: Daemon, folder: Path, script: str, python: str = sys.executable) -> Any:
    """What a script prints as JSON, in which `api` is a wandb.Api and `show` prints."""
    lines = [
        "import json, wandb",
        "api = wandb.Api()",
        "show = lambda value: print('shown:' + json.dumps(value))",
        *script.splitlines(),
    ]
    output = train(daemon, folder, "\n".join(line.strip() for line in lines), python)
    return json.loads(output.partition("shown:")[2].splitlines()[0])


def write(daemon: Daemon, folder: Path, run_id: str, steps: int, python: str = sys.executable) -> None:
    train(daemon, folder, f"""
        import wandb
        config = {{"lr": 0.1, "n": [1, 2], "api_key": "hunter2"}}
        run = wandb.init(project="p", id="{run_id}", name="first", tags=["x"], config=config)
        for step in range({steps}):
            few = {{"few": step}} if step % 10 == 0 else {{}}
            run.log({{f"m{{i}}": step / (i + 7) for i in range(20)}} | few)
        run.summary["best"] = 0.5
        wandb.finish()
    """, python)  # fmt: skip


def expected(steps: int) -> list[dict[str, float]]:
    return [
        {"_step": step, **{f"m{i}": step / (i + 7) for i in range(20)}}
        | ({"few": step} if step % 10 == 0 else {})
        for step in range(steps)
    ]


def test_a_run_comes_back_as_it_was_logged(daemon: Daemon, tmp_path: Path) -> None:
    write(daemon, tmp_path, "back", 1500)
    scanned, sampled, of_one, run = read(daemon, tmp_path, """
        run = api.run("lensd/p/back")
        about = [run.id, run.name, run.state, run.tags, run.config, run.summary["best"], run.lastHistoryStep]
        show([list(run.scan_history()), run.history(pandas=False, samples=200),
              run.history(pandas=False, keys=["few"], samples=1000), about])
    """)  # fmt: skip
    rows = expected(1500)
    assert scanned == rows
    assert len(sampled) == 200
    assert all(row in rows for row in sampled)
    assert of_one == [{"_step": step, "few": step} for step in range(0, 1500, 10)]
    config = {"lr": 0.1, "n": [1, 2], "api_key": MASK}
    assert run == ["back", "first", "finished", ["x"], config, 0.5, 1499]


def test_every_run_can_be_read(daemon: Daemon, tmp_path: Path) -> None:
    uids, keys = read(daemon, tmp_path, """
        runs = list(api.runs("lensd/anything", per_page=1))
        rows = list(api.run("lensd/anything/torch-mlp-1").scan_history())
        show([sorted(run.id for run in runs), sorted(set().union(*rows))])
    """)  # fmt: skip
    assert {"lightning-1", "torch-mlp-1"} <= set(uids)
    assert "_step" in keys
    assert any("loss" in key for key in keys)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ('api.run("lensd/p/nobody")', "Could not find run"),
        ('list(api.runs("lensd/p", filters={"config.lr": 0.1}))', "lensd does not filter runs"),
    ],
)
def test_what_cannot_be_read_is_said(daemon: Daemon, tmp_path: Path, script: str, sentence: str) -> None:
    said = read(daemon, tmp_path, f"""
        try: {script}
        except Exception as error: show(str(error))
    """)  # fmt: skip
    assert sentence in said


@pytest.mark.sdk
def test_every_sdk_reads_ten_thousand_steps_of_twenty_metrics(
    sdk: str, daemon: Daemon, tmp_path: Path
) -> None:
    run_id = "read-" + Path(sdk).parents[1].name
    write(daemon, tmp_path, run_id, 10_000, sdk)
    rows = read(daemon, tmp_path, f"""
        show(list(api.run("lensd/p/{run_id}").scan_history()))
    """, sdk)  # fmt: skip
    for row in rows:
        for name in ("_timestamp", "_runtime"):
            row.pop(name, None)
    assert rows == expected(10_000)
