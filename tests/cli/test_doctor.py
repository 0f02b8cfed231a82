"""`lensd doctor`: the truth about one file, in a screen."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lensd.cli.main import main
from tests.conftest import DATA, needs_shared

SCREEN = 51


def doctor(*arguments: str) -> Result:
    """`lensd doctor` within this process: starting a Python for each file would take most of the time."""
    return CliRunner().invoke(main, ["doctor", *arguments], catch_exceptions=False)


def test_a_log_that_is_understood() -> None:
    result = doctor(str(DATA / "runs" / "torch-mlp-1" / "train.log"))
    assert result.exit_code == 0
    for text in ("points of", " gave points, ", "log format structure", "in the line or in a header", "loss"):
        assert text in result.stdout
    assert len(result.stdout.splitlines()) < SCREEN


def test_an_event_file() -> None:
    (path,) = (DATA / "runs" / "torch-mlp-1").rglob("*tfevents*")
    result = doctor(str(path))
    assert result.exit_code == 0
    assert "adapter tensorboard" in result.stdout
    assert "points of" in result.stdout


def test_every_kind_of_line_is_shown_with_what_its_numbers_became(tmp_path: Path) -> None:
    lines = [
        "lr: 0.1, seed: 7, loss: 0.5",
        "Epoch 1 train: loss=0.9 acc=0.6",
        "Epoch 1 val: loss=0.8 acc=0.7",
    ]
    lines += ["Epoch 2 train: loss=0.7 acc=0.8 pid 4711", "Epoch 2 val: loss=0.6 acc=0.9"]
    (tmp_path / "a.log").write_text("".join(f"{line}\n" for line in lines))
    shown = doctor(str(tmp_path / "a.log")).stdout
    assert "A log: 8 points of 4 metrics. 1 line looks like metrics and was not read" in shown
    assert "epoch 1 -> step 1\n      0.8 -> metric val/loss; 0.7 -> metric val/acc\n" in shown
    assert "1 line like line 1, not read: no step, epoch or other counter stands" in shown
    assert "0.1 -> would be lr" in shown
    assert "7 (seed, an identifier or a clock)" in shown
    assert "4711 (pid" not in shown  # only the first line of a kind is explained


def test_lines_that_are_read_ahead_are_counted_once() -> None:
    shown = doctor(str(DATA / "logs-structure" / "k1-keras-and-own-print.log")).stdout
    assert "  lines      21: 12 gave points, 0 look like metrics and were not read, 9 other" in shown
    assert "6 lines like line 5, read by structure" in shown


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            "loss is 0.{n}, and the rest is silence",
            "no step, epoch or other counter stands in it or above it",
        ),
        ("iteration 7 of many: wer 0.{n} so far, more or less", "its counter never rises (always 7)"),
        ("step {n}: it took 0.{n} tries to find goodness", "no name in it is one that training uses"),
        ("iteration {n} of many: wer 0.5 so far, more or less", "its values never change"),
    ],
)
def test_the_reason_is_given_where_nothing_is_stored(line: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("".join(line.format(n=n) + "\n" for n in (3, 2, 4, 5)))
    result = doctor(str(tmp_path / "a.log"))
    assert why in result.stdout
    assert result.exit_code == 1


def test_the_proposed_pattern_works_when_it_is_pasted(tmp_path: Path) -> None:
    path, config, db = tmp_path / "odd.log", tmp_path / "lensd.toml", str(tmp_path / "x.db")
    path.write_text("".join(f"~~ nr{n} !! loss: {n}.5 ~~ accuracy: 0.5 ~~\n" for n in range(30)))
    result = doctor(str(path))
    assert result.exit_code == 1
    assert "No points. 30 lines look like metrics and were not read" in result.stdout
    block = result.stdout.partition("    [[pattern]]")[2].partition("\n  Names")[0]
    config.write_text("[[pattern]]" + block.replace("\n    ", "\n"))
    assert config.read_text().strip() == doctor(str(path), "--pattern-for", "1").stdout.strip()
    again = doctor(str(path), "--config", str(config))
    assert "A log: 60 points of 2 metrics." in again.stdout
    assert again.exit_code == 0
    ingest = CliRunner().invoke(main, ["ingest", str(path), "--config", str(config), "--db", db])
    assert (ingest.exit_code, ingest.stderr) == (0, "")
    assert "60 points" in ingest.stdout
    sources = CliRunner().invoke(main, ["sources", str(path), "--config", str(config)])
    assert "like-line-1, 60 points" in sources.stdout


def test_a_pattern_for_lines_that_have_none(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("{'loss': 2.5, 'learning_rate': 2e-05, 'epoch': 0.5}\n" * 2)
    result = doctor(str(tmp_path / "a.log"), "--pattern-for", "1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the log format hf-trainer reads such lines" in result.stderr
    assert "there is 1 kind of line" in doctor(str(tmp_path / "a.log"), "--pattern-for", "9").stderr


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.log", b"", "empty; it is read as soon as something is written to it"),
        ("core.log", bytes(range(256)) * 50, "this is a binary file, not a text log"),
        ("README.md", b"# Title\n\nSome prose about step 3.\n", "No points: no line prints a metric"),
        ("notes.log", b"The loss was fine.\n", "A metric is named in 1 line, but without a value"),
        ("whole.log", b"loss: 5\nloss: 4\nloss: 3\n", "Some lines may be training, but did not prove it"),
        (
            "pip.log",
            b"Collecting numpy==1.26.4\n  Using cached numpy-1.26.4.whl (18.2 MB)\n" * 40,
            "No points: no line prints a metric",
        ),
        ("long.log", b"x" * (3 << 20), "every line is longer than lensd reads"),
        ("wide.log", "step 1 loss=0.5\n".encode("utf-16"), "A log: 1 point of 1 metric"),
        ("packed.log.gz", gzip.compress(b"step 1 loss=0.5\n", mtime=0), "A log: 1 point of 1 metric"),
    ],
)
def test_files_of_all_kinds(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    result = doctor(str(tmp_path / name))
    assert message in result.stdout + result.stderr
    assert result.exit_code == (0 if message.startswith("A log") else 1)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = doctor(str(tmp_path / "none.log"))
    assert (result.exit_code, result.stderr) == (
        1,
        f"lensd: {tmp_path}/none.log: no such file or directory\n",
    )
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
