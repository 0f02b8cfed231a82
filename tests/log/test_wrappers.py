"""What stands around a line: containers, ranks, colours, prefixes. The same points come out."""

import json
from pathlib import Path

import pytest

from lensd_log import LogAdapter
from lensd_log.line.prefixes import strip_prefixes
from tests.log.reading import Reading, read, write
from tests.log.test_golden import GOLDEN

LINES = [f"step {n} loss={n}.5" for n in range(1, 40)]
LOSSES = [(n, n + 0.5) for n in range(1, 40)]


def read_lines(tmp_path: Path, lines: list[str], end: str = "\n") -> Reading:
    return read(write(tmp_path / "x.log", (end.join(lines) + end).encode()))


@pytest.mark.parametrize(
    "prefix",
    [
        "[rank0]: ",
        "[default3]:",
        "3: ",
        "12: ",
        "(TaskRunner pid=22, ip=10.0.0.1) ",
        "2024-03-01T10:00:00.5Z ",
        "2024-03-01 10:00:00,123 - trainer - INFO - ",
        "2024-03-01 10:00:00,123 INFO [train.py:185] ",
        "2024-03-01 10:00:00.123 | INFO     | __main__:train:42 - ",
        "[2024-03-01 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] ",
        "[20240301 10:00:00][rank-1/2][INFO ] [--------trainer.py:24] : ",
        "I0301 10:00:00.123456  1860 solver.cpp:228] ",
        "I0301 10:00:00.123456 140736 metric_logger.py:214] ",
        "INFO:root:",
        "Mar  1 10:00:00 ",
        "03/01/2024 10:00:00 - INFO - __main__ - ",
        "[03/01 10:00:00] ppdet.engine INFO: ",
        "10:00:00 | ",
        "\x1b[32m2024-03-01 10:00:00\x1b[0m \x1b[1mINFO\x1b[0m ",
        "[rank0]:[titan] 2024-03-01 10:00:00,338 - root - INFO - ",
        "1709287200.123 ",
    ],
)
def test_prefixes_are_stripped(prefix: str, tmp_path: Path) -> None:
    reading = read_lines(tmp_path, [prefix + line for line in LINES])
    assert reading.points == {"loss": LOSSES}


@pytest.mark.parametrize(
    "text",
    [
        "[10]\ttrain-rmse:0.5",
        "[batch=1/100]: x",
        "0:\tlearn: 0.69",
        "Epoch 1 - loss: 0.5",
        "74s - loss: 0.5",
        "iteration 10/ 100 | lm loss: 1",
        "step - 5",
        "[step=2/10,epoch=0]",
        "",
    ],
)
def test_what_belongs_to_the_line_is_left_alone(text: str) -> None:
    assert strip_prefixes(text, None).text == text


def test_kubernetes_lines_are_unwrapped_and_partial_ones_joined(tmp_path: Path) -> None:
    lines = []
    for n, line in enumerate(LINES):
        stamp = f"2024-03-01T10:00:{n:02d}.250000001Z"
        if n % 3 == 0:
            lines += [
                f"{stamp} stdout P {line[:7]}",
                f"{stamp} stderr F noise",
                f"{stamp} stdout F {line[7:]}",
            ]
        else:
            lines.append(f"{stamp} stdout F {line}")
    reading = read_lines(tmp_path, lines)
    assert reading.points == {"loss": LOSSES}
    assert reading.times["loss"] == [1709287200250.0 + 1000 * n for n in range(39)]
    path = tmp_path / "x.log"
    parts = read(path, bytes=1)
    assert (parts.points, parts.times) == (reading.points, reading.times)


def test_docker_lines_are_unwrapped_and_halves_joined(tmp_path: Path) -> None:
    def wrap(n: int, text: str) -> str:
        return json.dumps({"log": text, "stream": "stdout", "time": f"2024-03-01T10:00:{n:02d}.5Z"})

    lines = []
    for n, line in enumerate(LINES):
        lines += [wrap(n, line[:5]), wrap(n, line[5:] + "\n")] if n % 2 else [wrap(n, line + "\n")]
    reading = read_lines(tmp_path, lines)
    assert reading.points == {"loss": LOSSES}
    assert reading.times["loss"][:2] == [1709287200500.0, 1709287201500.0]


def test_a_lines_own_time_goes_before_that_of_its_container(tmp_path: Path) -> None:
    line = "2024-03-01T10:00:05.0Z stdout F 2024-03-01 10:00:04,500 - INFO - step 1 loss=0.5"
    assert read_lines(tmp_path, [line]).times["loss"] == [1709287204500.0]


@pytest.mark.parametrize(
    "name", ["megatron", "hf_trainer_bars", "xgboost", "lightgbm", "keras3", "json_lines"]
)
def test_log_formats_match_inside_containers(name: str, tmp_path: Path) -> None:
    data = (GOLDEN / f"{name}.log").read_bytes()
    bare = read(write(tmp_path / f"{name}.log", data))
    wrapped = b"".join(b"2024-03-10T11:30:00.5Z stdout F " + line + b"\n" for line in data.split(b"\n")[:-1])
    inside = read(write(tmp_path / "wrapped.log", wrapped))
    assert inside.points == bare.points
    assert inside.last.log_format == bare.last.log_format


def test_other_ranks_do_not_double_points(tmp_path: Path) -> None:
    lines = [f"[rank{rank}]:step {n} loss={n}.{rank}" for n in range(1, 30) for rank in (3, 0, 1, 2)]
    reading = read_lines(tmp_path, lines)
    # What the third rank said first is written again by the lowest, which then keeps the metric.
    assert reading.points == {"loss": [(1, 1.3), *((n, n + 0.0) for n in range(1, 30))]}


def test_another_rank_is_followed_when_the_first_falls_silent(tmp_path: Path) -> None:
    lines = [f"[rank0]:step {n} loss=1.5" for n in range(10)] + [
        f"[rank1]:step {n} loss=2.5" for n in range(40)
    ]
    points = read_lines(tmp_path, lines).points["loss"]
    assert points[:10] == [(n, 1.5) for n in range(10)]
    assert points[-1] == (39, 2.5)
    assert len({step for step, _ in points}) == len(points) >= 37


def test_a_lower_rank_that_comes_late_goes_on_where_the_other_has_got_to(tmp_path: Path) -> None:
    lines = [f"[rank1]:step {n} loss=1.5" for n in range(10)] + [
        f"[rank0]:step {n} loss=2.5" for n in range(20)
    ]
    points = read_lines(tmp_path, lines).points["loss"]
    assert points == [*((n, 1.5) for n in range(10)), *((n, 2.5) for n in range(9, 20))]


def test_ranks_that_differ_are_kept_apart_where_that_is_asked_for(tmp_path: Path) -> None:
    lines = [f"[rank{rank}]:step {n} loss={n}.{rank} lr=0.1" for n in range(1, 5) for rank in (0, 1, 2)]
    path = write(tmp_path / "train.log", "\n".join([*lines, ""]).encode())
    points = read(path, adapter=LogAdapter({"ranks": "every"})).points
    assert points == {
        "loss": [(n, n + 0.0) for n in range(1, 5)],
        "lr": [(n, 0.1) for n in range(1, 5)],
        "loss{rank=1}": [(n, n + 0.1) for n in range(1, 5)],
        "loss{rank=2}": [(n, n + 0.2) for n in range(1, 5)],
    }


def test_ranks_that_differ_are_kept_apart_in_blocks_too(tmp_path: Path) -> None:
    fields = "consumed samples: 320 | lm loss: {step}.{rank} |"
    line = "[rank{rank}]: iteration {step:8d}/ 1000 | " + fields
    lines = [line.format(rank=rank, step=step) for step in range(1, 400) for rank in (0, 1, 2)]
    path = write(tmp_path / "train.log", "\n".join([*lines, ""]).encode())
    points = read(path, adapter=LogAdapter({"ranks": "every"})).points
    assert {name: len(series) for name, series in points.items()} == {
        "lm loss": 399,
        "consumed samples": 399,
        "lm loss{rank=1}": 399,
        "lm loss{rank=2}": 399,
    }


def test_ranks_that_print_different_metrics_are_both_heard(tmp_path: Path) -> None:
    lines = [f"[rank{n % 2}]:step {n} {('loss', 'lr')[n % 2]}=0.5" for n in range(10)]
    assert {name: len(points) for name, points in read_lines(tmp_path, lines).points.items()} == {
        "loss": 5,
        "lr": 5,
    }
