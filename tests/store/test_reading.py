"""Queries: ranges, downsampling, rows, the cache of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from lensd.model import Batch, Points, Restarts, Series
from lensd.query import lens, workloads
from lensd.query.downsample import downsample, downsample_rows
from lensd.query.results import RowTable, Selection, Slice
from lensd.query.rows import RowCache
from lensd.store import ReadTimeout, Store
from lensd.store.plan import plan
from tests.conftest import an_input

START = 1_795_000_000_000.0


def a_batch(steps: range, *names: str, every_ms: float = 1000.0) -> Batch:
    at = np.arange(steps.start, steps.stop, steps.step, dtype=np.int64)
    seconds = at.astype(np.float64)
    return Batch(
        b"c",
        {
            name: Series(Points(at, START + seconds * every_ms, np.sin(seconds / 50.0) + number, at.copy()))
            for number, name in enumerate(names)
        },
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "x.db", clock=lambda: START / 1000.0)
    yield opened
    opened.close()


def ask(store: Store, selection: Selection) -> list[Slice]:
    with store.read() as reader:
        return list(lens.points(reader, "w", selection)[1])


def steps(slices: list[Slice]) -> list[int]:
    return [int(step) for part in slices for step in part.iteration]


def test_both_ends_of_a_time_range_are_included(store: Store) -> None:
    (input,) = store.register([an_input()])
    store.apply(input, a_batch(range(10_000), "loss"))
    start, end = int(START) + 4000_000, int(START) + 6000_000
    assert steps(ask(store, Selection(start_ms=start, end_ms=end))) == list(range(4000, 6001))


def test_what_came_since_is_all_that_came_since(store: Store) -> None:
    (input,) = store.register([an_input()])
    store.apply(input, a_batch(range(5000), "loss"))
    version = store.version()
    assert ask(store, Selection(since=version)) == []
    store.apply(input, a_batch(range(5000, 9500), "loss"))
    assert steps(ask(store, Selection(since=version))) == list(range(5000, 9500))


def test_downsampling_keeps_ends_and_peaks(store: Store) -> None:
    (input,) = store.register([an_input()])
    batch = a_batch(range(20_000), "loss")
    batch.series["loss"].points.value[7777] = 99.0
    store.apply(input, batch)
    downsampled = ask(store, Selection(downsample=100))
    values = np.concatenate([part.value for part in downsampled])
    assert len(values) <= 100
    assert values.max() == 99.0
    assert (steps(downsampled)[0], steps(downsampled)[-1]) == (0, 19_999)
    with store.read() as reader:
        assert lens.points(reader, "w", Selection(downsample=100))[0].total_points == 20_000


def test_downsampling_many_points_decodes_few_chunks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (input,) = store.register([an_input()])
    batch = a_batch(range(4096 * 300), "loss")
    batch.series["loss"].points.value[600_001] = 99.0
    store.apply(input, batch)
    with store.read() as reader:
        read_window = Mock(wraps=reader.read_window)
        monkeypatch.setattr(reader, "read_window", read_window)
        _, slices = lens.points(reader, "w", Selection(downsample=100))
        values = np.concatenate([part.value for part in slices])
    assert values.max() == 99.0
    assert len(values) <= 100
    assert read_window.call_count <= 2, "the ends only: buckets stand for the rest"


def test_a_clock_that_jumps_back_keeps_the_answer_in_order_of_time(store: Store) -> None:
    (input,) = store.register([an_input(restarts=Restarts.NEVER)])
    batch = a_batch(range(12_000), "loss")
    batch.series["loss"].points.ts_ms[6000:] -= 3600_000.0
    store.apply(input, batch)
    slices = ask(store, Selection())
    times = np.concatenate([part.ts_ms for part in slices])
    assert (np.diff(times) >= 0).all()
    assert sorted(steps(slices)) == list(range(12_000))


def test_rows_hold_what_each_step_has(store: Store) -> None:
    (input,) = store.register([an_input()])
    store.apply(input, a_batch(range(0, 100, 1), "loss"))
    store.apply(input, a_batch(range(0, 100, 10), "val"))
    cache = RowCache()
    with store.read() as reader:
        table = cache.rows(reader, "w", "step", downsample=None)
        assert isinstance(table, RowTable)
        assert table.columns == ["loss", "val"]
        assert (table.total, len(table), table.last_step) == (100, 100, 99)
        assert int(np.isfinite(table.values[1]).sum()) == 10
        assert cache.rows(reader, "nobody", "step", downsample=None) is None


@pytest.mark.parametrize("inferred", [True, False])
def test_a_workload_names_the_sources_whose_times_were_inferred(store: Store, inferred: bool) -> None:
    (input,) = store.register([an_input()])
    batch = a_batch(range(3), "loss")
    batch.time_inferred = inferred
    store.apply(input, batch)
    with store.read() as reader:
        (workload,) = workloads.workloads(reader, None, None)
    assert workload.times_inferred == ([input.data_source] if inferred else [])


@pytest.mark.parametrize(("inferred", "count"), [(True, 60), (False, 1)])
def test_records_at_one_time_are_one_row_unless_the_time_was_inferred(
    store: Store, inferred: bool, count: int
) -> None:
    (input,) = store.register([an_input()])
    batch = a_batch(range(60), "loss", "val", every_ms=0.0)
    batch.time_inferred = inferred
    store.apply(input, batch)
    with store.read() as reader:
        table = RowCache().rows(reader, "w", "time", downsample=None)
    assert isinstance(table, RowTable)
    assert len(table) == count
    assert all(np.isfinite(column).all() for column in table.values)


def test_the_cache_counts_what_it_does(store: Store) -> None:
    (input,) = store.register([an_input()])
    store.apply(input, a_batch(range(1000), "loss", "val"))
    cache = RowCache()

    def look() -> tuple[int, int, int]:
        with store.read() as reader:
            table = cache.rows(reader, "w", "step", downsample=None)
            fresh = RowCache().rows(reader, "w", "step", downsample=None)
        assert isinstance(table, RowTable)
        assert isinstance(fresh, RowTable)
        for one, other in zip([table.axis, *table.values], [fresh.axis, *fresh.values], strict=True):
            np.testing.assert_array_equal(one, other)
        stats = cache.stats()
        return stats.hits, stats.misses, stats.incremental_updates

    assert look() == (0, 1, 0)
    assert look() == (1, 1, 0)
    store.apply(input, a_batch(range(1000, 6000), "loss", "val"))
    assert look() == (1, 1, 1)
    store.apply(input, a_batch(range(6000, 6010), "loss"))
    assert look() == (1, 1, 2)
    store.apply(input, a_batch(range(500, 600), "loss"))  # a restart: rows it had must change
    assert look() == (1, 2, 2)
    assert cache.stats().hit_rate == 0.2


def test_rows_of_many_columns_keep_their_spikes() -> None:
    chance = np.random.default_rng(5)
    columns = [chance.normal(size=100_000) for _ in range(9)]
    spikes = chance.choice(100_000, (9, 20), replace=False)
    for column, places in zip(columns, spikes, strict=True):
        column[places] = 1e4
    kept = set(downsample_rows(np.arange(100_000), columns, 2000).tolist())
    assert len(kept) == 2000
    assert {0, 99_999} <= kept
    assert sum(int(place) in kept for places in spikes for place in places) >= 165


@pytest.mark.parametrize("count", [100, 101, 150])
def test_downsampling_rows_gives_exactly_as_many(count: int) -> None:
    values = [np.full(5000, math.nan), np.zeros(5000), np.linspace(0, 1, 5000)]
    values[0][::700] = 1.0
    index = downsample_rows(np.arange(5000), values, count)
    assert len(index) == count
    assert (np.diff(index) > 0).all()
    np.testing.assert_array_equal(index, downsample_rows(np.arange(5000), values, count))


def test_downsampling_a_range_beyond_floats() -> None:
    values = np.concatenate((np.linspace(-1.7e308, 0, 1500), np.linspace(0, 1.7e308, 1500)))
    assert len(downsample_rows(np.arange(3000), [values], 100)) == 100
    assert len(downsample(np.arange(3000), values, 100)) <= 100


def test_a_read_that_takes_too_long_is_stopped(store: Store) -> None:
    (input,) = store.register([an_input()])
    for begin in range(0, 4000, 400):  # small batches stay rows, which take SQLite some work to read
        store.apply(input, a_batch(range(begin, begin + 400), "loss"))
    with store.read(seconds=-1.0) as reader:
        reader.allow(30.0)
        (loss,) = reader.members(1, kind="metric")
        (part,) = plan([loss])
        assert len(reader.read(part)) == 4000
    with pytest.raises(ReadTimeout, match="longer than"), store.read(seconds=-1.0) as reader:
        reader.read(part)


def test_a_batch_that_fails_leaves_nothing_behind(store: Store) -> None:
    (input,) = store.register([an_input()])
    store.apply(input, a_batch(range(10), "loss"))
    bad = a_batch(range(10, 20), "loss")
    bad.facts["x"] = object()  # type: ignore[assignment]  # cannot be encoded, after the points were written
    with pytest.raises(TypeError):
        store.apply(input, bad)
    assert steps(ask(store, Selection())) == list(range(10))
    store.apply(input, a_batch(range(10, 12), "loss"))
    assert steps(ask(store, Selection())) == list(range(12))
