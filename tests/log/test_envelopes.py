"""Lines inside the JSON records of log collectors and JSON loggers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lensd_log.line.envelopes import open_envelope
from tests.log.reading import read, write

NOON = 1709294400000.0  # 2024-03-01T12:00:00Z
Record = dict[str, Any]

ENVELOPES: dict[str, Callable[[str], Record]] = {
    "cloudwatch": lambda line: {"timestamp": int(NOON), "message": line, "ingestionTime": int(NOON) + 900},
    "gke": lambda line: {
        "insertId": "x",
        "textPayload": line + "\n",
        "timestamp": "2024-03-01T12:00:00.000000000Z",
        "severity": "INFO",
    },
    "gke json": lambda line: {"jsonPayload": {"message": line}, "timestamp": "2024-03-01T12:00:00Z"},
    "fluent-bit": lambda line: {
        "date": NOON / 1000,
        "log": line,
        "stream": "stdout",
        "kubernetes": {"pod": "t"},
    },
    "fluent-bit, log first": lambda line: {"log": line, "stream": "stdout", "date": NOON / 1000},
    "journald": lambda line: {"__REALTIME_TIMESTAMP": f"{NOON * 1000:.0f}", "PRIORITY": "6", "MESSAGE": line},
    "journald, bytes": lambda line: {
        "__REALTIME_TIMESTAMP": f"{NOON * 1000:.0f}",
        "MESSAGE": list(line.encode()),
    },
    "loki": lambda line: {"labels": {"pod": "x"}, "line": line, "timestamp": "2024-03-01T12:00:00Z"},
    "python-json-logger": lambda line: {
        "asctime": "2024-03-01 12:00:00,000",
        "levelname": "INFO",
        "name": "train",
        "lineno": 12,
        "message": line,
    },
    "zap": lambda line: {"level": "info", "ts": NOON / 1000, "caller": "x.go:1", "msg": line},
    "filebeat": lambda line: {
        "@timestamp": "2024-03-01T12:00:00.000Z",
        "log": {"offset": 5},
        "message": line,
    },
}
LINES = ["step 10/300 | loss: 2.9000", "step 20/300 | loss: 2.8000", "step 30/300 | loss: 2.7000"]


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("around", ["{}", "  {},", "[rank0]: {}"])
def test_a_line_inside_json_is_read_at_the_time_of_its_record(
    envelope: str, around: str, tmp_path: Path
) -> None:
    records = [around.replace("{}", json.dumps(ENVELOPES[envelope](line))) + "\n" for line in LINES]
    reading = read(write(tmp_path / "x.log", "".join(records).encode()))
    assert reading.points["loss"] == [(10, 2.9), (20, 2.8), (30, 2.7)]
    assert reading.times["loss"] == [NOON] * 3


def test_a_time_that_the_line_prints_goes_before_that_of_its_record(tmp_path: Path) -> None:
    record = {"timestamp": int(NOON), "message": "2024-03-01 11:00:00 INFO step 1 loss=0.5"}
    assert read(write(tmp_path / "x.log", json.dumps(record).encode() + b"\n")).times["loss"] == [
        NOON - 3_600_000
    ]


def test_the_rank_of_a_record_is_the_rank_of_its_line(tmp_path: Path) -> None:
    records = [
        json.dumps({"level": "info", "rank": rank, "msg": f"step {step} loss={rank + 0.5}"}) + "\n"
        for step in range(1, 300)
        for rank in (0, 1)
    ]
    reading = read(write(tmp_path / "x.log", "".join(records).encode()))
    assert reading.points["loss"] == [(step, 0.5) for step in range(1, 300)]


@pytest.mark.parametrize(
    "more",
    [{"loss": 0.5, "step": 7}, {"metrics": {"loss": 0.5}, "step": 7}, {"data": {"loss": 0.5, "step": 7}}],
)
def test_a_record_with_metrics_of_its_own_stays_a_record(more: Record, tmp_path: Path) -> None:
    record = {"time": "2024-03-01T12:00:00Z", "level": "info", "message": "step 9 loss=9.5", **more}
    reading = read(write(tmp_path / "x.jsonl", json.dumps(record).encode() + b"\n"))
    assert reading.points["loss"] == [(7, 0.5)]


def test_a_message_with_neither_time_nor_level_is_no_line_of_a_log() -> None:
    assert open_envelope(b'{"id": 7, "message": "step 9 loss=9.5"}', None) is None
