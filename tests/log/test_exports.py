"""Exports of log collectors, the newest line first or in no order at all."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.log.reading import MTIME, Reading, read, write
from tests.log.test_discovery_content import walk_and_read

BEGIN_MS = 1_710_000_000_000


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


#: How collectors export a line with its time.
COLLECTORS: dict[str, Callable[[int, str], str]] = {
    "CloudWatch": lambda ms, line: json.dumps({"timestamp": ms, "message": line, "ingestionTime": ms + 9}),
    "GKE": lambda ms, line: json.dumps({"insertId": "x", "textPayload": line, "timestamp": iso(ms)}),
    "fluent-bit": lambda ms, line: json.dumps({"date": ms / 1000, "log": line, "stream": "stdout"}),
    "journald": lambda ms, line: json.dumps({"__REALTIME_TIMESTAMP": f"{ms}000", "MESSAGE": line}),
    "Loki": lambda ms, line: json.dumps({"labels": {"pod": "x"}, "line": line, "timestamp": iso(ms)}),
    "docker": lambda ms, line: json.dumps({"log": line + "\n", "stream": "stdout", "time": iso(ms)}),
}
LINES = ["loading", *(f"Epoch {n // 10 + 1} step {n}/60 loss: {3 - n / 40:.3f}" for n in range(60)), "saved"]
ORDERS: dict[str, Callable[[list[str]], list[str]]] = {
    "newest first": lambda lines: lines[::-1],
    "no order": lambda lines: random.Random(5).sample(lines, len(lines)),
    "two streams": lambda lines: [*lines[::2], *lines[1::2]],
}


def export(collector: str, lines: list[str] = LINES) -> list[str]:
    wrap = COLLECTORS[collector]
    return [wrap(BEGIN_MS + 1000 * number, line) for number, line in enumerate(lines)]


def joined(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def same(reading: Reading) -> tuple[object, ...]:
    return reading.points, reading.times, sorted(reading.targets)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("collector", COLLECTORS)
def test_an_export_has_the_points_of_the_lines_in_order(collector: str, order: str, tmp_path: Path) -> None:
    lines = export(collector)
    expected = read(write(tmp_path / "a.log", joined(lines)))
    assert [step for step, _ in expected.points["loss"]] == [*range(60)]
    reading = read(write(tmp_path / "b.log", joined(ORDERS[order](lines))))
    assert same(reading) == same(expected)
    assert not any(batch.restart for batch in reading.batches)


@pytest.mark.parametrize("limit", [{"points": 7}, {"bytes": 1500}])
def test_an_export_may_be_read_in_any_pieces(limit: dict[str, Any], tmp_path: Path) -> None:
    lines = export("GKE")[::-1]
    expected = read(write(tmp_path / "a.log", joined(lines)))
    pieces = read(write(tmp_path / "b.log", joined(lines)), **limit)
    assert same(pieces) == same(expected)
    assert len(pieces.batches) > 5
    assert pieces.last.lag_bytes == 0


def test_what_is_appended_to_an_export_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", joined(export("CloudWatch")[::-1]))
    reading = read(path)
    more = COLLECTORS["CloudWatch"](BEGIN_MS + 100_000, "Epoch 7 step 60/60 loss: 1.25")
    write(path, path.read_bytes() + joined([more]))
    assert read(path, reading).points["loss"][-1] == (60, 1.25)


def test_a_log_that_is_being_written_is_read_as_it_comes(tmp_path: Path) -> None:
    lines = export("docker")
    lines[5], lines[6] = lines[6], lines[5]
    reading = read(write(tmp_path / "x.log", joined(lines)), now_ms=MTIME * 1000)
    assert reading.points["loss"][4:6] == [(5, 2.875), (4, 2.9)]


def test_an_export_is_found_whatever_its_name_is(tmp_path: Path) -> None:
    path = write(tmp_path / "downloaded.json", joined(export("GKE")[::-1]))
    assert len(walk_and_read(path).points["loss"]) == 60
