"""`lensd hook install`: into any environment, at hardly any cost, and out again without a trace."""

from __future__ import annotations

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
    return subprocess.run(
        [str(python), "-c", code], env=os.environ | environment, cwd=python.parents[2],
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
    wandb = next(each for each in sys.path if (Path(each) / "wandb").is_dir())
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


def test_the_hook_uses_what_python_3_8_has() -> None:
    """The syntax, at least; `make test-sdks` runs it with older Pythons and SDKs where there are any."""
    import ast

    folder = install.source()
    for path in (*install.files(folder), *(folder / "inject").glob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level or not (node.module or "").startswith("lensd"), path
