"""The shape of the code: which module may import which, how long a file may be, how little a daemon loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCES = sorted([*(ROOT / "lensd").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")])

#: What each layer may import of lensd; a module belongs to the longest name that begins its own.
ALLOWED = {
    "lensd": set[str](),
    "lensd.model": set[str](),
    "lensd.discovery": {"lensd.model"},
    "lensd.adapter": {"lensd.model", "lensd.discovery"},
    "lensd.tail": {"lensd.model"},
    "lensd.testing": {"lensd.model", "lensd.discovery", "lensd.adapter"},
    "lensd.downsample": {"lensd.model"},
    "lensd.store": {"lensd.model"},
    "lensd.query": {"lensd.detection", "lensd.model", "lensd.downsample", "lensd.store"},
    "lensd.wandb_run": {"lensd.model", "lensd.wandb_values"},
    "lensd.detection": set[str](),
    "lensd.ingest": {"lensd.model", "lensd.store"},
    "lensd.api": {
        "lensd", "lensd.detection", "lensd.ingest", "lensd.model", "lensd.query", "lensd.store", "lensd.tail",
        "lensd.wandb_run", "lensd.wandb_values",
    },
    "lensd.registry": {"lensd.adapter"},
    "lensd.poller": {"lensd.model", "lensd.discovery", "lensd.adapter", "lensd.store"},
    "lensd.config": {"lensd.api", "lensd.poller"},
    "lensd.sources": {"lensd.adapter", "lensd.config", "lensd.poller", "lensd.registry"},
    "lensd.serve": {"lensd.api", "lensd.config", "lensd.poller", "lensd.store"},
    "lensd.doctor": {
        "lensd.adapter", "lensd.config", "lensd.discovery", "lensd.model", "lensd.registry", "lensd.sources",
    },
    "lensd.export": {"lensd.query", "lensd.store"},
    "lensd.report": {"lensd.query"},
    "lensd.cli": {
        "lensd", "lensd.config", "lensd.doctor", "lensd.export", "lensd.hook_cli", "lensd.poller",
        "lensd.query", "lensd.report", "lensd.run_cli", "lensd.serve", "lensd.sources", "lensd.store",
    },
    "lensd.hook": set[str](),  # relative imports only: it is copied into environments without lensd
    "lensd.installation": {"lensd", "lensd.hook"},
    "lensd.hook_cli": {"lensd.installation", "lensd.hook"},
    "lensd.relay": set[str](),
    "lensd.launcher": {"lensd.installation"},
    "lensd.gathering": {"lensd.discovery"},
    "lensd.run_cli": {"lensd.discovery", "lensd.gathering", "lensd.launcher", "lensd.relay"},
    "lensd.__main__": {"lensd.cli"},
    "lensd_log": {"lensd.model", "lensd.discovery", "lensd.adapter", "lensd.tail"},
    "lensd_tensorboard": {"lensd.model", "lensd.discovery", "lensd.adapter", "lensd.tail"},
    "lensd.wandb_values": {"lensd.model", "lensd.hook"},
    "lensd_wandb": {"lensd.model", "lensd.discovery", "lensd.adapter", "lensd.tail", "lensd.wandb_values"},
    "lensd_wandb_cloud": {"lensd.model", "lensd.discovery", "lensd.adapter", "lensd.wandb_values"},
}  # fmt: skip


def module_name(path: Path) -> str:
    base = ROOT / "adapters" if path.is_relative_to(ROOT / "adapters") else ROOT
    parts = path.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(module: str) -> str:
    parts = module.split(".")
    names = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next(name for name in names if name in ALLOWED and (name != "lensd" or module == "lensd"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (
                f"{node.module}.{name.name}"
                if node.module == "lensd" and name.name != "__version__"
                else node.module
                for name in node.names
            )


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_go_one_way(path: Path) -> None:
    own = layer(module_name(path))
    for name in imports(path):
        if name.split(".")[0] in ("lensd", "lensd_log", "lensd_tensorboard"):
            other = layer(name)
            assert other == own or other in ALLOWED[own], f"{own} imports {name}"
        if own.startswith("lensd_"):
            assert name.split(".")[0] not in ("aiohttp", "sqlite3", "sqlite_utils"), f"{own} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_a_file_has_one_subject(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert ast.get_docstring(ast.parse(path.read_text())), "a module says what it owns"


def test_a_daemon_loads_little() -> None:
    program = """if True:
        import sys, lensd.cli, lensd.registry
        assert len(lensd.registry.load().classes) >= 2
        print(*sorted({name.split(".")[0] for name in sys.modules}))"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {
        "pandas",
        "tensorboard",
        "tbparse",
        "wandb",
        "requests",
        "google.protobuf",
        "torch",
        "matplotlib",
    }
    assert not heavy & set(done.stdout.split())


def test_there_is_no_package_called_adapters() -> None:
    assert not (ROOT / "adapters" / "__init__.py").exists()
