"""Levels of detail against the points themselves: every piece of every range, whatever was written when."""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lensd.model import Batch, Input, Points, Restarts, Series
from lensd.store import Reader, Store, backlog, buckets, detail, levels, sealing
from lensd.store.columns import Columns
from lensd.store.detail import Bounds, BucketRun
from lensd.store.plan import Part
from tests.conftest import an_input


@contextmanager
def small_levels() -> Iterator[None]:
    """Chunks of 16 points, buckets of 4, nodes of 8: a few hundred points have several levels."""
    with (
        mock.patch.object(sealing, "CHUNK", 16),
        mock.patch.object(sealing, "BULK", 8),
        mock.patch.object(buckets, "POINTS", 4),
        mock.patch.object(buckets, "FANOUT", 2),
        mock.patch.object(levels, "NODE", 8),
    ):
        yield


def write(
    store: Store,
    input: Input,
    steps: list[int],
    ts_ms: list[float],
    values: list[float],
    *,
    more: bool = False,
) -> None:
    batch = Batch(cursor=b"", series={"loss": Series(Points.of(steps, ts_ms, values))}, more=more)
    store.apply(input, batch, at_ms=0.0)


values = st.one_of(
    st.floats(-10, 10), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 1e-300])
)


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[list[int], list[float], list[float]]]:
    """Batches that mostly go on, sometimes write steps again, and whose clock sometimes jumps."""
    step, clock, result = 0, 1.6e12, []
    for _ in range(draw(st.integers(1, 12))):
        step = max(0, step + draw(st.sampled_from([1, 1, 1, 3, -5, -40])))
        clock += draw(st.sampled_from([0.0, 10.0, 1000.0, -500.0]))
        count = draw(st.integers(1, 90))
        stride = draw(st.sampled_from([1, 1, 10]))
        steps = [step + stride * i for i in range(count)]
        times = [clock + 10.0 * i for i in range(count)]
        some = draw(st.lists(values, min_size=1, max_size=20))
        result.append((steps, times, [some[i * 7 % len(some)] for i in range(count)]))
        step, clock = steps[-1], times[-1]
    return result


def check(reader: Reader, part: Part, level: int, bounds: Bounds) -> None:
    """Pieces hold each point within the bounds once, and their buckets say what their points say."""
    truth = reader.read(part)
    wanted = truth.take(bounds.contain(truth))
    seen: list[int] = []
    for piece in detail.pieces(reader, part, level, bounds):
        if isinstance(piece, BucketRun):
            seen += check_buckets(detail.buckets_of(reader, part, piece), wanted)
        else:
            points = reader.read_window(piece.window, piece.part)
            seen += points.step[np.isin(points.step, wanted.step)].tolist()
    assert seen == wanted.step.tolist()


def check_all(store: Store) -> None:
    """Pieces of every series are its points, at every level."""
    with store.read() as reader:
        (workload,) = reader.workloads()
        for member in reader.members(workload.id, kind="metric"):
            for span in member.spans:
                for level in (0, 2):
                    check(reader, Part(member.series, span.attempt), level, Bounds())


def nodes_wait(path: Path) -> int:
    """How many series have chunks without nodes."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM node_backlog").fetchone()[0])


def stored_nodes(path: Path) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT series_id, attempt, level, min_step, max_step, points FROM node ORDER BY 1, 2, 3, 4"
        return db.execute(sql).fetchall()


def killed(store: Store, path: Path) -> Path:
    """What a kill at this moment leaves on disk: what was committed, and nothing of what is in memory."""
    left = path.with_name(f"{path.stem}-.db")
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(left)) as copy:
        db.backup(copy)
    store.close()
    return left


def check_buckets(summaries: buckets.Buckets, points: Columns) -> list[int]:
    steps: list[int] = []
    for i in range(len(summaries)):
        at = int(np.searchsorted(points.step, summaries.first_step[i]))
        inside = points.take(slice(at, at + int(summaries.points[i])))
        steps += inside.step.tolist()
        assert inside.step[0] == summaries.first_step[i]
        assert inside.ts_ms[0] == summaries.first_ts[i]
        finite = inside.take(np.isfinite(inside.value))
        assert len(finite) == summaries.finite[i]
        if len(finite):
            low, high = int(finite.value.argmin()), int(finite.value.argmax())
            assert (finite.step[low], finite.ts_ms[low], finite.value[low]) == (
                summaries.low_step[i], summaries.low_ts[i], summaries.low[i],
            )  # fmt: skip
            assert (finite.step[high], finite.ts_ms[high], finite.value[high]) == (
                summaries.high_step[i], summaries.high_ts[i], summaries.high[i],
            )  # fmt: skip
            if abs(finite.value).max() < 1e100:
                assert summaries.mean[i] == pytest.approx(finite.value.mean(), rel=1e-6, abs=1e-6)
        else:
            assert np.isnan(summaries.low[i])
    return steps


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [Restarts.NEVER, Restarts.SERIES])
@given(
    written=batches(),
    lo=st.integers(0, 500),
    length=st.integers(1, 600),
    start=st.one_of(st.none(), st.integers(-2000, 5000)),
    spread=st.integers(0, 5000),
    since=st.one_of(st.none(), st.integers(0, 12)),
    level=st.integers(0, 5),
)
@settings(max_examples=40, deadline=None)
def test_pieces_are_the_points(
    restarts: Restarts,
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[list[int], list[float], list[float]]],
    lo: int,
    length: int,
    start: int | None,
    spread: int,
    since: int | None,
    level: int,
) -> None:
    with small_levels():
        path = tmp_path_factory.mktemp("levels") / "x.db"
        store = Store.open(path)
        (input,) = store.register([an_input(restarts=restarts)])
        for batch in written:
            write(store, input, *batch)
        bounds = Bounds(
            None if start is None else int(1.6e12) + start,
            None if start is None else int(1.6e12) + start + spread,
            since,
        )
        with store.read() as reader:
            (workload,) = reader.workloads()
            for member in reader.members(workload.id, kind="metric"):
                for span in member.spans:
                    whole = Part(member.series, span.attempt)
                    for part in (whole, whole.clipped(lo, lo + length)):
                        check(reader, part, level, Bounds())
                        check(reader, part, level, bounds)
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [Restarts.NEVER, Restarts.SERIES])
@given(
    written=batches(), fates=st.lists(st.tuples(st.booleans(), st.sampled_from(["", "", "kill", "catch up"])))
)
@settings(max_examples=25, deadline=None)
def test_a_kill_between_points_and_levels_leaves_both_true(
    restarts: Restarts,
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[list[int], list[float], list[float]]],
    fates: list[tuple[bool, str]],
) -> None:
    """Batches with more to follow, after which levels may wait in memory; kills, after which they are made
    from chunks: at once, if it is a few, else by catching up."""
    path = tmp_path_factory.mktemp("levels") / "x.db"
    with small_levels(), mock.patch.object(backlog, "CHUNKS", 3), mock.patch.object(backlog, "_AT_ONCE", 5):
        store = Store.open(path)
        (input,) = store.register([an_input(restarts=restarts)])
        for index, batch in enumerate(written):
            more, fate = fates[index] if index < len(fates) else (False, "")
            write(store, input, *batch, more=more)
            if fate == "kill":
                path = killed(store, path)
                store = Store.open(path)
            elif fate == "catch up":
                store.catch_up()
            check_all(store)
        while store.catch_up():
            check_all(store)
        store.close()
        assert nodes_wait(path) == 0
        store = Store.open(path)
        check_all(store)
        store.close()


@pytest.mark.slow
@given(cuts=st.lists(st.integers(1, 1999), unique=True, max_size=12), kills=st.sets(st.integers(0, 12)))
@settings(max_examples=25, deadline=None)
def test_levels_of_what_is_read_in_many_batches_hold_all_of_it(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], kills: set[int]
) -> None:
    path = tmp_path_factory.mktemp("levels") / "x.db"
    edges = [0, *sorted(cuts), 2000]
    with small_levels():
        store = Store.open(path)
        (input,) = store.register([an_input()])
        for index, (lo, hi) in enumerate(itertools.pairwise(edges)):
            steps = list(range(lo, hi))
            write(store, input, steps, [1.6e12 + i for i in steps], [1.0] * len(steps), more=True)
            if index in kills:
                path = killed(store, path)
                store = Store.open(path)
        while store.catch_up():
            pass
        store.close()
        with closing(sqlite3.connect(path)) as db:
            sql = "SELECT series_id, sum(points) FROM {} GROUP BY series_id"
            in_nodes = db.execute(sql.format("(SELECT * FROM node WHERE level = 0)")).fetchall()
            assert in_nodes == db.execute(sql.format("chunk")).fetchall()
        assert nodes_wait(path) == 0


def test_levels_do_not_depend_on_when_they_are_stored(tmp_path: Path) -> None:
    nodes = []
    for name, more in (("now.db", False), ("later.db", True)):
        store = Store.open(tmp_path / name)
        (input,) = store.register([an_input()])
        with small_levels():
            for at in range(0, 3000, 100):
                steps = list(range(at, at + 100))
                write(store, input, steps, [1.6e12 + i for i in steps], [1.0] * 100, more=more and at < 2900)
        store.close()
        nodes.append(stored_nodes(tmp_path / name))
    assert nodes[0] == nodes[1]
    assert len({node[2] for node in nodes[0]}) > 3, "several levels"


def test_nodes_are_written_once_while_more_is_read(tmp_path: Path) -> None:
    """Each time a node is stored costs about as much as storing a chunk."""
    store = Store.open(tmp_path / "x.db")
    (input,) = store.register([an_input()])
    insert = levels.LevelWriter._insert
    with (
        small_levels(),
        mock.patch.object(levels.LevelWriter, "_insert", autospec=True, side_effect=insert) as stored,
    ):
        for at in range(0, 4000, 40):
            steps = list(range(at, at + 40))
            write(store, input, steps, [1.6e12 + i for i in steps], [1.0] * 40, more=at < 3960)
        assert stored.call_count == len(stored_nodes(tmp_path / "x.db"))
    store.close()


def test_a_long_series_is_a_few_nodes_at_each_level(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    (input,) = store.register([an_input()])
    count = 5_000
    with small_levels():
        for at in range(0, count, 100):
            steps = list(range(at, at + 100))
            write(store, input, steps, [1.6e12 + step for step in steps], [float(step % 7) for step in steps])
        with store.read() as reader:
            (workload,) = reader.workloads()
            (member,) = reader.members(workload.id, kind="metric")
            part = Part(member.series, 1)
            top = reader.top_level(part)
            read_pieces = list(detail.pieces(reader, part, top))
            assert 4 * 2 ** (top - 1) * 8 <= count, "a level begins when the one below it has a full node"
            runs = [piece for piece in read_pieces if isinstance(piece, BucketRun)]
            assert {piece.node.level for piece in runs} >= {top, 0}
            assert len(runs) <= 2 * (top + 1)
            assert sum(piece.points for piece in read_pieces) == count
            assert detail.count(reader, part) == count
            assert detail.count(reader, part, 1003, 4001) == 4001 - 1003
    store.close()


def test_steps_written_again_take_the_place_of_what_their_buckets_said(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    (input,) = store.register([an_input(restarts=Restarts.NEVER)])
    with small_levels():
        write(store, input, list(range(200)), [1.6e12 + i for i in range(200)], [1.0] * 200)
        write(store, input, [50], [1.7e12], [99.0])
        with store.read() as reader:
            (workload,) = reader.workloads()
            (member,) = reader.members(workload.id, kind="metric")
            part = Part(member.series, 1)
            read_pieces = list(detail.pieces(reader, part, 5))
            assert any(isinstance(piece, BucketRun) for piece in read_pieces)
            highest = max(
                detail.buckets_of(reader, part, piece).high.max()
                if isinstance(piece, BucketRun)
                else reader.read_window(piece.window, piece.part).value.max()
                for piece in read_pieces
            )
            assert highest == 99.0
    store.close()


def test_a_step_written_again_is_new_though_its_buckets_are_old(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    (input,) = store.register([an_input(restarts=Restarts.NEVER)])
    with small_levels():
        write(store, input, list(range(1, 9)), [1.6e12 + i for i in range(1, 9)], [0.0] * 8)
        write(store, input, [4], [1.7e12], [1.0])
        with store.read() as reader:
            part = Part(reader.members(reader.workloads()[0].id, kind="metric")[0].series, 1)
            check(reader, part, 0, Bounds(since=1))
    store.close()


def test_an_older_database_gets_its_levels_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    count = 3000
    with small_levels():
        store = Store.open(path)
        (input,) = store.register([an_input()])
        write(store, input, list(range(count)), [1.6e12 + i for i in range(count)], [1.0] * count)
        store.close()
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM node")
            db.execute("INSERT INTO node_backlog SELECT DISTINCT series_id, attempt, 0, NULL FROM chunk")
        db.close()

        store = Store.open(path)
        calls = 0
        while store.catch_up():
            calls += 1
            if calls == 2:  # what is sealed in between waits for its turn
                write(
                    store, input, list(range(count, count + 64)), [1.7e12 + i for i in range(64)], [2.0] * 64
                )
        assert calls > 4
        assert nodes_wait(path) == 0
        with store.read() as reader:
            (workload,) = reader.workloads()
            for member in reader.members(workload.id):
                part = Part(member.series, 1)
                read_pieces = list(detail.pieces(reader, part, reader.top_level(part)))
                assert any(isinstance(piece, BucketRun) for piece in read_pieces)
                assert sum(piece.points for piece in read_pieces) == count + 64
                check(reader, part, 3, Bounds())
        store.close()


def test_an_older_database_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store = Store.open(path)
    (input,) = store.register([an_input()])
    write(store, input, list(range(9000)), [1.6e12 + i for i in range(9000)], [1.0] * 9000)
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE node")
    db.close()
    store = Store.open(path, read_only=True)
    with store.read() as reader:
        (workload,) = reader.workloads()
        (member,) = reader.members(workload.id, kind="metric")
        assert detail.count(reader, Part(member.series, 1)) == 9000
    store.close()


def test_an_input_that_is_read_anew_leaves_no_levels(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    (input,) = store.register([an_input()])
    write(store, input, list(range(9000)), [1.6e12 + i for i in range(9000)], [1.0] * 9000)
    store.register([replace(input, prefix="train/")])
    with store.read() as reader:
        assert all(reader.top_level(Part(series, 1)) == -1 for series in range(9))
    store.close()
