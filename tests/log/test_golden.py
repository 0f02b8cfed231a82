"""Each log format against golden lines: `golden/NAME.log` gives exactly `golden/NAME.expected.jsonl`.

The lines are made up, in the formats that the log formats' docstrings name; expectations were checked by eye.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lensd_log.formats import LOG_FORMATS
from lensd_log.structure.reader import STRUCTURE
from tests.log.reading import NOW_MS, Reading, read, write

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.log"))


def place(name: str, tmp_path: Path, data: bytes = b"") -> Path:
    """The golden log under the name by which its reader is chosen."""
    file = "events.jsonl" if name == "runicorn" else f"{name}.log"
    return write(tmp_path / file, data or (GOLDEN / f"{name}.log").read_bytes())


def rows(reading: Reading) -> list[dict[str, object]]:
    return [
        {
            "metric": name,
            "step": step,
            "value": str(value) if value in (1e999, -1e999) else value,
            "ts_ms": ts,
        }
        for name, points in reading.points.items()
        for (step, value), ts in zip(points, reading.times[name], strict=True)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_log_gives_its_points(name: str, tmp_path: Path) -> None:
    head, *expected = map(json.loads, (GOLDEN / f"{name}.expected.jsonl").read_text().splitlines())
    reading = read(place(name, tmp_path))
    assert rows(reading) == expected
    assert reading.last.log_format == head["log_format"]
    assert reading.facts == head["facts"]
    assert sum(batch.counts.matched for batch in reading.batches) == head["matched"]
    assert sum(batch.counts.unparsed for batch in reading.batches) == head["unparsed"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limits", [{"bytes": 1}, {"points": 1}, {"bytes": 100}])
def test_however_small_the_budget_the_points_are_the_same(
    name: str, limits: dict[str, Any], tmp_path: Path
) -> None:
    path = place(name, tmp_path)
    whole, parts = read(path), read(path, **limits)
    assert rows(parts) == rows(whole)
    assert (parts.facts, parts.targets) == (whole.facts, whole.targets)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_log_that_grows_byte_by_byte_gives_the_same_points(name: str, tmp_path: Path) -> None:
    whole = read(place(name, tmp_path))
    data = (GOLDEN / f"{name}.log").read_bytes()
    reading, path = Reading(), place(name, tmp_path, data[:1])
    for at in range(1, len(data) + 1):
        os.utime(path, (NOW_MS / 1000, NOW_MS / 1000))  # it is being written
        read(path, reading)
        with path.open("ab") as file:
            file.write(data[at : at + 1])
    read(write(path, data), reading)
    assert reading.points == whole.points
    assert not any(batch.restart for batch in reading.batches)


@pytest.mark.parametrize("name", NAMES)
def test_carriage_returns_at_line_ends_change_nothing(name: str, tmp_path: Path) -> None:
    data = (GOLDEN / f"{name}.log").read_bytes()
    whole = read(place(name, tmp_path)).points
    windows = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert read(place(name, tmp_path, windows)).points == whole


def test_every_log_format_has_golden_lines(tmp_path: Path) -> None:
    seen = {read(place(name, tmp_path)).last.log_format for name in NAMES}
    assert seen == {log_format.name for log_format in (*LOG_FORMATS, STRUCTURE)}
