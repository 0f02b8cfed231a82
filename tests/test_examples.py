"""The example of an adapter: installed by pip elsewhere, it is found, holds the contract, and is served."""

from __future__ import annotations

import ast
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.conftest import ROOT, StartDaemon

EXAMPLE = ROOT / "examples" / "lensd_mything"

# One process runs all of these tests, so that the environment is made once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("examples")]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of a new environment that has the example installed, and sees the packages of this one."""
    environment = tmp_path_factory.mktemp("example") / "env"
    venv.create(environment, with_pip=False)
    (site,) = environment.glob("lib/python*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "ours.pth").write_text("\n".join([*ours, str(ROOT), str(ROOT / "adapters")]) + "\n")
    python = str(environment / "bin" / "python")
    # No build isolation and no index: pip downloads nothing.
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check"),
            *("install", "--no-deps", "--no-index", "--no-build-isolation", str(EXAMPLE)),
        ],
        check=True,
    )
    return python


def test_the_example_is_forty_lines() -> None:
    tree = ast.parse((EXAMPLE / "lensd_mything" / "__init__.py").read_text())
    code = ast.unparse(tree).splitlines()  # without comments
    assert len([line for line in code if line and not line.strip().startswith('"""')]) <= 42


def test_it_holds_the_contract(python: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"),
            str(EXAMPLE / "test_mything.py"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_points_are_served(python: str, tmp_path: Path, serve: StartDaemon) -> None:
    run = tmp_path / "runs" / "exp1"
    run.mkdir(parents=True)
    (run / "a.mything").write_text("1 loss 0.5\n2 loss 0.25\nnonsense\n3 loss 0.1")
    daemon = serve("--once", str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), python=python)
    answer = daemon.get("/api/v1/workloads/exp1/metrics/data?data_source=mything")
    assert [(point["iteration"], point["value"]) for point in answer["data"]] == [(1, 0.5), (2, 0.25)]
    assert daemon.stop() == 0
