"""The wheel and the source archive hold what they should."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import lensd
from tests.conftest import ROOT

PACKAGES = ("lensd", "lensd_log", "lensd_tensorboard", "lensd_wandb", "lensd_wandb_cloud")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True)
    return folder


def sources(package: str) -> set[str]:
    """The files of a package as the wheel should name them."""
    folder = ROOT / package if package == "lensd" else ROOT / "adapters" / package
    return {
        f"{package}/{path.relative_to(folder)}"
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_every_package_with_its_types(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for package in PACKAGES:
        assert sources(package) <= names
        assert f"{package}/py.typed" in names
    assert {name.split("/")[0] for name in names} == {*PACKAGES, f"lensd-{lensd.__version__}.dist-info"}


def test_the_source_archive_has_every_tracked_file(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    top = f"lensd-{lensd.__version__}"
    with tarfile.open(path) as archive:
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("left out: not a git checkout")
    left_out = (".ci/", ".github/", ".pre-commit-config.yaml")
    tracked = {name for name in listing.stdout.splitlines() if not name.startswith(left_out)}
    assert tracked <= names
