"""Jobs whose stdout and stderr go into two files."""

from pathlib import Path

import pytest

from lensd_log import beside
from lensd_log.beside import path_beside
from tests.log.reading import Reading, read, write

PAIRS = {
    "train.out": "train.err",
    "slurm-12_3.out": "slurm-12_3.err",
    "job.o123": "job.e123",
    "job.po7.4": "job.pe7.4",
    "stdout": "stderr",
    "stdout.log": "stderr.log",
    "rank0-stdout.txt": "rank0-stderr.txt",
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_other_stream_of_a_job_is_told_by_its_name(name: str) -> None:
    assert path_beside(f"/a/{name}") == f"/a/{PAIRS[name]}"


@pytest.mark.parametrize("name", ["train.err", "stderr", "train.log", "module.o", "out"])
def test_other_files_have_none(name: str) -> None:
    assert path_beside(f"/a/{name}") is None


def bar(n: int, total: int) -> str:
    return f"\r {100 * n // total:2}%|##   | {n}/{total} [00:{n % 60:02}<00:09,  9.10it/s]"


BLANKS = "\r" + " " * 48 + "\r"


class Job:
    """A training that prints as `Trainer` does, with its evaluations every 20 steps."""

    def __init__(self, steps: int) -> None:
        self.out = self.err = ""
        self.expected: dict[str, list[tuple[int, float]]] = {"loss": [], "eval_loss": [], "train_loss": []}
        self.err += "Map: 100%|##| 90/90 [00:01<00:00, 9.10it/s]\n" + bar(0, steps)
        for n in range(1, steps + 1):
            self.err += bar(n, steps)
            if n % 5 == 0:
                self.log("loss", n, steps)
            if n % 20 == 0:
                self.err += "\n\n" + "".join(bar(k, 4) for k in range(5))
                self.log("eval_loss", n, steps, "\n" + bar(4, 4) + "\x1b[A")
        self.log("train_loss", steps, steps)

    def log(self, name: str, n: int, steps: int, others: str = "") -> None:
        value = round(n / 1024, 6)
        self.expected[name].append((n, value))
        more = ", 'train_runtime': 9.5" if name == "train_loss" else ""
        self.out += f"{{'{name}': {value}{more}, 'epoch': {n / 50:.2f}}}\n"
        self.err += BLANKS + bar(n, steps) + others


def shown(reading: Reading) -> dict[str, list[tuple[int, float | str]]]:
    return {name: points for name, points in reading.points.items() if name != "train_runtime"}


def test_dicts_of_one_stream_have_the_steps_of_the_bars_in_the_other(tmp_path: Path) -> None:
    job = Job(100)
    write(tmp_path / "job.err", job.err.encode())
    reading = read(write(tmp_path / "job.out", job.out.encode()), final=True)
    assert shown(reading) == job.expected
    assert set(reading.targets) == {(n, 100) for n in range(5, 101, 5)}
    assert set(read(tmp_path / "job.err", final=True).points) == set()


@pytest.mark.parametrize(("waiting", "chunk"), [(8192, 1 << 17), (200, 4096)])
def test_they_have_them_however_long_the_job_is(
    waiting: int, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "MOST_WAITING", waiting)
    monkeypatch.setattr(beside, "CHUNK_BYTES", chunk)
    job = Job(2500)
    write(tmp_path / "job.err", job.err.encode())
    assert shown(read(write(tmp_path / "job.out", job.out.encode()), final=True)) == job.expected


def test_they_have_them_while_both_streams_grow(tmp_path: Path) -> None:
    job, reading = Job(100), Reading()
    out, err = tmp_path / "job.out", tmp_path / "job.err"
    for part in range(1, 51):
        write(err, job.err[: len(job.err) * part // 50].encode())
        behind = job.out[: len(job.out) * (part - 3) // 50] if part > 3 else ""
        read(write(out, behind.encode()), reading)
    read(write(out, job.out.encode()), reading, final=True)
    assert shown(reading) == job.expected


def test_without_the_other_stream_dicts_are_counted(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "job.out", Job(100).out.encode()), final=True)
    assert [step for step, _ in reading.points["loss"]] == [*range(1, 21)]
