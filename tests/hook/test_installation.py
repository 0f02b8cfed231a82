"""`lensd hook install`: into any environment, at hardly any cost, and out again without a trace."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lensd
from lensd.hook import install
from tests.cli.test_cli import lensd as command
from tests.hook.conftest import Server

pytestmark = pytest.mark.slow  # each test starts training in processes of its own


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The Python of an environment that has neither lensd nor pip."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    return tmp_path / "env" / "bin" / "python"


def contents(python: Path) -> set[str]:
    folder = python.parents[1]
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def run(python: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(python), "-c", code], env=own | environment, cwd=python.parents[2],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def hook(action: str, python: Path) -> str:
    done = command("hook", action, "--python", str(python))
    assert done.returncode == 0 or action == "status", done.stderr
    return done.stdout


def test_it_leaves_nothing(python: Path) -> None:
    before = contents(python)
    hook("install", python)
    assert contents(python) > before
    assert run(python, "print(1)").stdout == "1\n"
    assert "removed" in hook("uninstall", python)
    assert contents(python) == before
    assert "not installed" in hook("uninstall", python)


def test_training_there_reports(python: Path, server: Server) -> None:
    """The environment has wandb (lent from ours) and no lensd."""
    hook("install", python)
    wandb = next(folder for folder in sys.path if (Path(folder) / "wandb").is_dir())
    script = (
        "import sys; sys.path.append(sys.argv[1]); import wandb; wandb.init(project='p').log({'loss': 1.0})"
    )
    done = subprocess.run(
        [str(python), "-c", script, wandb],
        env=os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "LENSD_API_BASE_URL": server.url},
        cwd=python.parents[2], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert server.series("loss") == {0: 1.0}
    assert server.bodies("detection")[0]["evidence"]["system"]["python_executable"] == str(python)


def test_status_tells(python: Path, server: Server) -> None:
    assert f"not installed for {python}" in hook("status", python)
    hook("install", python)
    folder = install.environment(str(python)).installed()
    assert folder is not None
    assert f"installed in {folder}\n" in hook("status", python)
    (folder / "lensd_hook" / "values.py").write_text("")
    assert "run `lensd hook install` again" in hook("status", python)
    hook("install", python)
    assert f"installed in {folder}\n" in hook("status", python)


def test_a_pth_that_was_left_alone_says_nothing(python: Path) -> None:
    """The reference left its `.pth` behind, and every Python printed a traceback from then on."""
    hook("install", python)
    folder = install.environment(str(python)).installed()
    assert folder is not None
    for path in (folder / "lensd_hook").rglob("*.py*"):
        path.unlink()
    done = run(python, "print(1)")
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_one_small_module_is_all_that_other_programs_load(python: Path) -> None:
    hook("install", python)
    done = run(python, "import sys; print([name for name in sys.modules if 'lensd' in name])")
    assert done.stdout == "['lensd_hook']\n"


def test_uninstalling_lensd_takes_the_hook_along(python: Path) -> None:
    """Where lensd is installed in the same environment its RECORD names the files, and pip removes them."""
    folder = install.environment(str(python)).folders[0]
    record = folder / f"lensd-{lensd.__version__}.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text("lensd/__init__.py,,\n")
    hook("install", python)
    named = [line.split(",") for line in record.read_text().splitlines()]
    assert {path for path, *_ in named if (folder / path).exists()} == {
        str(path.relative_to(folder))
        for path in (folder / "lensd_hook.pth", *(folder / "lensd_hook").glob("*.py"))
    }
    hook("install", python)
    assert len(record.read_text().splitlines()) == len(named), "each once"
    hook("uninstall", python)
    assert record.read_text() == "lensd/__init__.py,,\n"


def test_a_python_that_is_none() -> None:
    done = command("hook", "install", "--python", "/bin/false")
    assert done.returncode == 2
    assert done.stderr.startswith("lensd: /bin/false cannot be asked")
    assert len(done.stderr.splitlines()) == 1


def test_the_copied_hook_has_the_syntax_of_python_3_8() -> None:
    folder = install.source()
    for path in (*install.files(folder), *(folder / "inject").glob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level or not (node.module or "").startswith("lensd"), path


#: As much of the SDK as the hook touches: the real one of today needs a newer Python.
FAKE_WANDB = """
import sys, types
class Run:
    id, name, project, config, _starting_step = "abc", "n", "p", {"lr": 0.1}, 0
    def log(self, data, step=None, commit=None): self._log(data, step, commit)
    def _log(self, data, step=None, commit=None): pass
    def finish(self): pass
sdk = types.ModuleType("wandb.sdk.wandb_run")
sdk.Run = Run
sys.modules["wandb.sdk.wandb_run"] = sdk
def init(): return Run()
def log(data): pass
"""


@pytest.fixture
def python_3_8(tmp_path: Path) -> Path:
    """The Python of an environment of Python 3.8, made with one that pyenv has installed."""
    installed = sorted(Path.home().glob(".pyenv/versions/3.8.*/bin/python"))
    if not installed:
        pytest.skip("pyenv has no Python 3.8 on this machine")
    subprocess.run([installed[-1], "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    return tmp_path / "env" / "bin" / "python"


def test_the_copied_hook_reports_from_python_3_8(python_3_8: Path, server: Server) -> None:
    hook("install", python_3_8)
    (python_3_8.parents[2] / "wandb.py").write_text(FAKE_WANDB)
    modules = [path.stem for path in install.files(install.source()) if path.stem != "__init__"]
    script = (
        "import importlib, wandb; run = wandb.init(); run.log({'loss': 0.5}); run.log({'loss': 0.25});"
        f" [importlib.import_module('lensd_hook.' + name) for name in {modules}]; run.finish()"
    )
    done = run(python_3_8, script, LENSD_API_BASE_URL=server.url)
    assert (done.stdout, done.stderr) == ("", "")
    assert server.series("loss") == {0: 0.5, 1: 0.25}
    system = server.bodies("detection")[0]["evidence"]["system"]
    assert system["python_version"].startswith("3.8.")


def test_nothing_of_the_copied_hook_is_left_uncompiled_by_python_3_8(python_3_8: Path) -> None:
    hook("install", python_3_8)
    folder = install.environment(str(python_3_8)).installed()
    assert folder is not None
    compiled = {path.name.split(".")[0] for path in (folder / "lensd_hook" / "__pycache__").glob("*.pyc")}
    assert compiled == {path.stem for path in install.files(install.source())}
