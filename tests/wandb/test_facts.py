"""What W&B knows of a run beside its values is kept: labels, configuration, command and machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lensd.hook.masking import masked_arguments
from lensd.model import Fact
from lensd.query.details import fulfils, tags_of, workload_detail
from lensd.store import Store
from lensd.wandb.about import environment_facts, facts_of_evidence
from lensd.wandb.online_run import batch_of_upsert
from lensd_wandb.adapter import WandbAdapter
from tests.conftest import DATA
from tests.reading import read_all

SCRIPT = """
import wandb
run = wandb.init(
    project="p", id="r1", name="first", group="g", job_type="train", notes="a note", tags=["a,b", "c"],
    config={"lr": 0.1, "opt": {"name": "adam"}, "api_key": "secret-1"},
)
run.log({"loss": 1.0})
run.finish()
"""


def test_secrets_in_a_command_line_are_masked_and_the_rest_is_kept() -> None:
    command = ["train.py", "--lr", "0.1", "--api-key", "abc", "--token=abc", "HF_TOKEN=abc", "--max-tokens"]
    assert masked_arguments([*command, "4096", "--url", "https://me:pw@host/x"]) == [
        "train.py", "--lr", "0.1", "--api-key", "***", "--token=***", "HF_TOKEN=***", "--max-tokens", "4096",
        "--url", "https://***@host/x",
    ]  # fmt: skip
    assert masked_arguments(["-c", "WANDB_API_KEY=abc python train.py"]) == [
        "-c",
        "WANDB_API_KEY=*** python train.py",
    ]


@pytest.mark.slow
def test_an_offline_run_tells_its_labels_and_command(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    settings = {
        "WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_DIR": str(tmp_path),
        "WANDB__DISABLE_STATS": "true",
    }  # fmt: skip
    command = [sys.executable, str(tmp_path / "train.py"), "--lr", "0.1", "--api-key", "secret-2"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | settings, cwd=tmp_path)
    store = read_all(tmp_path, WandbAdapter())
    with store.read() as reader:
        detail = workload_detail(reader, "r1")
    store.close()
    assert detail is not None
    labels = (detail.name, detail.project, detail.group, detail.job_type, detail.notes, detail.run_id)
    assert labels == ("first", "p", "g", "train", "a note", "r1")
    assert detail.tags == ["a,b", "c"]
    assert detail.config == {"lr": 0.1, "opt.name": "adam", "api_key": "***"}
    assert detail.summary == {"loss": 1.0}
    assert detail.host == os.uname().nodename
    assert "train.py --lr 0.1 --api-key" in str(detail.command)
    assert str(detail.facts["python"]).startswith("CPython 3.")
    assert "secret" not in repr(detail)


def test_the_metadata_beside_a_file_of_an_older_sdk_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "wandb" / "offline-run-20260101_000000-old"
    (folder / "files").mkdir(parents=True)
    data = (DATA / "wandb-files" / "wandb-0.16.6.wandb").read_bytes()
    (folder / "run-old.wandb").write_bytes(data)
    about = {
        "program": "train.py",
        "args": ["--password", "x"],
        "host": "node7",
        "gpu": "H100",
        "gpu_count": 8,
    }
    (folder / "files" / "wandb-metadata.json").write_text(json.dumps(about))
    store = read_all(tmp_path, WandbAdapter())
    with store.read() as reader:
        detail = workload_detail(reader, "old")
    store.close()
    assert detail is not None
    assert (detail.host, detail.command) == ("node7", "train.py --password '***'")
    assert (detail.facts["gpu"], detail.facts["gpu_count"]) == ("H100", 8)


def test_an_online_run_tells_its_labels() -> None:
    environment = {"program": "train.py", "args": ["-x"], "host": "vm", "python": "CPython 3.11.7"}
    config = {"lr": {"value": 0.1}, "_wandb": {"value": {"e": {"writer": environment}}}}
    variables = {
        "name": "r1", "displayName": "first", "project": "p", "entity": None, "groupName": "g",
        "jobType": "train", "notes": "n", "tags": ["a", "b"], "sweep": "s1", "config": json.dumps(config),
    }  # fmt: skip
    assert batch_of_upsert(None, variables).facts == {
        "status": "running", "run_id": "r1", "name": "first", "project": "p", "group": "g",
        "job_type": "train", "notes": "n", "tags": '["a", "b"]', "sweep": "s1", "config.lr": 0.1,
        "host": "vm", "python": "CPython 3.11.7", "command": "train.py -x",
    }  # fmt: skip


def test_the_evidence_of_a_reference_client_tells_the_run() -> None:
    path = DATA / "primus-capture" / "a_step_30" / "001_POST_api_v1_wandb_detection.json"
    facts = facts_of_evidence(json.loads(path.read_text())["body"]["evidence"])
    assert facts == {
        "run_id": "lcp9l11h", "project": "lens-probe", "name": "probe-1", "tags": '["a", "b"]',
        "config.framework": "primus", "config.lr": 0.001, "config.trainer": "MegatronTrainer",
        "python": "3.11.7",
    }  # fmt: skip


@pytest.mark.parametrize("evidence", [{"wandb": [], "system": 3}, {"system": {"arguments": "x"}}, {}])
def test_evidence_of_any_shape_does_no_harm(evidence: dict[str, Any]) -> None:
    assert facts_of_evidence(evidence) == {}
    assert environment_facts({"program": 3, "args": {}, "gpu_count": "many"}) == {}


@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        ("lr", "1e-1", True), ("config.lr", "0.1", True), ("lr", "0.2", False), ("opt", "adam", True),
        ("amp", "TRUE", True), ("project", "p", True), ("project", "P", False), ("tag", "a,b", True),
        ("tags", "a", False), ("width", "64", True), ("nothing", "x", False), ("lr", "", False),
    ],
)  # fmt: skip
def test_runs_are_chosen_by_what_they_are(name: str, value: str, holds: bool) -> None:
    facts: dict[str, Fact] = {
        "config.lr": 0.1, "config.opt": "adam", "config.amp": True, "hparams.width": 64, "project": "p",
        "tags": '["a,b", "c"]',
    }  # fmt: skip
    assert fulfils(facts, [(name, value)]) is holds
    assert fulfils(facts, [("project", "p"), (name, value)]) is holds


def test_tags_of_earlier_databases_are_read() -> None:
    assert tags_of({"tags": "a, b"}) == ["a", "b"]


def test_a_store_without_the_workload_has_no_detail(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "x.db"))
    with store.read() as reader:
        assert workload_detail(reader, "nobody") is None
    store.close()
