"""Archives as paths of `lensd report` and `lensd ingest`."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lensd.cli import main
from lensd.tail.archives import ArchiveError, archive_stem, is_archive, unpack
from tests.conftest import DATA

RUN = DATA / "runs" / "torch-mlp-1"
PLENTY = 1 << 30


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def lensd(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def pack(tmp_path: Path, suffix: str) -> Path:
    path = tmp_path / f"runs{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in RUN.rglob("*"):
                archive.write(file, f"torch-mlp-1/{file.relative_to(RUN)}")
        return path
    packing = {".tar": "", ".tgz": "gz"}.get(suffix, suffix.rpartition(".")[2])
    with tarfile.open(path, f"w:{packing}") as tar:  # type: ignore[call-overload]
        tar.add(RUN, "./torch-mlp-1")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip"])
def test_an_archive_is_read_like_its_folder(tmp_path: Path, data_home: Path, suffix: str) -> None:
    result = lensd("report", str(pack(tmp_path, suffix)), "--format", "json")
    assert result.exit_code == 0, result.output
    (packed,) = json.loads(result.stdout)["runs"]
    runs = json.loads(
        lensd("report", str(RUN.parent), "--workload", "torch-mlp-1", "--format", "json").stdout
    )
    assert packed["metrics"] == runs["runs"][0]["metrics"]
    assert packed["log_tail"] == runs["runs"][0]["log_tail"]
    left = [path.suffix for path in (data_home / "lensd" / "unpacked").iterdir()]
    assert left == [".lock"]


def test_a_second_reading_adds_nothing(tmp_path: Path) -> None:
    archive, database = str(pack(tmp_path, ".tar.gz")), str(tmp_path / "x.db")
    first = lensd("ingest", archive, "--db", database)
    assert first.exit_code == 0, first.output
    exported = lensd("export", "--db", database, "--workload", "torch-mlp-1", "--format", "csv").output
    assert lensd("ingest", archive, "--db", database).exit_code == 0
    assert (
        lensd("export", "--db", database, "--workload", "torch-mlp-1", "--format", "csv").output == exported
    )
    assert exported.count("\n") > 1000


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    path, folder = tmp_path / "bad.tar", tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    with tarfile.open(path, "w") as tar:
        for name in ("../escaped.log", "/tmp/escaped.log", "a/../../escaped.log", "ok/train.log"):
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"x=1\n"))
        link = tarfile.TarInfo("ok/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
        behind = tarfile.TarInfo("ok/link/passwd.log")
        behind.size = 4
        tar.addfile(behind, io.BytesIO(b"x=1\n"))
        weights = tarfile.TarInfo("ok/model.safetensors")
        weights.size = 4
        tar.addfile(weights, io.BytesIO(b"0000"))
    (sentence,) = unpack(str(path), str(folder), PLENTY)
    assert "outside of it: ../escaped.log, /tmp/escaped.log, a/../../escaped.log" in sentence
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {"bad.tar", "in/side/ok/train.log", "in/side/ok/link/passwd.log"}


def test_a_bomb_stops(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("zeros.log")
        info.size = 64 << 20
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ArchiveError, match="more than there is room for: 1048576 bytes"):
        unpack(str(path), str(tmp_path / "out"), 1 << 20)
    assert sum(file.stat().st_size for file in (tmp_path / "out").rglob("*")) <= 1 << 20


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar", ".zip"])
def test_a_torn_archive_gives_what_is_whole(tmp_path: Path, suffix: str) -> None:
    path = pack(tmp_path, suffix)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    result = lensd("report", str(path))
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if suffix == ".zip":  # its table of contents is at its end
        assert result.exit_code == 1
        assert "cannot be read" in result.output


def test_what_is_no_archive_says_so(tmp_path: Path) -> None:
    for name in ("a.tar", "a.tar.gz", "a.zip"):
        (tmp_path / name).write_bytes(b"no archive at all" * 100)
        result = lensd("report", str(tmp_path / name))
        assert result.exit_code == 1
        assert f"{name} cannot be read" in result.output


def test_names() -> None:
    assert is_archive("/x/run.TAR.GZ")
    assert not is_archive("/x/train.log.gz")
    assert archive_stem("/x/exp.1.tar.zst") == "exp.1"
