"""Reading event files in tests: through the adapter, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lensd.adapter import Budget
from lensd.discovery import Roots
from lensd.model import Batch, Input
from lensd_tensorboard import TensorBoardAdapter

Column = tuple[list[int], list[float], list[float]]  # iteration, ts_ms, value


def budget(bytes: int = 1 << 40, points: int = 1 << 40) -> Budget:
    return Budget(bytes=bytes, points=points, seconds=1.0, clock=lambda: 0.0)


def inputs_below(*paths: Path) -> list[Input]:
    return list(TensorBoardAdapter().discover(Roots([str(path) for path in paths])))


def input_at(path: Path) -> Input:
    (input,) = inputs_below(path)
    return input


@dataclass
class Result:
    """All batches of an input in a row."""

    columns: dict[str, Column] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    cursor: bytes | None = None

    @property
    def skipped(self) -> int:
        return sum(batch.counts.skipped for batch in self.batches)

    @property
    def lag_bytes(self) -> int:
        return self.batches[-1].lag_bytes

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.cursor = batch.cursor
        for name, series in batch.series.items():
            columns = self.columns.setdefault(name, ([], [], []))
            columns[0].extend(series.points.iteration.tolist())
            columns[1].extend(series.points.ts_ms.tolist())
            columns[2].extend(series.points.value.tolist())


def read_to_end(
    input: Input,
    cursor: bytes | None = None,
    *,
    adapter: TensorBoardAdapter | None = None,
    limits: Sequence[int] = (1 << 40, 1 << 40),
) -> Result:
    """Read until there is no more, each read with a budget of `limits` (bytes, points)."""
    result = Result(cursor=cursor)
    adapter = adapter or TensorBoardAdapter()
    while True:
        batch = adapter.read(input, result.cursor, budget(*limits))
        result.add(batch)
        if not batch.more:
            return result
