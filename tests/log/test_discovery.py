"""Which files the log adapter takes for inputs, by their names."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lensd.discovery import Roots
from lensd.model import SET_ASIDE, Input
from lensd_log import LogAdapter, crowds
from tests.log.reading import budget, read, write


def discover(*roots: Path) -> dict[str, Input]:
    return {input.name: input for input in LogAdapter().discover(Roots([str(root) for root in roots]))}


LOGS = """\
train.err
job.o123
job.e123
job.po123
job.pe123
job.o123.4
job.e123-4
job.o123[4]
slurm-123_4.out
slurm-123_45.err
workerlog.0
workerlog.10
screenlog.0
stdout
stderr
TRAIN.LOG
Run.Out
scalars.log.json
table.tsv
TABLE.CSV
""".split()


@pytest.mark.parametrize("name", LOGS)
def test_a_file_that_is_named_like_a_log_is_an_input(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, b"")
    assert list(discover(tmp_path)) == [name]


OTHERS = """\
module.o
libc.so.6
events.out.tfevents.1700000000.e123
run.wandb
notes.md
train.py
model.pt
requirements.txt
vocab.csv
LICENSE
Makefile
package-lock.json
tokenizer_config.json
model.safetensors.index.json
archive.tar.gz
""".split()


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_another_kind_is_no_input(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, b"")
    assert discover(tmp_path) == {}


def test_logs_of_ranks_and_array_tasks_are_logs_of_their_own(tmp_path: Path) -> None:
    names = ["workerlog.0", "workerlog.1", "workerlog.10", "job.o7.1", "job.o7.2", "job.o7.21"]
    for number, name in enumerate(names):
        write(tmp_path / name, b"step 1 loss=%d.5\nstep 2 loss=%d.25\n" % (number, number))
    assert sorted(discover(tmp_path)) == sorted(names)
    for number, name in enumerate(names):
        assert read(tmp_path / name).points == {"loss": [(1, number + 0.5), (2, number + 0.25)]}


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("name", ["x.log", "job.o12", "workerlog.0", "stderr", "x.csv"])
def test_a_packed_log_is_the_input_that_it_was_before(name: str, packing: str, tmp_path: Path) -> None:
    write(tmp_path / name, b"")
    before = discover(tmp_path)
    (tmp_path / name).unlink()
    write(tmp_path / f"{name}.{packing}", PACKINGS[packing](b""))
    assert discover(tmp_path) == before


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_log_is_read_on_when_it_is_packed(packing: str, tmp_path: Path) -> None:
    log = write(tmp_path / "x.log", b"step 1 loss=1.5\nstep 2 loss=2.5\n")
    reading = read(log)
    text = log.read_bytes() + b"step 3 loss=3.5\n"
    log.unlink()
    write(tmp_path / f"x.log.1.{packing}", PACKINGS[packing](text))
    read(write(log, b"step 4 loss=4.5\n"), reading)
    assert reading.points == {"loss": [(n, n + 0.5) for n in (1, 2, 3, 4)]}
    assert not any(batch.restart for batch in reading.batches)


def files_in(folder: Path, count: int, name: str) -> None:
    for number in range(count):
        path = folder / name.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_a_crowd_of_files_is_one_input_that_is_not_read(tmp_path: Path) -> None:
    files_in(tmp_path, crowds.MOST + 1, "data/labels/{}.txt")
    files_in(tmp_path, 3, "data/notes/{}.csv")
    write(tmp_path / "data" / "train.log", b"")
    inputs = discover(tmp_path)
    assert sorted(inputs) == ["data/*.txt", *(f"data/notes/{n}.csv" for n in range(3)), "data/train.log"]
    crowd = inputs["data/*.txt"]
    assert crowd.workload == "data"
    batch = LogAdapter().read(crowd, None, budget())
    assert (batch.log_format, batch.point_count, batch.more) == (SET_ASIDE, 0, False)
    assert batch.note is not None
    assert "name" in batch.note
    label = tmp_path / "data" / "labels" / "7.txt"
    assert f"{label.name}" in {os.path.basename(i.path) for i in discover(tmp_path, label).values()}


def test_a_file_of_each_run_is_no_crowd(tmp_path: Path) -> None:
    files_in(tmp_path, crowds.MOST + 1, "runs/exp-{}/metrics.csv")
    assert len(discover(tmp_path)) == crowds.MOST + 1


def test_named_logs_are_no_crowd(tmp_path: Path) -> None:
    files_in(tmp_path, crowds.MOST + 1, "sweep/run-{}.log")
    assert len(discover(tmp_path)) == crowds.MOST + 1


def test_more_files_of_one_kind_than_any_training_writes_are_a_crowd_in_whatever_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowds, "MOST_ALIKE", 40)
    files_in(tmp_path, 41, "sample-{}/label.json")
    assert [*discover(tmp_path)] == ["*.json"]


HIDDEN = (
    ".git .cache node_modules site-packages __pycache__ .venv venv env/lib/python3.11/site-packages".split()
)


@pytest.mark.parametrize("folder", HIDDEN)
def test_folders_of_programs_and_caches_are_not_entered(folder: str, tmp_path: Path) -> None:
    if folder == "venv":
        files_in(tmp_path, 1, folder + "/pyvenv.cfg")
    files_in(tmp_path, 2, folder + "/x{}/train.log")
    assert discover(tmp_path) == {}
