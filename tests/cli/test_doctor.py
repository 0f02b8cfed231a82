"""`lensd doctor`: the truth about one file, in a screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lensd.cli.main import main
from tests.conftest import DATA, needs_shared

SCREEN = 45


def doctor(*arguments: str) -> Result:
    """`lensd doctor` within this process: starting a Python for each file would take most of the time."""
    return CliRunner().invoke(main, ["doctor", *arguments], catch_exceptions=False)


def test_a_log_that_is_understood() -> None:
    result = doctor(str(DATA / "runs" / "torch-mlp-1" / "train.log"))
    assert result.exit_code == 0
    for text in ("points of", " parsed, ", "log format structure", "printed in the record", "loss"):
        assert text in result.stdout
    assert len(result.stdout.splitlines()) < SCREEN


def test_an_event_file() -> None:
    (path,) = (DATA / "runs" / "torch-mlp-1").rglob("*tfevents*")
    result = doctor(str(path))
    assert "adapter tensorboard" in result.stdout
    assert "points of" in result.stdout


def test_lines_that_nothing_takes_are_shown_with_a_pattern_that_does(tmp_path: Path) -> None:
    path = tmp_path / "odd.log"
    path.write_text("".join(f"~~ nr{n} !! loss: {n}.5 ~~ accuracy: 0.5 ~~\n" for n in range(30)))
    result = doctor(str(path))
    assert "no points: 30 lines look like metrics but matched no format" in result.stdout
    proposal = result.stdout.split("--pattern ")[1].strip().strip("'")
    again = doctor(str(path), "--pattern", proposal)
    assert "60 points" in again.stdout or "90 points" in again.stdout
    assert "30 parsed" in again.stdout


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.log", b"", "empty; it is read as soon as something is written to it"),
        ("core.log", bytes(range(256)) * 50, "this is a binary file, not a text log"),
        ("README.md", b"# Title\n\nSome prose about step 3.\n", "nothing in it looks like a training metric"),
        (
            "pip.log",
            b"Collecting numpy==1.26.4\n  Using cached numpy-1.26.4.whl (18.2 MB)\n" * 40,
            "no points",
        ),
        ("long.log", b"x" * (3 << 20), "every line is longer than lensd reads"),
        ("torn.log", b"step 1 loss=0.5", "no points"),
    ],
)
def test_what_is_no_training_log(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    result = doctor(str(tmp_path / name))
    assert message in result.stdout
    assert result.exit_code == 0
    assert result.stderr == ""


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = doctor(str(tmp_path / "none.log"))
    assert (result.exit_code, result.stderr) == (1, f"lensd: {tmp_path}/none.log: no such file\n")
    assert "`lensd sources" in doctor(str(tmp_path)).stderr


def test_a_pattern_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x\n")
    result = doctor(str(tmp_path / "a.log"), "--pattern", "(?P<x>")
    assert result.exit_code == 2
    assert "pattern pattern-1: missing ), unterminated subpattern" in result.stderr


@pytest.mark.slow
def test_every_real_log_fits_a_screen() -> None:
    for path in sorted(needs_shared("data/logs-dev").glob("*.log")):
        result = doctor(str(path))
        assert result.exit_code == 0, path
        assert "points of" in result.stdout, path
        assert len(result.stdout.splitlines()) < SCREEN, path
