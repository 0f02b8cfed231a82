"""How the tests of the log adapter read: to the end, every cursor through its bytes."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lensd.adapter import Budget
from lensd.discovery import Roots
from lensd.model import Batch, Fact, Input
from lensd_log import LogAdapter
from tests.conftest import an_input

#: 2024-03-10 12:00:00 UTC: when files of these tests were last written, and a minute and a half later.
MTIME = 1_710_072_000.0
NOW_MS = (MTIME + 90) * 1000

Point = tuple[int, float | str]


@dataclass
class Reading:
    """Everything that was read of an input so far."""

    points: dict[str, list[Point]] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    targets: list[tuple[int, int]] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    cursor: bytes | None = None
    input: Input | None = None

    @property
    def last(self) -> Batch:
        return self.batches[-1]

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.cursor = batch.cursor
        self.facts.update(batch.facts)
        if batch.targets:
            columns = batch.targets.iteration.tolist(), batch.targets.value.tolist()
            self.targets += [(step, int(value)) for step, value in zip(*columns, strict=True)]
        for name, series in batch.series.items():
            values = series.texts if series.texts is not None else series.points.value.tolist()
            steps = series.points.iteration.tolist()
            self.points.setdefault(name, []).extend(zip(steps, map(plain, values), strict=True))
            self.times.setdefault(name, []).extend(series.points.ts_ms.tolist())


def plain(value: float | str) -> float | str:
    """NaN as a word, so that lists of values can be compared."""
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def input_of(path: Path) -> Input:
    """The input that the adapter itself makes of a file."""
    inputs = [input for input in LogAdapter().discover(Roots([str(path)])) if Path(input.path) == path]
    assert len(inputs) == 1, inputs
    return inputs[0]


def write(path: Path, data: bytes, mtime: float = MTIME) -> Path:
    path.write_bytes(data)
    os.utime(path, (mtime, mtime))
    return path


def budget(now_ms: float = NOW_MS, **limits: Any) -> Budget:
    return Budget(now_ms=now_ms, clock=lambda: 0.0, **limits)


def read(
    path: Path,
    reading: Reading | None = None,
    adapter: LogAdapter | None = None,
    now_ms: float = NOW_MS,
    **limits: Any,
) -> Reading:
    """Read on to the end from where `reading` stands."""
    reading = reading or Reading()
    adapter = adapter or LogAdapter()
    if reading.input is None:
        reading.input = input_of(path) if path.exists() else an_input(path, folder="")
    while True:
        reading.add(adapter.read(reading.input, reading.cursor, budget(now_ms, **limits)))
        if not reading.last.more:
            return reading


def everything(reading: Reading) -> tuple[object, ...]:
    """What must not depend on how a log was read: points, times, facts, counts."""
    counts = [
        sum(getattr(batch.counts, name) for batch in reading.batches)
        for name in ("records", "matched", "unparsed", "skipped", "bytes")
    ]
    return (
        reading.points,
        reading.times,
        sorted(reading.targets),
        reading.facts,
        counts,
        reading.last.log_format,
    )
