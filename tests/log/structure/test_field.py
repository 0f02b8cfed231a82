"""Small logs, one way of printing each: those of `tests/data/logs-structure`, written before the reader was
run on them, and those of `../shared`.

Expected: metric -> [[step, value], ...]; `_any_step`: at some step; `_absent`: names that must not be there.
"""

import json
import random
from pathlib import Path

import pytest

from lensd_log import LogAdapter, reader
from tests.conftest import an_input
from tests.log.reading import MTIME, Reading, budget, plain, write

OWN = Path(__file__).parents[2] / "data" / "logs-structure"
FIELD = Path(__file__).parents[4] / "shared" / "data" / "logs-field"  # left out where it is not at hand
LOGS = [
    path
    for place in (FIELD, OWN)
    for path in sorted(place.glob("*"))
    if path.suffix in (".log", ".csv", ".jsonl")
]

PHASES = {"training": "train", "validation": "val", "valid": "val", "dev": "val", "eval": "val"}


def read_to_end(path: Path, reading: Reading, adapter: LogAdapter, **limits: float) -> Reading:
    while True:
        limit = budget(now_ms=1e13, final=True, **limits)
        reading.add(adapter.read(an_input(path, folder=""), reading.cursor, limit))
        if not reading.last.more:
            return reading


def words_of(name: str) -> tuple[str, ...]:
    """A name without its case, joiners and words of training: how it is spelt is not settled."""
    parts = "".join(c if c.isalnum() or c == "@" else " " for c in name.lower()).split()
    words = [PHASES.get(part, part) for part in parts]
    return tuple(word for word in words if word != "train") or tuple(words)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_log_of_no_known_format_gives_its_points(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text())
    points = read_to_end(path, Reading(), LogAdapter()).points
    absent = expected.pop("_absent", [])
    assert not points if absent == ["*"] else not points.keys() & set(absent)
    series = {words_of(name): rows for name, rows in points.items()}
    for name, values in expected.pop("_any_step", {}).items():
        have = [value for _, value in points.get(name) or series[words_of(name)]]
        assert all(value in have for value in values), name
    for name, rows in expected.items():
        have_rows = points.get(name) or series[words_of(name)]
        steps = [step for step, _ in have_rows]
        assert steps == sorted(steps), name  # a step that goes back would begin a new attempt
        assert all((step, plain(float(value))) in have_rows for step, value in rows), name


@pytest.mark.slow
@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_any_split_into_reads_gives_the_same_points(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes().removesuffix(b"\n") + b"\n"
    copy = tmp_path / path.name
    whole = read_to_end(write(copy, data), Reading(), LogAdapter()).points
    rng = random.Random(path.stem)
    for _ in range(3):
        reading = Reading()
        lines = [line + b"\n" for line in data.removesuffix(b"\n").split(b"\n")]
        cuts = sorted({rng.randrange(len(lines) + 1) for _ in range(4)} | {len(lines)})
        for cut in cuts:
            part = write(copy, b"".join(lines[:cut]), MTIME)
            while not reading.batches or reading.last.more:
                reading.add(LogAdapter().read(an_input(part, folder=""), reading.cursor, budget(points=2)))
            reading.last.more = True
        read_to_end(copy, reading, LogAdapter(), bytes=100)
        assert reading.points == whole


@pytest.mark.slow
@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_blocks_of_lines_are_read_as_single_ones(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_LEAST_BLOCK_BYTES", 20_000)
    data = path.read_bytes().rstrip(b"\n") + b"\n"
    copy = write(tmp_path / path.name, data * (25_000 // len(data) + 1))
    blocks = read_to_end(copy, Reading(), LogAdapter())
    lines = read_to_end(copy, Reading(), LogAdapter(), bytes=10_000)
    assert {name: sorted(rows, key=repr) for name, rows in blocks.points.items()} == {
        name: sorted(rows, key=repr) for name, rows in lines.points.items()
    }
