"""Prefixes of launchers, collectors and loggers: they hide neither the log format, the time nor the rank."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lensd_log.line.entry import entry_of
from lensd_log.line.prefixes import strip_anew, strip_prefixes
from tests.log.reading import read, write
from tests.log.test_golden import GOLDEN

TIMM = "Train: 0 [  {step}/100 ( 10%)]  Loss: {loss} (2.91)  LR: 1.000e-05"
NOON = "2024-03-01T12:00:00"

RANKED = [
    ("xla:0/2 ", 0),
    ("[xla:1/2] ", 1),
    ("worker-1: ", 1),
    ("train-worker-3: ", 3),
    ("node17: ", 17),
    ("node17.cluster.local: ", None),
    ("trainer-2  | ", 2),
    ("trainer  | ", None),
    ("algo-1-1pqgi | ", 1),
    ("[1,2]<stdout>:", 2),
    ("[1]<stderr>:", 1),
    ("[1,mpirank:3,algo-1]<stdout>:", 3),
    ("[pod/boost-7c9d-master-1/train] ", 1),
    ("[pod/boost/trainer] ", None),
    ("trainer-7c9d8b6f5-x2k4z trainer ", None),
    ("llama-worker-4 pytorch ", 4),
    ("[GPU2] ", 2),
    ("[rank: 1] ", 1),
    ("(rank 1) ", 1),
    ("[Rank 7/8] ", 7),
    ("[local_rank=2] ", 2),
]
TIMED = [
    ("[gpu01:1/2] 2024-03-01 12:00:00,000 (trainer:464) INFO: ", 1),
    ("[node:3]: [2024-03-01 12:00:00] ", 3),
    ("[32m20240301 12:00:00[0m] ", None),
    ("0[[32m20240301 12:00:00[0m][[36mrank-7/8[0m][[1mINFO [0m] [1m[--------trainer.py:2560] : ", 7),
    ("Fri Mar  1 12:00:00 2024[1,2]<stdout>:", 2),
    ("node17: 2024-03-01 12:00:00 ", 17),
    ("node-3 | 2024-03-01 12:00:00 | INFO | ", 3),
    ("[2024-03-01 12:00:00,000][__main__][INFO] - ", None),
    ("[NeMo I 2024-03-01 12:00:00 nemo_logging:393] ", None),
    ('<165>1 2024-03-01T12:00:00.000Z mymachine.example.com app - ID47 [data@32473 iut="3"] ', None),
    ("<165>1 2024-03-01T12:00:00Z host app 123 - - ", None),
    ("[0] 2024-03-01 12:00:00 INFO ", 0),
    ("[my run] 2024-03-01T12:00:00 - ", None),
    ("job: [2024-03-01 12:00:00] ", None),
    ("trainer-1  | [rank1]: 2024-03-01 12:00:00 INFO ", 1),
    ("[1,0]<stdout>:[2024-03-01 12:00:00][__main__][INFO] - ", 0),
    ("2024-03-01T12:00:00Z [pod/x-0/y] [gpu12] ", 0),
    ("[2024-03-01T12:00:00.000000][process-1] ", 1),
    ("2024/03/01 12:00:00 INFO mlflow.tracking: ", None),
]


@pytest.mark.parametrize(("prefix", "rank"), [*RANKED, *TIMED])
def test_the_line_behind_a_prefix_is_left_and_its_rank_is_read(prefix: str, rank: int | None) -> None:
    line = TIMM.format(step=10, loss=2.9)
    entry, stripped = entry_of((prefix + line).encode(), True, None)
    assert (entry.text, stripped.rank) == (line, rank)


@pytest.mark.parametrize("prefix", [prefix for prefix, _ in TIMED])
def test_the_time_in_a_prefix_is_the_time_of_the_line(prefix: str, tmp_path: Path) -> None:
    reading = read(write(tmp_path / "x.log", (prefix + TIMM.format(step=10, loss=2.9) + "\n").encode()))
    assert reading.points["Loss"] == [(10, 2.9)]
    noon = datetime.fromisoformat(NOON).replace(tzinfo=UTC).timestamp() * 1000
    assert reading.times["Loss"] == [noon]


@pytest.mark.parametrize(
    "prefix",
    [
        "[1,{rank}]<stdout>:",
        "trainer-{rank}  | ",
        "worker-{rank}: ",
        "[gpu01:{rank}/2] 2024-03-01 12:00:00,000 ",
        "xla:{rank}/2 ",
        "[1,mpirank:{rank},algo-1]<stdout>:",
    ],
)
def test_only_the_points_of_the_lowest_rank_are_kept(prefix: str, tmp_path: Path) -> None:
    lines = [
        prefix.format(rank=rank) + f"step {step}/3000 | loss: {rank + 0.5}\n"
        for step in range(10, 3000, 10)
        for rank in (0, 1)
    ]
    reading = read(write(tmp_path / "x.log", "".join(lines).encode()))
    assert reading.points["loss"] == [(step, 0.5) for step in range(10, 3000, 10)]


@pytest.mark.parametrize(
    "text",
    [
        "[Epoch 3] loss: 0.5",
        "[Epoch:3] loss: 0.5",
        "[1][20/400] loss 0.5",
        "[1,  2000] loss: 0.5",
        "[D loss: 0.5] [G loss: 0.7]",
        "[Generator] loss: 0.5",
        "[1/100] 2024-01-01 loss 0.5",
        "[train/loss] 0.5",
        "epoch     | train_loss | val_loss",
        "fold-1 | loss 0.5",
        "bleu-4 | 33.5",
        "worker-1 | 0.5 | 0.7 |",
        "top1: 74.3",
        "hits10: 0.5",
        "Epoch-1: loss=0.5",
        "Train: 0 [ 10/100]",
        "client-1: loss=0.5",
        "resnet-50 train loss 0.3",
        "wide-resnet-worker-1 loss 0.5",
        "finished in [0m 12s]",
        "[Val] loss: 0.5",
    ],
)
def test_what_a_log_format_prints_itself_is_no_prefix(text: str) -> None:
    assert strip_prefixes(text, None).text == text
    assert entry_of(text.encode(), True, None)[0].text == text


def test_a_phase_behind_a_prefix_stays() -> None:
    assert strip_prefixes("2024-03-01 12:00:00 - INFO - [Val] loss: 0.5", None).text == "[Val] loss: 0.5"


def test_a_line_of_a_known_kind_is_stripped_as_any_other() -> None:
    """Digits of a line decide where its prefixes end as little as they do in the kind's first line."""
    dice = random.Random(1)
    heads = [
        "",
        *(prefix for prefix, _ in RANKED),
        *(prefix for prefix, _ in TIMED),
        "1704067200.5 ",
        "1 ",
        "a-b2c4d x ",
    ]
    lines = [line for path in sorted(GOLDEN.glob("*.log")) for line in path.read_text().splitlines()]
    for line in [head + line for line in lines for head in dice.sample(heads, 3)]:
        for _ in range(3):
            text = "".join(dice.choice("0123456789") if c in "0123456789" else c for c in line)
            stripped, anew = strip_prefixes(text, None), strip_anew(text, None)[0]
            assert stripped == anew, text
            line = text
