"""When iterations were reported, of a run so long that buckets stand for them."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np

from lensd.model import Batch, Floats, Points, Series
from lensd.query import lens
from lensd.query.downsample import downsample
from lensd.query.results import Selection
from lensd.store import Reader, Store
from tests.conftest import an_input

COUNT = 300_000


def test_a_long_run_is_not_read_to_be_downsampled(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    (input,) = store.register([an_input()])
    times: Floats = 1.6e12 + np.arange(COUNT, dtype=np.float64) * 100.0
    times[200_000:] += 3600_000.0  # a stall of an hour
    steps = np.arange(COUNT, dtype=np.int64)
    batch = Batch(b"c", {"loss": Series(Points(steps, times, np.ones(COUNT), steps))})
    batch.targets = Points(steps, times, np.full(COUNT, float(COUNT)), steps)
    store.apply(input, batch)
    with (
        store.read() as reader,
        mock.patch.object(Reader, "read_window", autospec=True, side_effect=Reader.read_window) as read,
    ):
        info, slices = lens.iteration_times(reader, "w", Selection(downsample=1000))
        parts = list(slices)
        assert read.call_count <= 4, "the ends only"
    store.close()
    step = np.concatenate([part.iteration for part in parts])
    ts_ms = np.concatenate([part.ts_ms for part in parts])
    assert info.total_points == COUNT
    assert (step[0], step[-1]) == (0, COUNT - 1)
    assert 900 < len(step) <= 1000
    assert (ts_ms == times[step]).all()
    assert {part.target[0] for part in parts} == {COUNT}
    gap = int(np.diff(ts_ms).argmax())
    assert step[gap] < 200_000 <= step[gap + 1], "the stall is where it was"


def test_of_several_sources_each_iteration_is_at_its_earliest_time_and_few_are_held(tmp_path: Path) -> None:
    """The log is late for the first half, the event file for the second."""
    store = Store.open(tmp_path / "x.db")
    count = 40_000
    steps = np.arange(count, dtype=np.int64)
    times: Floats = 1.6e12 + steps.astype(np.float64) * 100.0
    times[30_000:] += 3600_000.0
    late = np.where(steps < count // 2, 50.0, 0.0)
    for source, own in (("log", times + late), ("tensorflow", times + 50.0 - late)):
        (input,) = store.register([an_input(f"/x/{source}", data_source=source)])
        store.apply(input, Batch(b"c", {"loss": Series(Points(steps, own, np.ones(count), steps))}))
    with (
        store.read() as reader,
        mock.patch.object(lens, "_MOST_KEPT", 2000),
        mock.patch("lensd.query.lens.downsample", side_effect=downsample) as choose,
    ):
        info, slices = lens.iteration_times(reader, "w", Selection(downsample=1000))
        parts = list(slices)
    store.close()
    assert len(choose.call_args.args[0]) < 2200
    assert info.total_points == count
    (part,) = parts
    assert (part.ts_ms == times[part.iteration]).all()
    assert part.data_source == ["tensorflow" if s < count // 2 else "log" for s in part.iteration.tolist()]
    assert (part.iteration[0], part.iteration[-1]) == (0, count - 1)
    gap = int(np.diff(part.ts_ms).argmax())
    assert part.iteration[gap : gap + 2].tolist() == [29_999, 30_000]
