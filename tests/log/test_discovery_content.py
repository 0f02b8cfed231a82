"""Files whose names say nothing: what they hold decides whether they are read."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lensd.discovery import Roots
from lensd.model import SET_ASIDE, Input
from lensd.tail import Segment
from lensd_log import LogAdapter
from tests.log.reading import NOW_MS, Reading, budget, write

RANDOM = random.Random(7)
WORDS = (
    "the quick brown fox jumps over a lazy dog while seven wizards make toxic brew for evil queens".split()
)


def found(path: Path) -> Input:
    """The input that a walk of the file's folder makes."""
    return next(i for i in LogAdapter().discover(Roots([str(path.parent)])) if i.path == str(path))


def walk_and_read(path: Path, reading: Reading | None = None, final: bool = False) -> Reading:
    """Read a file that a walk found, each cursor through its bytes and by a new adapter."""
    reading, input = reading or Reading(), found(path)
    while True:
        reading.add(LogAdapter().read(input, reading.cursor, budget(final=final, seconds=60)))
        if not reading.last.more:
            return reading


def prose() -> str:
    return " ".join(RANDOM.choice(WORDS) for _ in range(12)).capitalize() + "."


def rows(count: int) -> Iterator[tuple[int, float, float, float]]:
    for number in range(count):
        yield number, RANDOM.random() * 90, RANDOM.gauss(0, 1), RANDOM.choice((0.0, 1.0))


def json_lines(records: list[dict[str, object]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


N = 4000
COCO = {
    "images": [{"id": n, "file_name": f"{n:012}.jpg", "height": 480, "width": 640} for n in range(300)],
    "annotations": [
        {"id": n, "image_id": n, "bbox": [1.5, 2.5, 3.5, 4.5], "score": 0.5, "iscrowd": 0} for n in range(300)
    ],
}
SQUAD = {
    "data": [{"title": prose(), "paragraphs": [{"context": prose() * 30, "qas": []}]} for _ in range(50)]
}

DATA = {
    "comments.csv": "# made by hand\n# from two sources\nkind,input,output,error\n"
    + "".join(f"np.float32,{a:.3f},{b:.3f},4\n" for _, a, b, _ in rows(N)),
    "plain.csv": "id,name,age,fare\n" + "".join(f"{n},fox,{a:.0f},{b:.3f}\n" for n, a, b, _ in rows(N)),
    "score.csv": "id,text,score\n" + "".join(f"{n},{prose()},{b:.3f}\n" for n, _, b, _ in rows(N)),
    "quoted.csv": 'text,label\n"a, b",1\n'
    + "".join(f'"{prose()}, {prose()}",{c:.0f}\n' for *_, c in rows(N)),
    "fraud.csv": "step,type,amount,nameOrig,isFraud\n"
    + "".join(f"{n // 50 + 1},PAYMENT,{a:.2f},C{n},{c:.0f}\n" for n, a, _, c in rows(N)),
    "grade.csv": "batch,title,score\n"
    + "".join(f"{RANDOM.randrange(99)},fox,{a:.2f}\n" for _, a, _, _ in rows(N)),
    "sensors.csv": "timestamp,temperature,humidity\n"
    + "".join(f"2024-01-01T00:{n // 60 % 60:02}:{n % 60:02}Z,{a:.2f},{b:.2f}\n" for n, a, b, _ in rows(N)),
    "epochs.csv": "epoch,sensor,volt\n"
    + "".join(f"{1.7e9 + n:.3f},a{n},{b:.3f}\n" for n, _, b, _ in rows(N)),
    "numbers.csv": "".join(f"{a:.4f},{b:.4f},{c:.0f}\n" for _, a, b, c in rows(N)),
    "numbers.txt": "".join(f"{a:.4f} {b:.4f} {c:.0f}\n" for _, a, b, c in rows(N)),
    "counted.txt": "".join(f"{n} {a:.4f} {b:.4f}\n" for n, a, b, _ in rows(N)),
    "movies.tsv": "tconst\tprimaryTitle\taverageRating\tnumVotes\n"
    + "".join(f"tt{n:07}\t{prose()}\t{a / 9:.1f}\t{n * 7}\n" for n, a, _, _ in rows(N)),
    "sentiment.tsv": "sentence\tlabel\n" + "".join(f"{prose()}\t{c:.0f}\n" for *_, c in rows(N)),
    "scored.jsonl": json_lines([{"id": n, "text": prose(), "score": round(b, 2)} for n, _, b, _ in rows(N)]),
    "chat.jsonl": json_lines([{"messages": [{"role": "user", "content": prose()}]} for _ in range(N)]),
    "steps.jsonl": json_lines(
        [{"question": prose(), "steps": RANDOM.randrange(9), "reward": 0.5} for _ in range(N)]
    ),
    "rollout.jsonl": json_lines([{"step": 1, "output": prose() * 5, "score": 0.5} for _ in range(N)]),
    "numbers.jsonl": json_lines([{"x": a, "y": b} for _, a, b, _ in rows(N)]),
    "vectors.jsonl": json_lines([{"id": n, "embedding": [b] * 40} for n, _, b, _ in rows(400)]),
    "coco.json": json.dumps(COCO),
    "pretty.json": json.dumps(COCO, indent=2),
    "squad.json": json.dumps(SQUAD),
    "short.json": '{"learning_rate": 0.001, "epochs": 3}\n',
    "lines.json": json_lines([{"id": n, "text": prose(), "score": round(b, 2)} for n, _, b, _ in rows(N)]),
    "a9a.txt": "".join(f"{c * 2 - 1:+.0f} 3:1 11:{b:.3f} 14:1 19:{a:.2f}\n" for _, a, b, c in rows(N)),
    "vw.txt": "".join(f"{c:.0f} |f loss:{b:.3f} score:{a:.2f}\n" for _, a, b, c in rows(N)),
    "film.txt": "".join(
        f"{n}\n00:{n // 60 % 60:02}:{n % 60:02},000 --> 00:{n // 60 % 60:02}:{n % 60:02},900\n{prose()}\n\n"
        for n in range(N)
    ),
    "words.txt": "".join(f"{word}{n}\n" for n in range(N) for word in WORDS[:3]),
    "counts.txt": "".join(f"{RANDOM.choice(WORDS)}{n} {N * 9 - n}\n" for n in range(N)),
    "book.txt": "".join(prose() + ("\n\n" if n % 5 == 4 else " ") for n in range(N)),
    "long.txt": " ".join(prose() for _ in range(N)),
    "cloud.txt": "x y z intensity\n"
    + "".join(f"{a:.3f} {b:.3f} {b:.3f} {c:.0f}\n" for _, a, b, c in rows(N)),
    "labels.txt": "".join(f"{c:.0f} 0.5 0.25 0.125 0.0625\n" for *_, c in rows(8)),
    "corpus": "".join(prose() + "\n" for _ in range(N)),
    "MOCKFILE": "#!/bin/sh\nset -e\nexec python train.py --epochs 3\n",
}


@pytest.mark.parametrize("name", DATA)
def test_a_data_set_is_not_read(name: str, tmp_path: Path) -> None:
    reading = walk_and_read(write(tmp_path / name, DATA[name].encode()))
    assert (reading.points, reading.last.log_format, reading.last.lag_bytes) == ({}, SET_ASIDE, 0)
    assert sum(batch.counts.bytes for batch in reading.batches) == 0
    assert reading.last.note is not None
    assert reading.last.note.startswith("not read, as it looks like no log: ")
    assert reading.last.note.endswith("to have it read, name the file on the command line or in a [[source]]")


def table(header: str, separator: str = ",", first: int = 0) -> str:
    width = len(header.split(separator))
    return (
        header
        + "\n"
        + "".join(separator.join([str(first + n), *["0.5"] * (width - 1)]) + "\n" for n in range(9))
    )


RECORDS = {
    "metrics.csv": "epoch,step,train_loss,val_loss\n0,9,0.5,\n0,19,0.25,\n0,19,,0.5\n1,29,0.5,\n",
    "history.csv": table("epoch,accuracy,loss,val_accuracy,val_loss"),
    "results.csv": "epoch,   train/box_loss,   metrics/mAP50(B)\n   0,  1.6905,  0.33962\n   1,  1.5,  0.4\n",
    "home.csv": table("Epoch,Train Loss,Val Acc", first=1),
    "gan.csv": table("iteration,D_A,G_A,cycle_A"),
    "run-1-tag-loss.csv": "Wall time,Step,Value\n1710072000.1,0,0.5\n1710072001.1,1,0.25\n",
    "wandb_export.csv": '"Step","a - loss","a - loss__MIN","a - loss__MAX"\n"0","2.5","2.5","2.5"\n'
    '"10","1.5","1.5","1.5"\n',
    "progress.csv": "time/iterations,rollout/ep_rew_mean,time/total_timesteps\n1,2.0,2048\n2,3.5,4096\n",
    "pandas.csv": ",epoch,loss\n0,1,0.5\n1,2,0.25\n",
    "bom.csv": "\ufeff" + table("step,loss"),
    "metrics.tsv": table("step\tloss\tlr", "\t"),
    "trainer_log.jsonl": json_lines(
        [{"current_steps": n, "total_steps": 90, "loss": 0.5, "lr": 5e-05, "epoch": n / 9} for n in range(9)]
    ),
    "metrics.json": json_lines([{"iteration": n, "total_loss": 0.5, "lr": 0.1} for n in range(9)]),
    "scalars.json": json_lines([{"step": n, "mode": "train", "loss": 0.5} for n in range(9)]),
    "no_step.jsonl": json_lines([{"loss": 0.5, "lr": 0.1} for n in range(9)]),
    "nested.jsonl": json_lines([{"type": "metrics", "data": {"step": n, "loss": 0.5}} for n in range(9)]),
    "strings.jsonl": json_lines([{"trial": "0", "loss": "0.22", "global_step": str(n)} for n in range(9)]),
    "mixed.jsonl": json_lines([{"event": "begin", "args": {"lr": 0.1}}])
    + json_lines([{"step": n, "loss": 0.5} for n in range(9)]),
    "wrapped.jsonl": json_lines(
        [{"log": f"step {n} loss=0.5\n", "stream": "stdout", "time": "2024-01-01T00:00:00Z"} for n in (1, 2)]
    ),
    "log.txt": "".join(f"Epoch [{n}/9] loss: 0.5 acc: 0.25\n" for n in range(9)),
    "training_log": "".join(f"step {n} loss=0.5\n" for n in range(9)),
    "chinese.txt": "".join(f"第 {n} 轮 损失: 0.5 准确率: 0.25\n" for n in range(9)),
    "lcurve.txt": "#  step      rmse_val    rmse_trn\n"
    + "".join(f"   {n * 100}   3.3e+01   3.4e+01\n" for n in range(9)),
    "late.txt": "".join(f"loaded shard {n} of the corpus\n" for n in range(3000))
    + "".join(f"step {n} loss=0.5\n" for n in range(9)),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_training_is_read(name: str, tmp_path: Path) -> None:
    reading = walk_and_read(write(tmp_path / name, RECORDS[name].encode()), final=True)
    assert reading.last.log_format != SET_ASIDE, reading.last.note
    assert reading.points


def test_csv_that_wandb_and_stable_baselines_write_has_their_steps(tmp_path: Path) -> None:
    points = {
        name: walk_and_read(write(tmp_path / name, RECORDS[name].encode())).points
        for name in ("wandb_export.csv", "progress.csv")
    }
    assert points["wandb_export.csv"] == {"a - loss": [(0, 2.5), (10, 1.5)]}
    assert points["progress.csv"]["rollout/ep_rew_mean"] == [(2048, 2.0), (4096, 3.5)]


@pytest.mark.parametrize("name", ["chinese.txt", "log.txt", "home.csv"])
@pytest.mark.parametrize("encoding", ["utf-16", "gbk"])
def test_text_in_other_encodings_is_read_to_the_same_points(name: str, encoding: str, tmp_path: Path) -> None:
    expected = walk_and_read(write(tmp_path / name, RECORDS[name].encode())).points
    (tmp_path / "other").mkdir()
    assert walk_and_read(write(tmp_path / "other" / name, RECORDS[name].encode(encoding))).points == expected


@pytest.mark.parametrize("name", sorted({*DATA} & {"scored.jsonl", "score.csv", "counted.txt"}))
def test_a_data_set_that_the_user_names_is_read(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, DATA[name].encode())
    for roots in (
        Roots([str(path)]),
        Roots([str(tmp_path), str(path)]),
        Roots([str(tmp_path)], chosen=True),
    ):
        inputs = list(LogAdapter().discover(roots))
        assert [input.chosen for input in inputs] == [True]
        aside = walk_and_read(path).cursor
        batch = LogAdapter().read(inputs[0], aside, budget(bytes=1000))
        assert (batch.counts.records > 0, batch.log_format == SET_ASIDE) == (True, False)


def test_a_log_that_begins_like_no_log_is_read_once_it_shows(tmp_path: Path) -> None:
    log = write(tmp_path / "log.txt", b"loading the corpus\n" * 10)
    reading = walk_and_read(log)
    assert reading.last.log_format == SET_ASIDE
    write(log, log.read_bytes() + b"step 1 loss=0.5\nstep 2 loss=0.25\n")
    assert walk_and_read(log, reading).points == {"loss": [(1, 0.5), (2, 0.25)]}


class ByteCounter:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        original = Segment.read

        def read(segment: Segment, offset: int, count: int) -> bytes:
            data = original(segment, offset, count)
            self.bytes += len(data)
            return data

        monkeypatch.setattr(Segment, "read", read)


@pytest.mark.parametrize(
    "name", ["plain.csv", "scored.jsonl", "numbers.txt", "words.txt", "book.txt", "corpus"]
)
def test_ten_gigabytes_cost_a_few_reads(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / name, DATA[name].encode())
    with path.open("r+b") as file:
        file.truncate(10 << 30)
    counter = ByteCounter(monkeypatch)
    reading = walk_and_read(path)
    assert reading.last.log_format == SET_ASIDE
    assert counter.bytes <= 3 * 16 << 10
    counter.bytes = 0
    with path.open("ab") as file:
        file.write(DATA[name].encode())
    assert walk_and_read(path, reading).last.log_format == SET_ASIDE
    assert counter.bytes == 0


def test_a_large_data_set_is_looked_at_again_when_it_has_grown_by_a_quarter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "scored.jsonl", DATA["scored.jsonl"].encode())
    reading, size = walk_and_read(path), path.stat().st_size
    counter = ByteCounter(monkeypatch)
    for growth, looks in ((1.2, False), (1.3, True), (0.5, True)):
        counter.bytes = 0
        with path.open("r+b") as file:
            file.truncate(int(size * growth))
        walk_and_read(path, Reading(cursor=reading.cursor))
        assert (counter.bytes > 0) == looks, growth


def test_a_set_aside_file_that_is_replaced_by_a_record_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "metrics.csv", DATA["plain.csv"].encode())
    reading = walk_and_read(path)
    path.write_text(RECORDS["metrics.csv"])
    assert "train_loss" in walk_and_read(path, reading).points


def test_a_record_that_is_being_written_is_read_to_the_points_of_the_whole(tmp_path: Path) -> None:
    for name, text in RECORDS.items():
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        path, data, reading = folder / name, text.encode()[:3000], Reading()
        for end in [*range(0, len(data), 97), len(data)]:
            write(path, data[:end], NOW_MS / 1000)  # it is being written
            walk_and_read(path, reading)
        walk_and_read(write(path, data), reading)
        whole = walk_and_read(path)
        assert (reading.points, name) == (whole.points, name)
