"""The adapter in CONTRIBUTING works: installed by pip elsewhere it is found, held to the contract, served."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.conftest import ROOT, Daemon, start_daemon

FILES = re.compile(r"<!-- adapter: (\S+) -->\n```\w+\n(.*?)```", re.S)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scratch environment with the example installed, beside the packages that this one has."""
    place = tmp_path_factory.mktemp("scratch")
    package = place / "tally"
    package.mkdir()
    files = dict(FILES.findall((ROOT / "CONTRIBUTING.md").read_text()))
    assert set(files) == {"pyproject.toml", "lensd_tally.py", "test_tally.py"}
    for name, text in files.items():
        (package / name).write_text(text)
    venv.create(place / "env", with_pip=False)
    python = place / "env" / "bin" / "python"
    (site,) = (place / "env").glob("lib/python*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "ours.pth").write_text("\n".join([*ours, str(ROOT), str(ROOT / "adapters")]) + "\n")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"),
            *("--disable-pip-version-check", str(package)),
        ],
        check=True,
    )
    return python


def test_the_example_is_forty_lines() -> None:
    code = dict(FILES.findall((ROOT / "CONTRIBUTING.md").read_text()))["lensd_tally.py"]
    assert len([line for line in code.splitlines() if line]) <= 42


def test_it_holds_the_contract(environment: Path, tmp_path: Path) -> None:
    tests = environment.parents[2] / "tally" / "test_tally.py"
    done = subprocess.run(
        [str(environment), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(tests)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_points_are_served(environment: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "exp1"
    run.mkdir(parents=True)
    (run / "a.tally").write_text("1 loss 0.5\n2 loss 0.25\nnonsense\n3 loss 0.1")
    daemon: Daemon = start_daemon(
        *("--once", str(tmp_path / "runs"), "--db", str(tmp_path / "x.db")), python=str(environment)
    )
    try:
        answer = daemon.get("/api/v1/workloads/exp1/metrics/data?data_source=tally")
        assert [(p["iteration"], p["value"]) for p in answer["data"]] == [(1, 0.5), (2, 0.25)]
    finally:
        assert daemon.stop() == 0
