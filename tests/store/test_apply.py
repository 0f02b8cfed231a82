"""What the store shows after batches, and that it is what was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lensd.model import Batch, LogLine, Points, Restarts, Series
from lensd.store import Store
from lensd.store.plan import plan, plan_all
from tests.conftest import an_input


def a_batch(steps: list[int], values: list[float] | None = None, *, at: float = 0.0, name: str = "loss",
            restart: bool = False) -> Batch:  # fmt: skip
    numbers = [float(s) for s in steps] if values is None else values
    points = Points.of(steps, [at + 1000.0 * i for i in range(len(steps))], numbers)
    return Batch(b"c", {name: Series(points)}, restart=restart)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "x.db")
    yield opened
    opened.close()


def shown(store: Store, name: str = "loss") -> list[tuple[int, float]]:
    with store.read() as reader:
        workload = reader.workload("w")
        assert workload
        members = [m for m in reader.members(workload.id, kind="metric") if m.name == name]
        columns = [reader.read(part) for part in plan(members)]
        points = [(int(s), float(v)) for c in columns for s, v in zip(c.step, c.value, strict=True)]
        count = {view.name: view.points for view in reader.counts(workload.id) if view.kind == "metric"}[name]
        assert count == sum(np.isfinite(v) for _, v in points), "the count is what is shown"
        return points


def iterations(store: Store) -> int:
    with store.read() as reader:
        workload = reader.workload("w")
        assert workload
        return sum(view.points for view in reader.counts(workload.id) if view.kind == "iteration")


def test_strings_that_utf8_cannot_hold_are_written_out(store: Store) -> None:
    odd = an_input("/x/a\udcff.log", id="a", name="a\udcff.log", folder="/x/\udcfe", workload="w\udcfe")
    (input,) = store.register([odd])
    assert (input.workload, input.path) == ("w\\udcfe", odd.path)
    assert store.register([odd]) == [input], "it is the same one the next time"
    batch = a_batch([1, 2], name="loss\ud800")
    batch.facts["framework"] = "x\ud800"
    batch.series["stage"] = Series(Points.of([1], [0.0], [float("nan")]), texts=["warm\udfff"])
    batch.note = batch.log_format = batch.series["loss\ud800"].unit = "\ud800"
    batch.lines = [LogLine(0.0, "50 \udce2")]
    assert store.apply(input, batch) == 3
    with store.read() as reader:
        assert [member.name for member in reader.members(1, kind="metric")] == ["loss\\ud800"]
        assert reader.label_strings([1]) == {1: "warm\\udfff"}
        assert reader.facts(1) == {"framework": "x\\ud800"}
        assert reader.console_lines("a", 0, 10) == [(0, "50 \\udce2")]
    store.note_failure(odd, "gone", "a\udcff.log is gone")
    with store.read() as reader:
        (stored,) = reader.inputs(1)
    assert (stored.note, stored.log_format, stored.error) == ("\\ud800", "\\ud800", "a\\udcff.log is gone")


def test_points_come_back_as_they_went_in(store: Store) -> None:
    (input,) = store.register([an_input()])
    store.apply(input, a_batch([1, 2, 3], [0.5, float("nan"), float("inf")]))
    points = shown(store)
    assert points[0] == (1, 0.5)
    assert np.isnan(points[1][1])
    assert points[2] == (3, float("inf"))


def test_many_points_are_sealed_and_read_back(store: Store) -> None:
    (input,) = store.register([an_input()])
    for at in range(0, 30_000, 1500):
        store.apply(input, a_batch(list(range(at, at + 1500)), at=at * 1000.0))
    assert shown(store) == [(i, float(i)) for i in range(30_000)]
    assert iterations(store) == 30_000


def test_the_same_batch_twice_is_stored_once(store: Store) -> None:
    (input,) = store.register([an_input(restarts=Restarts.NEVER)])
    assert store.apply(input, a_batch([1, 2, 3])) == 3
    assert store.apply(input, a_batch([1, 2, 3])) == 0
    assert shown(store) == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_a_step_written_again_shows_its_newest_value(store: Store) -> None:
    (input,) = store.register([an_input()])
    store.apply(input, a_batch([1, 2, 3, 3], [1.0, 2.0, 3.0, 4.0]))
    store.apply(input, a_batch([3], [5.0], at=9e6))
    assert shown(store) == [(1, 1.0), (2, 2.0), (3, 5.0)]
    assert iterations(store) == 3


@pytest.mark.parametrize("split", [1, 2, 3, 4, 5, 6, 7])
def test_steps_that_go_back_begin_an_attempt_that_counts_from_there(store: Store, split: int) -> None:
    (input,) = store.register([an_input()])
    steps, values = [10, 20, 30, 40, 25, 35, 45], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    if split:
        store.apply(input, a_batch(steps[:split], values[:split]))
    if steps[split:]:
        store.apply(input, a_batch(steps[split:], values[split:], at=1e6))
    assert shown(store) == [(10, 1.0), (20, 2.0), (25, 5.0), (35, 6.0), (45, 7.0)]
    assert iterations(store) == 5
    with store.read() as reader:
        members = reader.members(1, kind="metric")
        assert [len(reader.read(part)) for part in plan_all(members)] == [4, 3]


def test_an_attempt_cuts_series_that_have_not_reported_in_it(store: Store) -> None:
    (input,) = store.register([an_input()])
    store.apply(input, a_batch([100, 150], name="val"))
    store.apply(input, a_batch([100, 110, 160]))
    store.apply(input, a_batch([120, 130]))
    assert shown(store, "val") == [(100, 100.0)]


def test_in_event_files_only_the_series_that_goes_back_begins_again(store: Store) -> None:
    (input,) = store.register([an_input(restarts=Restarts.SERIES)])
    store.apply(input, a_batch([1, 2, 3], name="curve"))
    store.apply(input, a_batch([100, 200]))
    store.apply(input, a_batch([1, 2], [7.0, 8.0], name="curve", at=1e6))
    assert shown(store, "curve") == [(1, 7.0), (2, 8.0)]
    assert shown(store) == [(100, 100.0), (200, 200.0)]


@pytest.mark.parametrize("restarts", list(Restarts))
def test_a_replaced_input_begins_again_and_keeps_what_was(store: Store, restarts: Restarts) -> None:
    (input,) = store.register([an_input(restarts=restarts)])
    store.apply(input, a_batch([1, 2, 3]))
    store.apply(input, a_batch([1, 2], [8.0, 9.0], at=1e6, restart=True))
    assert shown(store) == [(1, 8.0), (2, 9.0)]
    with store.read() as reader:
        assert [len(reader.read(p)) for p in plan_all(reader.members(1, kind="metric"))] == [
            3,
            2,
        ]


def test_inputs_that_follow_one_another_are_attempts(store: Store) -> None:
    first, second = store.register([an_input("/x/job-1.log"), an_input("/x/job-2.log")])
    store.apply(first, a_batch([10, 20, 30]))
    store.apply(second, a_batch([20, 30, 40], [-2.0, -3.0, -4.0], at=1e6))
    assert shown(store) == [(10, 10.0), (20, -2.0), (30, -3.0), (40, -4.0)]
    assert iterations(store) == 4


def test_of_inputs_that_overlap_the_first_by_path_is_shown(store: Store) -> None:
    second, first = store.register([an_input("/x/rank-1.log"), an_input("/x/rank-0.log")])
    store.apply(second, a_batch([10, 20, 30], [9.0, 9.0, 9.0]))
    store.apply(first, a_batch([10, 20], at=500.0))
    assert shown(store) == [(10, 10.0), (20, 20.0)]
    assert iterations(store) == 2


def test_a_structured_input_comes_before_text(store: Store) -> None:
    console, table = store.register([an_input("/x/a.log"), an_input("/x/b.log", structured=True)])
    store.apply(console, a_batch([0, 1], [0.69, 0.52]))
    store.apply(console, a_batch([0, 1], [0.1, 0.1], name="lr", at=1e5))
    store.apply(table, a_batch([0, 1], [0.6924, 0.5204], at=1e6))
    assert shown(store) == [(0, 0.6924), (1, 0.5204)]
    assert shown(store, "lr") == [(0, 0.1), (1, 0.1)]


def test_two_folders_that_claim_one_uid_stay_apart(store: Store) -> None:
    here, there = store.register([an_input("/x/a.log"), an_input("/x/b.log", folder="/y")])
    assert here.workload == "w"
    assert there.workload.startswith("w-")
    assert len(there.workload) == 6
    assert store.register([an_input("/x/b.log", folder="/y")]) == [there]


def test_a_folder_joins_the_workload_that_was_named_before(store: Store) -> None:
    """A push names a workload before the folder of its log is found, or after."""
    pushed, first, second = (an_input(id="p", folder=""), an_input(id="a"), an_input(id="b", folder="/other"))
    named = [store.register([input])[0].workload for input in (pushed, first, second)]
    assert named[0] == named[1] == "w"
    assert named[2].startswith("w-")
