"""What every adapter must do, as a test suite to inherit.

    class TestMine(AdapterContract):
        def adapter(self): return MyAdapter()
        def write_sample(self, folder): ...; return path

The sample is one input of an ordinary run, a few hundred records at most. Needs pytest, and no store.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lensd.adapter import Adapter, Budget, InputDead, InputGone, ReadError
from lensd.discovery import Roots
from lensd.model import Batch, Input

#: The wall clock of all reads, UTC milliseconds: later than any modification time.
NOW_MS = 4_000_000_000_000.0
_MTIME_S = 1_795_000_000.0
_MOST_READS = 100_000


def budget(bytes: int = 4 << 20, points: int = 1 << 20, now_ms: float = NOW_MS) -> Budget:
    """A budget of bytes and points only: its clock stands still."""
    return Budget(bytes, points, 60.0, now_ms=now_ms, clock=lambda: 0.0)


class Reading:
    """Reads an input batch by batch. `values` is everything read: {name: [(iteration, value), ...]}."""

    def __init__(self, adapter: Adapter, input: Input, cursor: bytes | None = None) -> None:
        self.adapter = adapter
        self.input = input
        self.cursor = cursor
        self.batches: list[Batch] = []

    def step(self, limit: Budget | None = None) -> Batch:
        """One read."""
        batch = self.adapter.read(self.input, self.cursor, limit or budget())
        self.cursor = batch.cursor
        self.batches.append(batch)
        return batch

    def drain(self, bytes: int = 4 << 20, points: int = 1 << 20, now_ms: float = NOW_MS) -> Reading:
        """Read until there is no more."""
        for _ in range(_MOST_READS):
            if not self.step(budget(bytes, points, now_ms)).more:
                return self
        raise AssertionError("reading does not end: `more` stays true")

    @property
    def values(self) -> dict[str, list[tuple[int, Any]]]:
        values: dict[str, list[tuple[int, Any]]] = {}
        for batch in self.batches:
            for name, series in batch.series.items():
                shown: list[Any] = series.texts or [repr(v) for v in series.points.value.tolist()]
                values.setdefault(name, []).extend(zip(series.points.iteration.tolist(), shown, strict=True))
        return values


class AdapterContract(ABC):
    """The conformance suite. Lower `pieces` if reading the sample in many pieces takes too long."""

    #: In how many pieces the sample is written.
    pieces = 40

    @abstractmethod
    def adapter(self) -> Adapter:
        """A new adapter. A test may read through several."""

    @abstractmethod
    def write_sample(self, folder: Path) -> Path:
        """Write one input into the folder, and return its path."""

    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        folder = tmp_path / "runs" / "exp"
        folder.mkdir(parents=True)
        path = self.write_sample(folder)
        os.utime(path, (_MTIME_S, _MTIME_S))
        return path

    def input(self, path: Path) -> Input:
        """The input that discovery makes of a path."""
        inputs = self.adapter().discover(Roots([str(path.parents[1])]))
        input = next((input for input in inputs if input.path == str(path)), None)
        assert input, f"discover did not find {path.name}"
        return input

    def whole(self, path: Path) -> dict[str, list[tuple[int, Any]]]:
        """Everything in the file, read in one go."""
        return Reading(self.adapter(), self.input(path)).drain().values

    def rewrite(self, path: Path, data: bytes, mode: str = "wb") -> None:
        """Change the file but not its modification time, so that times inferred from it stay the same."""
        with path.open(mode) as file:
            file.write(data)
        os.utime(path, (_MTIME_S, _MTIME_S))

    def test_it_is_an_adapter(self) -> None:
        adapter = self.adapter()
        assert isinstance(adapter, Adapter)
        assert adapter.name
        assert adapter.data_source

    def test_discovery_is_stable(self, sample: Path) -> None:
        first, second = self.input(sample), self.input(sample)
        assert first == second
        assert first.adapter == self.adapter().name
        assert first.workload == "exp"

    def test_the_sample_has_points(self, sample: Path) -> None:
        assert sum(map(len, self.whole(sample).values())) > 0

    def test_columns_are_of_one_length(self, sample: Path) -> None:
        reading = Reading(self.adapter(), self.input(sample)).drain()
        for batch in reading.batches:
            for series in batch.series.values():
                points = series.points
                assert len(points.iteration) == len(points.ts_ms) == len(points.value) == len(points.row)
                assert (np.diff(points.row) >= 0).all(), "rows are in the order of the records"
                assert np.isfinite(points.ts_ms).all()

    def test_torn_anywhere_the_points_are_the_same(self, sample: Path) -> None:
        expected, data = self.whole(sample), sample.read_bytes()
        input = self.input(sample)
        self.rewrite(sample, b"")
        reading = Reading(self.adapter(), input)
        cuts = [len(data) * i // self.pieces for i in range(self.pieces + 1)]
        for begin, end in itertools.pairwise(cuts):
            self.rewrite(sample, data[begin:end], "ab")
            reading.drain(now_ms=_MTIME_S * 1000)  # it is being written: a torn line may go on
        assert reading.drain().values == expected

    def test_every_cursor_is_a_place_to_start_from(self, sample: Path) -> None:
        expected, input = self.whole(sample), self.input(sample)
        reading = Reading(self.adapter(), input)
        while reading.step(budget(512, 16)).more:
            reading.adapter = self.adapter()  # only the cursor is kept
        assert reading.values == expected

    def test_a_read_without_news_gives_none(self, sample: Path) -> None:
        reading = Reading(self.adapter(), self.input(sample)).drain()
        again = reading.step()
        assert again.point_count == 0
        assert not again.more
        assert not again.restart

    def test_the_budget_is_kept_and_progress_is_made(self, sample: Path) -> None:
        reading = Reading(self.adapter(), self.input(sample)).drain(bytes=1, points=1)
        assert reading.values == self.whole(sample)

    def test_truncation_is_noticed(self, sample: Path) -> None:
        data = sample.read_bytes()
        reading = Reading(self.adapter(), self.input(sample)).drain()
        self.rewrite(sample, data[: len(data) // 2])
        assert any(batch.restart for batch in _after(reading))

    def test_replacement_is_noticed(self, sample: Path) -> None:
        data = sample.read_bytes()
        reading = Reading(self.adapter(), self.input(sample)).drain()
        other = sample.with_name("other")
        other.write_bytes(data[::-1] + data)
        os.replace(other, sample)
        # Reversed, the sample may be unreadable.
        with contextlib.suppress(InputDead):
            assert any(batch.restart for batch in _after(reading))

    def test_a_vanished_input_is_gone_and_may_come_back(self, sample: Path) -> None:
        data = sample.read_bytes()
        reading = Reading(self.adapter(), self.input(sample)).drain()
        sample.unlink()
        with pytest.raises(InputGone):
            reading.step()
        self.rewrite(sample, data)
        assert reading.step().point_count == 0

    @pytest.mark.parametrize("garbage", [b"\0" * 3000, b"\xff\xfe\x80garbage\n" * 90, bytes(range(256)) * 9])
    def test_garbage_behind_the_sample_harms_nothing_before_it(self, sample: Path, garbage: bytes) -> None:
        expected, input = self.whole(sample), self.input(sample)
        self.rewrite(sample, garbage, "ab")
        reading = Reading(self.adapter(), input)
        assert _sentence(reading) != "", "an error is a sentence"
        for name, points in expected.items():
            assert reading.values.get(name, [])[: len(points)] == points

    def test_nothing_but_garbage_is_a_sentence_or_nothing(self, sample: Path) -> None:
        input = self.input(sample)
        self.rewrite(sample, b"\x00\x01\x02\xfe\xff" * 5000)
        reading = Reading(self.adapter(), input)
        assert _sentence(reading) != ""
        assert not reading.values

    def test_the_cursor_is_small(self, sample: Path) -> None:
        reading = Reading(self.adapter(), self.input(sample)).drain()
        assert len(reading.cursor or b"") < 16 << 10


def _sentence(reading: Reading) -> str | None:
    """The message of the error that reading to the end raises, or None."""
    try:
        reading.drain()
    except ReadError as error:
        return str(error).strip()
    return None


def _after(reading: Reading) -> list[Batch]:
    """The batches of reading further."""
    seen = len(reading.batches)
    reading.drain()
    return reading.batches[seen:]
