"""Rows of long runs: as many as asked, each value that of its step, no spike lost, never the whole run."""

from __future__ import annotations

import itertools
import math
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lensd.api.encode import in_chunks, long_rows_json, rows_json
from lensd.model import Batch, Floats, Points, Restarts, Series
from lensd.query import long_rows, row_blocks
from lensd.query.results import Axis, RowTable
from lensd.query.rows import LongRows, RowCache
from lensd.store import Reader, Store, levels, sealing
from lensd.store import buckets as bucket
from tests.conftest import an_input

COUNT = 60_000
DECODE = Reader._decode_values_at


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
    assert isinstance(table, RowTable)
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
        assert cache.rows(reader, "w", "step", downsample=500) is first, "the answer is"
        entry = next(iter(cache._entries.values()))
        assert entry.table is None
        assert entry.bytes < 8 * COUNT
        assert (cache.stats().misses, cache.stats().hits) == (1, 1)


def test_columns_with_the_same_steps_are_counted_without_reading_them(store: Store) -> None:
    with store.read() as reader, mock.patch.object(type(reader), "read_values") as read:
        table = RowCache().rows(reader, "w", "step", downsample=500, metric_names=frozenset({"loss"}))
        assert table
        assert table.total == COUNT
        assert not read.called


def decoded(store: Store, cache: RowCache) -> int:
    """How many chunks were decoded for an answer, which is the same as one that is made anew."""
    with store.read() as reader:
        with mock.patch.object(Reader, "_decode_values_at", autospec=True, side_effect=DECODE) as read:
            table = cache.rows(reader, "w", "step", downsample=500)
        fresh = RowCache().rows(reader, "w", "step", downsample=500)
    assert isinstance(table, RowTable)
    assert isinstance(fresh, RowTable)
    for one, other in zip([table.axis, *table.values], [fresh.axis, *fresh.values], strict=True):
        np.testing.assert_array_equal(one, other)
    return read.call_count


def test_of_a_long_run_that_grew_only_what_was_added_is_read(store: Store) -> None:
    cache = RowCache()
    assert decoded(store, cache) > 10
    (input,) = store.register([an_input()])

    def add(steps: range, loss: float) -> None:
        for name in ("loss", "val"):
            points = Points.of(steps, (1.7e12 + step for step in steps), (loss for _ in steps))
            store.apply(input, Batch(b"c", {name: Series(points)}))

    add(range(COUNT, COUNT + 5000), 1.0)
    assert decoded(store, cache) <= 6
    assert cache.stats().incremental_updates == 1
    with mock.patch.object(sealing, "CHUNK", 100):  # a late input writes steps again
        add(range(33_000, 33_200), -1e6)
    assert decoded(store, cache) > 2


# Rows that are read while they are sent, and rows by candidates, against those of a table of everything

NAMES = ("a", "b", "c")
BATCHES = st.lists(
    st.tuples(
        st.integers(0, 60),  # the first step
        st.integers(1, 80),  # points
        st.sampled_from([1, 1, 3]),  # stride
        st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
        st.lists(st.sampled_from([0.0, 1.0, -2.5, 7.0, 1e9, math.nan, math.inf]), min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=5,
)


@contextmanager
def small() -> Iterator[None]:
    """Chunks, levels and blocks that a few points fill."""
    with (
        mock.patch.object(sealing, "CHUNK", 16),
        mock.patch.object(levels, "NODE", 4),
        mock.patch.object(bucket, "POINTS", 4),
        mock.patch.object(bucket, "FANOUT", 2),
        mock.patch.object(row_blocks, "BLOCK", 40),
        mock.patch.object(row_blocks, "PIECE", 64),
        mock.patch.object(row_blocks, "_CHUNK", 16),
    ):
        yield


def whole(answer: RowTable | LongRows | None, reader: Reader) -> tuple[list[float], dict[str, list[float]]]:
    """The axis and the columns of an answer, put together."""
    assert answer is not None
    tables = [answer] if isinstance(answer, RowTable) else list(answer.tables(reader))
    axis: list[float] = []
    columns: dict[str, list[float]] = {}
    for table in tables:
        for name in {*columns, *table.columns}:
            have = columns.setdefault(name, [])
            have += [math.nan] * (len(axis) - len(have))
            if name in table.columns:
                have += table.values[table.columns.index(name)].tolist()
        axis += table.axis.tolist()
    return axis, {name: have + [math.nan] * (len(axis) - len(have)) for name, have in columns.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("axis", "names"),
    [("step", None), ("step", frozenset("ab")), ("time", None)],
    ids=["step", "step-of-two", "time"],  # a set is not printed in the same order by every process
)
@given(
    written=BATCHES,
    restarts=st.sampled_from(list(Restarts)),
    inferred=st.booleans(),
)
@example(  # `b` shows a step that the attempts of `a` are cut before
    written=[(0, 1, 1, ["a"], [0.0]), (0, 3, 1, ["a", "b"], [0.0]), (1, 1, 1, ["b"], [0.0])],
    restarts=Restarts.INPUT,
    inferred=False,
)
@settings(max_examples=15)
def test_rows_of_a_long_run_are_those_of_its_table(
    axis: Axis,
    names: frozenset[str] | None,
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[int, int, int, list[str], list[float]]],
    restarts: Restarts,
    inferred: bool,
) -> None:
    with small(), closing(Store.open(tmp_path_factory.mktemp("rows") / "x.db")) as store:
        (input,) = store.register([an_input(restarts=restarts)])
        clock = 1.6e12
        for first, count, stride, metrics, values in written:
            steps = range(first, first + stride * count, stride)
            batch = Batch(b"c", time_inferred=inferred)
            for name in metrics:
                some = [values[(i * 7 + len(name)) % len(values)] for i in range(count)]
                times = [clock + (i // 2 if inferred else i) for i in range(count)]
                batch.series[name] = Series(Points.of(steps, times, some))
            clock += count
            store.apply(input, batch)
        with store.read() as reader:
            held = RowCache().rows(reader, "w", axis, downsample=None, metric_names=names)
            truth = whole(held, reader)
            with mock.patch.object(long_rows, "MOST_HELD", -1):
                all_rows = RowCache().rows(reader, "w", axis, downsample=None, metric_names=names)
                few = RowCache().rows(reader, "w", axis, downsample=20, metric_names=names)
            assert isinstance(all_rows, LongRows)
            assert held is not None
            assert few is not None
            compare(whole(all_rows, reader), truth)
            if names is None:
                assert (all_rows.total, few.total) == (len(truth[0]), len(truth[0]))
                assert all_rows.last_step == few.last_step == held.last_step
            chosen, columns = whole(few, reader)
            places = [truth[0].index(key) for key in chosen]
            compare((chosen, columns), (chosen, {n: [v[p] for p in places] for n, v in truth[1].items()}))
            assert len(chosen) <= 20
            if names is None and truth[0]:
                assert {0, len(truth[0]) - 1} <= set(places), "the first and the last row"
            for name, column in truth[1].items():
                finite = [value for value in column if math.isfinite(value)]
                if finite:
                    kept = [value for value in columns[name] if math.isfinite(value)]
                    assert (min(kept), max(kept)) == (min(finite), max(finite))


def compare(
    one: tuple[list[float], dict[str, list[float]]], other: tuple[list[float], dict[str, list[float]]]
) -> None:
    assert one[0] == other[0]
    for name in one[1].keys() | other[1].keys():
        empty = [math.nan] * len(one[0])
        np.testing.assert_array_equal(one[1].get(name, empty), other[1].get(name, empty))


# Memory


def peak_of(
    store: Store, axis: Axis, downsample: int | None, clients: int = 1, pieces: int = sys.maxsize
) -> int:
    """The most bytes that the first pieces of so many answers take at a time."""
    cache = RowCache()
    tracemalloc.start()
    try:
        with ExitStack() as stack:
            answers = []
            for _ in range(clients):
                reader = stack.enter_context(store.read(seconds=1e6))
                rows = cache.rows(reader, "w", axis, downsample=downsample)
                assert rows is not None
                made = rows_json(rows) if isinstance(rows, RowTable) else long_rows_json(rows, reader)
                answers.append(itertools.islice(in_chunks(made), pieces))
            while [piece for answer in answers for piece in itertools.islice(answer, 1)]:
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["step", "time"])
def test_metrics_that_report_at_different_steps_do_not_make_a_matrix(tmp_path: Path, axis: Axis) -> None:
    """100,000 steps of 151 names are 120 MB as a table, of which 800 kB are values."""
    with closing(Store.open(tmp_path / "x.db")) as store:
        (input,) = store.register([an_input()])
        store.apply(input, a_batch(100_000, ["loss"]))
        store.apply(input, a_batch(100_000, [f"m{k}" for k in range(150)], apart=True))
        for downsample in (None, 2000):
            assert peak_of(store, axis, downsample) < 24 << 20


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["step", "time"])
def test_all_answers_together_stay_within_their_bound(tmp_path: Path, axis: Axis) -> None:
    """Eight clients begin to take 1,200,000 points each."""
    with closing(Store.open(tmp_path / "x.db")) as store:
        (input,) = store.register([an_input()])
        store.apply(input, a_batch(60_000, [f"m{k}" for k in range(20)]))
        assert peak_of(store, axis, None, clients=8, pieces=3) < 64 << 20


def a_batch(count: int, names: list[str], *, apart: bool = False) -> Batch:
    """A point of each name at each of so many steps; apart: one point of each name, at different steps."""
    batch = Batch(b"c")
    for index, name in enumerate(names):
        steps = np.arange(count) if not apart else np.array([index * count // len(names)])
        times: Floats = 1.6e12 + steps.astype(np.float64)
        batch.series[name] = Series(Points(steps, times, steps.astype(np.float64), steps))
    return batch
