"""A read takes no more than its budget, and no more memory than a block."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from lensd.adapter import Budget
from lensd_tensorboard import TensorBoardAdapter
from tests.tensorboard.reading import budget, input_at, read_to_end
from tests.tensorboard.writing import event, field, simple, version

pytestmark = pytest.mark.slow  # records of many megabytes

STEP = [b"loss", b"acc", b"lr"]


def scalars(first: int, count: int) -> bytes:
    return b"".join(
        event(1_795_000_000.0 + step / 8, step, simple(tag, step))
        for step in range(first, first + count)
        for tag in STEP
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "events.out.tfevents.1795000000.host.1.0"
    path.write_bytes(version() + scalars(1, 3000))
    return path


@pytest.mark.parametrize("most", [1, 7, 100, 5000])
def test_points_are_never_more_than_asked_for(path: Path, most: int) -> None:
    batch = TensorBoardAdapter().read(input_at(path), None, budget(points=most))
    assert (batch.point_count, batch.more) == (most, True)


@pytest.mark.parametrize("most", [200, 5_000, 50_000])
def test_bytes_are_never_more_than_asked_for(path: Path, most: int) -> None:
    batch = TensorBoardAdapter().read(input_at(path), None, budget(bytes=most))
    assert most - 100 < batch.counts.bytes <= most
    assert batch.more


def test_one_record_is_read_however_small_the_budget_is(path: Path) -> None:
    spent = Budget(bytes=0, points=0, seconds=0.0, clock=lambda: 0.0)
    first = TensorBoardAdapter().read(input_at(path), None, spent)
    assert (first.counts.records, first.more) == (1, True)
    second = TensorBoardAdapter().read(input_at(path), first.cursor, spent)
    assert second.point_count == 1


def test_time_ends_a_read(path: Path) -> None:
    ticks = iter(range(1_000_000))
    timed = Budget(bytes=1 << 30, points=1 << 30, seconds=3.0, clock=lambda: float(next(ticks)))
    batch = TensorBoardAdapter().read(input_at(path), None, timed)
    assert batch.more
    assert 0 < batch.point_count < 9000


@pytest.mark.parametrize("limits", [(1 << 30, 1 << 30), (5_000, 1 << 30), (1 << 30, 100), (700, 11)])
def test_the_points_are_the_same_whatever_the_budget_is(path: Path, limits: tuple[int, int]) -> None:
    result = read_to_end(input_at(path), limits=limits)
    steps = list(range(1, 3001))
    assert set(result.columns) == {"loss", "acc", "lr"}
    for name, (iteration, _, value) in result.columns.items():
        assert iteration == steps, name
        assert value == steps, name


def test_a_record_larger_than_budget_and_block_is_stepped_over_in_bounded_memory(path: Path) -> None:
    image = event(1_795_000_000.0, 1, field(1, b"image") + field(4, b"\x01" * (24 << 20)))
    path.write_bytes(version() + scalars(1, 5) + image + scalars(6, 5))
    del image
    input = input_at(path)
    tracemalloc.start()
    try:
        result = read_to_end(input, limits=(4096, 1 << 30))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.columns["loss"][0] == list(range(1, 11))
    assert (result.skipped, result.lag_bytes) == (0, 0)
    assert peak < 8 << 20


def test_a_large_record_that_is_not_whole_is_waited_for(path: Path) -> None:
    image = event(1_795_000_000.0, 1, field(1, b"image") + field(4, b"\x01" * (3 << 20)))
    data = version() + scalars(1, 1) + image
    path.write_bytes(data[:-1])
    before = read_to_end(input_at(path))
    assert before.lag_bytes == len(image) - 1
    path.write_bytes(data + scalars(2, 1))
    assert read_to_end(input_at(path), before.cursor).columns["loss"][0] == [2]


def test_scalars_in_a_record_longer_than_the_budget_are_read(path: Path) -> None:
    many = event(1_795_000_000.0, 1, *(simple(b"tag %d" % index, index) for index in range(5000)))
    path.write_bytes(version() + many)
    result = read_to_end(input_at(path), limits=(1000, 10))
    assert len(result.columns) == 5000
