"""The shape of the code: which module may import which, how long a file may be, how little a daemon loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCES = sorted([*(ROOT / "lensd").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")])

#: From the ground up: what stands in a row may import what stands in the rows before it, and itself.
LAYERS = (
    # platform: the store, the API and `lensd run` each need something that only some systems have.
    ("lensd", "lensd.model", "lensd.config", "lensd.platform", "lensd.hook"),
    ("lensd.discovery", "lensd.store", "lensd.tail", "lensd.wandb"),
    ("lensd.adapter", "lensd.query", "lensd.run", "lensd.run_folders"),
    ("lensd.testing", "lensd_log", "lensd_tensorboard", "lensd_wandb", "lensd_wandb_cloud", "lensd.ingest"),
    ("lensd.api", "lensd.report"),
    ("lensd.serve",),
    ("lensd.cli",),
    ("lensd.__main__",),
)

ADAPTERS = ("lensd_log", "lensd_tensorboard", "lensd_wandb", "lensd_wandb_cloud")
NOT_FOR_ADAPTERS = {
    "lensd.config",
    "lensd.store",
    "lensd.query",
    "lensd.run",
    "lensd.hook",
    "aiohttp",
    "sqlite3",
    "sqlite_utils",
}

#: What may not be imported although it stands in a lower row.
NEVER = {
    "lensd.hook": {
        "lensd.model",
        "lensd.config",
        "lensd.platform",
    },  # copied into environments without lensd: relative imports only
    "lensd.store": {"lensd.hook"},
    "lensd.tail": {"lensd.hook"},
    "lensd.api": {"lensd.adapter", "lensd.discovery", "lensd.run", "lensd.hook", "lensd.testing"},
    **dict.fromkeys(ADAPTERS, NOT_FOR_ADAPTERS),
}
HEAVY = ("pandas", "tensorboard", "tbparse", "wandb", "requests", "torch", "matplotlib", "google.protobuf")
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}


def module_name(path: Path) -> str:
    base = ROOT / "adapters" if path.is_relative_to(ROOT / "adapters") else ROOT
    parts = path.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in SOURCES}


def layer(module: str) -> str | None:
    """The longest name of a layer that begins the module's; None for what is not ours."""
    parts = module.split(".")
    names = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((name for name in names if name in RANK and (name != "lensd" or module == "lensd")), None)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (
                f"{node.module}.{name.name}"
                if node.module == "lensd" and name.name != "__version__"
                else node.module
                for name in node.names
            )


def package(module: str) -> str:
    """The folder of a module within lensd or an adapter; the module itself where there is none."""
    parts = module.split(".")
    return ".".join(parts[:2]) if len(parts) > 2 else module


def imported_modules(path: Path) -> set[str]:
    """The modules of ours that one imports anywhere in it."""
    own = module_name(path)
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = own.split(".")[: -node.level + (path.stem == "__init__") or None] if node.level else []
            module = ".".join([*parts, *([node.module] if node.module else [])])
            names.update(
                f"{module}.{name.name}" if f"{module}.{name.name}" in MODULES else module
                for name in node.names
            )
    return names & MODULES - {own}


def test_no_module_or_package_is_imported_by_what_it_imports() -> None:
    graph = {module_name(path): imported_modules(path) for path in SOURCES}
    assert "lensd.hook.channel" in graph["lensd.hook.reporter"], "relative imports count"
    assert sum(map(len, graph.values())) > 500
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules of a circle
    packages: dict[str, set[str]] = {}
    for name, imported in graph.items():
        packages.setdefault(package(name), set()).update(map(package, imported - {name}))
    TopologicalSorter({name: imported - {name} for name, imported in packages.items()}).prepare()


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_go_one_way(path: Path) -> None:
    own = layer(module_name(path))
    assert own, "every module belongs to a layer"
    for name in imports(path):
        other = layer(name)
        never = NEVER.get(own, set())
        assert name.split(".")[0] not in never, f"{own} imports {name}"
        assert other not in never, f"{own} imports {name}"
        if name.split(".")[0] in ("lensd", *ADAPTERS):
            assert other, f"{name} belongs to no layer"
        if other and other != own:
            assert RANK[other] < RANK[own], f"{own} imports {name}"


#: Who asks the store through its methods alone.
OUTSIDE_THE_STORE = ("lensd.query", "lensd.api", *ADAPTERS)
SQL = re.compile(
    r"\s*(SELECT\b.*\bFROM|INSERT\b.*\bINTO|REPLACE\s+INTO|UPDATE\b.*\bSET|DELETE\s+FROM|WITH\b.*\bAS\s*\("
    r"|CREATE\s+(TABLE|INDEX)|DROP\s+|PRAGMA\s)",
    re.IGNORECASE | re.DOTALL,
)


def strings(tree: ast.AST) -> Iterator[str]:
    """The string constants of a module; formatted ones with `x` in place of each value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else "x" for v in node.values)


def private_attributes(tree: ast.AST) -> Iterator[str]:
    """Private attributes of a reader or a store that a module uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match(r"_(?!_)", node.attr):
            owner = ast.unparse(node.value)
            if re.search(r"\b_?(reader|store)$", owner, re.IGNORECASE):
                yield f"{owner}.{node.attr}"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_sql_is_for_the_store_alone(path: Path) -> None:
    if module_name(path).startswith(OUTSIDE_THE_STORE):
        tree = tree_of(path)
        assert [text for text in strings(tree) if SQL.match(text)] == []
        assert list(private_attributes(tree)) == []


def test_sql_and_private_attributes_would_be_found() -> None:
    tree = ast.parse(
        "reader._db.execute(f'SELECT {x} FROM input'); self._reader._db.execute('DELETE FROM a')"
    )
    assert len([text for text in strings(tree) if SQL.match(text)]) == 2
    assert sorted(private_attributes(tree)) == ["reader._db", "self._reader._db"]


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_a_file_has_one_subject(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert ast.get_docstring(tree_of(path)), "a module says what it owns"


def test_files_of_tests_and_of_the_page_are_as_short() -> None:
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "web" / "src").rglob("*.ts*")]
    assert [path for path in files if len(path.read_text().splitlines()) > 400] == []


def test_one_class_name_has_one_meaning() -> None:
    places: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(module_name(path))
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def test_a_daemon_loads_little() -> None:
    program = """if True:
        import sys, lensd.cli.commands, lensd.ingest.registry
        assert len(lensd.ingest.registry.load().classes) >= 2
        print(*sys.modules)"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "aiohttp" not in loaded, "only `lensd serve` needs it"
    for heavy in HEAVY:
        assert not [name for name in loaded if name == heavy or name.startswith(f"{heavy}.")]


def test_there_is_no_package_called_adapters() -> None:
    assert not (ROOT / "adapters" / "__init__.py").exists()
