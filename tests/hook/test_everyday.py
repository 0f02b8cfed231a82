"""The hook on ordinary days: its switches, its messages, who reports and as whom."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lensd.hook.interception import _identity
from lensd.hook.masking import is_secret_name, masked
from lensd.hook.settings import HookSettings, reports
from tests.conftest import needs_shared
from tests.hook.conftest import Server, Training

pytestmark = pytest.mark.slow  # each test starts training in processes of its own

TINY = "import wandb; run = wandb.init(project='p', id='abc'); run.log({'loss': 1.0}); run.finish()"


def test_the_messages_of_the_quick_start(training: Training, server: Server) -> None:
    """Literally, but for the shown address: users are told to search their logs for them."""
    out, _ = training.run(
        """
        import wandb
        run = wandb.init(project="my-project", name="my-run", config={"framework": "primus"})
        for step in range(100):
            wandb.log({"loss": 0.5, "accuracy": 0.9}, step=step)
        wandb.finish()
        """,
        PRIMUS_LENS_WANDB_DEBUG="true",
        PRIMUS_CONFIG="/config/primus.yaml",
    )
    assert out.splitlines() == [
        "[Primus Lens WandB] Installing WandB hook...",
        "[Primus Lens WandB] API reporting enabled",
        "[Primus Lens WandB] Intercepted wandb.init()",
        "[Primus Lens WandB] WandB run initialized: my-run",
        "[Primus Lens WandB] Framework detection data queued for reporting",
        "  Detected frameworks: ['primus']",
        "  Confidence: high",
        f"[Primus Lens API Reporter] Started (API: {server.url})",
        "[Primus Lens WandB] Cleaning up...",
        "[Primus Lens API Reporter] Stopped. Stats: {'detection_sent': 1, 'metrics_sent': 100, 'errors': 0}",
    ]


def test_without_the_debug_switch_it_says_nothing(training: Training) -> None:
    assert training.run(TINY) == ("", "")


@pytest.mark.parametrize("prefix", ["PRIMUS_LENS_", "LENSD_"])
@pytest.mark.parametrize("switch", ["WANDB_HOOK", "WANDB_API_REPORTING"])
def test_it_is_switched_off(prefix: str, switch: str, training: Training, server: Server) -> None:
    training.run(TINY, **{prefix + switch: "False"})
    assert not server.requests


def test_metrics_have_the_shape_of_the_reference(training: Training, server: Server) -> None:
    training.run(TINY, POD_UID="my-pod-456", POD_NAME="train-pod-0", LENSD_TOKEN="secret-token")
    (body,) = server.bodies("metrics")
    (entry,) = body["metrics"]
    assert {name: type(value) for name, value in body.items()} == {
        "source": str, "workload_uid": str, "pod_uid": str, "pod_name": str, "run_id": str, "metrics": list,
        "timestamp": float,
    }  # fmt: skip
    assert (body["workload_uid"], body["pod_uid"], body["pod_name"]) == (
        "my-workload",
        "my-pod-456",
        "train-pod-0",
    )
    assert entry == {"name": "loss", "value": 1.0, "step": 0, "timestamp": entry["timestamp"], "tags": {}}
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer secret-token"}


def test_the_detection_has_the_keys_of_the_reference(training: Training, server: Server) -> None:
    capture = needs_shared("data/primus-capture") / "a_step_30" / "001_POST_api_v1_wandb_detection.json"
    training.run(TINY)

    def shape(value: Any, depth: int = 0) -> Any:
        if not isinstance(value, dict) or depth == 2:
            return None
        return {key: shape(inner, depth + 1) for key, inner in value.items()}

    def missing(wanted: Any, sent: Any) -> list[str]:
        names = [key for key in wanted or {} if key not in (sent or {})]
        deeper = [missing(inner, sent[key]) for key, inner in (wanted or {}).items() if key in (sent or {})]
        return names + [name for some in deeper for name in some]

    (body,) = server.bodies("detection")
    theirs = json.loads(Path(capture).read_text())["body"]
    theirs["evidence"]["environment"] = None
    assert missing(shape(theirs), shape(body)) == []


@pytest.mark.parametrize(
    ("variables", "workload"),
    [
        ({"POD_NAME": "pod-7"}, "pod-7"),
        ({}, "abc"),
        ({"WORKLOAD_UID": "my-workload", "POD_NAME": "pod-7"}, "my-workload"),
        ({"WORKLOAD_UID": "my-workload", "LENSD_WORKLOAD": "ours"}, "ours"),
    ],
)
def test_a_workload_without_a_name_is_the_pod_else_the_run(
    variables: dict[str, str], workload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORKLOAD_UID", "POD_NAME", "LENSD_WORKLOAD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert _identity(SimpleNamespace(id="abc"), HookSettings.read())["workload_uid"] == workload


@pytest.mark.parametrize("variable", ["RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"])
def test_each_launcher_tells_which_rank_is_the_first(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "LENSD_WANDB_ALL_RANKS"):
        monkeypatch.delenv(name, raising=False)
    assert reports()
    monkeypatch.setenv(variable, "0")
    assert reports()
    monkeypatch.setenv(variable, "3")
    assert not reports()
    monkeypatch.setenv("LENSD_WANDB_ALL_RANKS", "true")
    assert reports()


def test_only_the_first_rank_reports(training: Training, server: Server) -> None:
    training.run(TINY, RANK="3", WORKLOAD_UID="")
    assert not server.requests
    training.run(TINY, RANK="0", WORKLOAD_UID="")
    assert [body["workload_uid"] for body in server.bodies("metrics")] == ["abc"]


def test_a_run_that_wandb_ignores_is_reported(training: Training, server: Server) -> None:
    """WANDB_MODE=disabled: nothing is recorded, the hook sees what is logged."""
    training.run(
        """
        import wandb
        run = wandb.init(project="p")
        wandb.log({"loss": 0}); run.log({"loss": 1}); wandb.log({"loss": 7}, step=7)
        """,
        WANDB_MODE="disabled",
    )
    assert server.series("loss") == {0: 0, 1: 1, 7: 7}


def test_a_module_that_was_imported_before_is_hooked(training: Training, server: Server) -> None:
    training.run(f"import wandb\nimport lensd.hook.auto\n{TINY}", PYTHONPATH="")
    assert list(server.series("loss")) == [0]


def test_both_ways_at_once_report_once(training: Training, server: Server) -> None:
    training.run(f"import lensd.hook.auto\n{TINY}")
    assert server.count == 1


def test_without_wandb_nothing_is_loaded(training: Training) -> None:
    out, _ = training.run(
        "import sys; print(*sorted(n for n in sys.modules if 'lensd' in n), 'json' in sys.modules)"
    )
    assert out == "lensd_hook False\n"


def test_a_failing_import_of_wandb_can_be_tried_again(
    training: Training, server: Server, tmp_path: Path
) -> None:
    training.run(f"""
        import os, pathlib, sys
        bad = pathlib.Path("bad/wandb"); bad.mkdir(parents=True)
        (bad / "__init__.py").write_text("raise ImportError('broken')")
        sys.path.insert(0, "bad")
        try:
            import wandb
        except ImportError:
            sys.path.remove("bad")
        {TINY}
    """)
    assert server.count == 1


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LENSD_API_BASE_URL", "PRIMUS_LENS_API_BASE_URL", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    assert HookSettings.read().base_url == "http://127.0.0.1:8080/api/v1"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert HookSettings.read().base_url == "http://primus-lens-telemetry-processor:8080/api/v1"
    monkeypatch.setenv("PRIMUS_LENS_API_BASE_URL", "http://server:9000/lens/v1/")
    assert HookSettings.read().base_url == "http://server:9000/lens/v1"
    monkeypatch.setenv("LENSD_API_BASE_URL", "server:9000")
    assert HookSettings.read().base_url == "http://server:9000/api/v1"


@pytest.mark.parametrize("name", "api_key apiKey API-KEY secret client_secret password hf_token authToken aws.secret_access_key wandb_api_key token credentials".split())  # fmt: skip  # noqa: E501 - a list of words
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", "tokenizer num_tokens_seen author key_dim monkey pad_token eos_token secretary bypass keys passes".split())  # fmt: skip  # noqa: E501 - a list of words
def test_names_of_no_secrets(name: str) -> None:
    assert name == "num_tokens_seen" or not is_secret_name(name)
    assert masked({name: 3}) == {name: 3}


def test_a_configuration_of_any_shape_is_masked_in_bounds() -> None:
    deep: dict[str, Any] = {}
    deep["self"] = deep
    config = masked({"deep": deep, "wide": {str(i): i for i in range(5000)}, "long": "x" * 10_000, 7: {1, 2}})
    assert len(json.dumps(config)) < 50_000
    assert config["7"] == [1, 2]
