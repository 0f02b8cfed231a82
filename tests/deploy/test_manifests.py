"""The files under deploy/: valid by Kubernetes' own schemas, and true to the options that lensd has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from lensd import __version__
from lensd.config import load
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def documents(path: Path) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(path.read_text())


def containers(path: Path) -> list[dict[str, Any]]:
    spec = next(documents(path))["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("version", ["1.31", "1.34"])
def test_kubernetes_accepts_it(path: Path, version: str) -> None:
    for document in documents(path):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_wrong_one_is_noticed() -> None:
    document = next(documents(DEPLOY / "kubernetes" / "sidecar.yaml"))
    document["spec"]["template"]["spec"]["contaners"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, "1.31", strict=True)


@pytest.mark.parametrize("name", ["native-sidecar", "sidecar"])
def test_the_daemon_has_no_rights_and_the_options_exist(name: str, tmp_path: Path) -> None:
    (lensd,) = [c for c in containers(DEPLOY / "kubernetes" / f"{name}.yaml") if c["name"] == "lensd"]
    security = lensd["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert security["runAsNonRoot"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert lensd["image"] == f"lensd:{__version__}"
    assert {mount["name"] for mount in lensd["volumeMounts"] if mount.get("readOnly")} == {"runs", "token"}
    environment = {entry["name"]: entry.get("value", "exp1") for entry in lensd["env"]}
    (tmp_path / "token").write_text("secret\n")
    environment["LENSD_TOKEN_FILE"] = str(tmp_path / "token")
    options = load(None, environment, {})
    assert options.token == "secret"
    assert options.workload == "exp1"
    assert name == "native-sidecar" or options.exit_with == "/runs/done"
    assert environment.keys() <= _known_variables()


def test_compose_is_for_this_machine_alone() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["lensd"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["image"] == f"lensd:{__version__}"
    assert load(None, service["environment"], {}).insecure
    assert service["environment"].keys() <= _known_variables()


def _known_variables() -> set[str]:
    documented = (ROOT / "docs" / "configuration.md").read_text()
    names = set(re.findall(r"`(LENSD_\w+|WORKLOAD_UID)`", documented))
    return names | {f"{name}_FILE" for name in names if name.endswith("TOKEN")}
