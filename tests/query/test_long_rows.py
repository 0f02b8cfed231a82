"""Rows of long runs: as many as asked, each value that of its step, no spike lost, never the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from lensd.model import Batch, Points, Series
from lensd.query import long_rows
from lensd.query.rows import RowCache
from lensd.store import Store
from tests.conftest import an_input

COUNT = 60_000


def value(name: str, step: int) -> float:
    if name == "loss" and step == 33_333:
        return 50.0
    return step / 7.0 if name == "loss" else -float(step)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "x.db")
    (input,) = opened.register([an_input()])
    batch = Batch(b"c")
    for name, steps in {"loss": range(COUNT), "val": range(0, COUNT, 10)}.items():
        points = Points.of(steps, (1.6e12 + step for step in steps), (value(name, step) for step in steps))
        batch.series[name] = Series(points)
    opened.apply(input, batch)
    with mock.patch.object(long_rows, "MOST_HELD", 10_000):
        yield opened
    opened.close()


@pytest.mark.parametrize("step_range", [None, (30_000, 49_999)])
def test_rows_have_the_values_of_their_steps(store: Store, step_range: tuple[int, int] | None) -> None:
    with store.read() as reader:
        table = RowCache().rows(reader, "w", "step", downsample=500, step_range=step_range)
    assert table
    lo, hi = step_range or (0, COUNT - 1)
    steps = table.axis.astype(np.int64)
    assert (steps[0], steps[-1], len(steps), table.total) == (lo, hi, 500, hi - lo + 1)
    assert table.columns == ["loss", "val"]
    assert table.values[0].tolist() == [value("loss", step) for step in steps.tolist()]
    expected = [value("val", step) if step % 10 == 0 else np.nan for step in steps.tolist()]
    assert np.array_equal(table.values[1], expected, equal_nan=True)
    assert 33_333 in steps


def test_a_run_that_is_long_is_never_held(store: Store) -> None:
    cache = RowCache()
    with store.read() as reader:
        first = cache.rows(reader, "w", "step", downsample=500)
        assert cache.stats().size == 0
        assert cache.rows(reader, "w", "step", downsample=500) is first, "the answer is"


def test_columns_with_the_same_steps_are_counted_without_reading_them(store: Store) -> None:
    with store.read() as reader, mock.patch.object(type(reader), "read_values") as read:
        table = RowCache().rows(reader, "w", "step", downsample=500, metric_names=frozenset({"loss"}))
        assert table
        assert table.total == COUNT
        assert not read.called
