"""Curves on a grid: no extreme is lost, whatever the range, and a moving average is that of all points."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensd.model import Batch, Floats, Points, Series
from lensd.query.panels import PanelQuestion, Panels, panels
from lensd.query.signals import main_metric
from lensd.query.smoothing import Smoother
from lensd.store import Reader, Store
from lensd.store import buckets as bucket
from tests.conftest import an_input


def stored(path: Path, values: Floats) -> Store:
    store = Store.open(str(path / "x.db"))
    points = Points.of(range(len(values)), (1000.0 * i for i in range(len(values))), values)
    (input,) = store.register([an_input(workload="a")])
    store.apply(input, Batch(b"1", {"loss": Series(points)}))
    return store


def asked(store: Store, **question: object) -> Panels:
    with store.read() as reader:
        return panels(reader, PanelQuestion(["a"], ["loss"], **question))  # type: ignore[arg-type]


@pytest.mark.parametrize("x", ["step", "time", "relative"])
@pytest.mark.parametrize("count", [1, 7, 300, 20_000])
def test_every_extreme_is_in_its_bin(tmp_path: Path, x: str, count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    values[count // 2] = 1e6
    store = stored(tmp_path, values)
    (panel,) = asked(store, x=x, bins=100).panels
    (series,) = panel.series
    low, high = np.array(series.low, float), np.array(series.high, float)
    assert np.nanmax(high) == values.max()
    assert np.nanmin(low) == values.min()
    assert series.points == count
    assert series.last == values[-1]
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("x", ["step", "time", "relative"])
@pytest.mark.parametrize(("lo", "hi"), [(None, None), (123_456, 345_678)])
def test_buckets_draw_what_all_points_draw(
    tmp_path: Path, x: str, lo: float | None, hi: float | None
) -> None:
    """400,000 points: bins are made of buckets. A bucket that two bins share gives its mean to one, so that
    means are off by what the curve does in an eighth of a bin."""
    count, bins = 400_000, 100
    steps = np.arange(count)
    values = np.sin(steps / 3000.0) + 0.01 * np.random.default_rng(5).normal(size=count)
    values[[200_001, 300_000]] = 50.0, np.nan
    store = stored(tmp_path, values)
    scale = {"step": 1.0, "time": 1000.0, "relative": 1.0}[x]
    limits = {} if lo is None or hi is None else {"lo": lo * scale, "hi": hi * scale}
    with mock.patch.object(Reader, "read_window", autospec=True, side_effect=Reader.read_window) as read:
        (panel,) = asked(store, x=x, bins=bins, **limits).panels
    (series,) = panel.series
    assert read.call_count <= bins + 6, "the ends, and where a bucket may hide an extreme of a bin"
    first, last = (0, count - 1) if lo is None or hi is None else (int(lo), int(hi))
    inside = values[first : last + 1]
    assert series.points == len(inside)
    assert (series.not_finite, series.last, series.last_x) == (1, values[last], last * scale)
    assert series.not_finite_x == pytest.approx([300_000 * scale], abs=bucket.POINTS * 4 * scale)
    assert (np.nanmax(series.high), np.nanmin(series.low)) == (50.0, np.nanmin(inside))
    places = np.minimum(np.arange(len(inside)) / (len(inside) - 1) * bins, bins - 1).astype(int)
    for number in range(bins):
        truth = inside[places == number]
        assert series.low[number] == pytest.approx(np.nanmin(truth), abs=0.052)
        assert series.high[number] == pytest.approx(np.nanmax(truth), abs=0.052)
        assert series.middle[number] == pytest.approx(np.nanmean(truth), abs=0.05)
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("x", ["step", "time"])
@pytest.mark.parametrize("smooth", [0.0, 0.5])
@pytest.mark.parametrize(("lo", "hi"), [(None, None), (20_123, 190_456)])
def test_a_bucket_that_two_bins_share_hides_no_extreme(
    tmp_path: Path, x: str, smooth: float, lo: float | None, hi: float | None
) -> None:
    count, bins = 200_000, 97
    values = np.random.default_rng(3).normal(size=count)
    store = stored(tmp_path, values)
    scale = 1.0 if x == "step" else 1000.0
    limits = {} if lo is None or hi is None else {"lo": lo * scale, "hi": hi * scale}
    (series,) = asked(store, x=x, bins=bins, smooth=smooth, **limits).panels[0].series
    inside = values if lo is None or hi is None else values[int(lo) : int(hi) + 1]
    places = np.minimum(np.arange(len(inside)) / (len(inside) - 1) * bins, bins - 1).astype(int)
    seen = (values.max() - values.min()) / 1000
    for number in range(bins):
        truth = inside[places == number]
        assert series.low[number] == pytest.approx(truth.min(), abs=seen)
        assert series.high[number] == pytest.approx(truth.max(), abs=seen)
    store.close()


@pytest.mark.slow
def test_a_moving_average_of_buckets_is_close_to_that_of_all_points(tmp_path: Path) -> None:
    count = 1_200_000
    values = np.sin(np.arange(count) / 50_000.0)
    store = stored(tmp_path, values)
    (series,) = asked(store, bins=50, smooth=0.999).panels[0].series
    smooth = Smoother(0.999).feed(values)
    truth = [part.mean() for part in np.array_split(smooth, 50)]
    assert series.smooth == pytest.approx(truth, abs=0.004), "a bucket that two bins share goes to one"
    means = values.reshape(-1, bucket.POINTS).mean(axis=1)
    of_means = Smoother(0.999).feed_means(means, np.full(len(means), bucket.POINTS))
    assert of_means == pytest.approx(smooth.reshape(-1, bucket.POINTS).mean(axis=1), abs=0.0005)
    store.close()


def test_a_range_holds_what_lies_in_it(tmp_path: Path) -> None:
    store = stored(tmp_path, np.arange(10_000.0))
    (panel,) = asked(store, lo=5000, hi=5099, bins=300).panels
    assert panel.bins == 100, "no more bins than steps"
    assert panel.series[0].low == list(np.arange(5000.0, 5100.0))
    assert asked(store, lo=20_000, hi=30_000).panels[0].series == []
    store.close()


def test_values_that_are_not_finite_are_counted_and_placed(tmp_path: Path) -> None:
    values = np.ones(1000)
    values[[10, 500]] = np.nan, np.inf
    store = stored(tmp_path, values)
    (series,) = asked(store).panels[0].series
    assert (series.not_finite, series.not_finite_x) == (2, [10.0, 500.0])
    store.close()


def test_sums_beyond_what_a_float_holds_have_a_middle(tmp_path: Path) -> None:
    store = stored(tmp_path, np.array([1.6e308, 1.7e308, 1.5e308, 1.0]))
    (series,) = asked(store, bins=1).panels[0].series
    assert np.isfinite(series.middle).all()
    store.close()


def naive(values: list[float], weight: float) -> list[float]:
    average, smoothed = 0.0, []
    for count, value in enumerate(values, 1):
        average = average * weight + (1 - weight) * value
        smoothed.append(average / (1 - weight**count))
    return smoothed


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300),
    st.floats(0.01, 0.99),
    st.integers(1, 200),
)
def test_a_moving_average_is_the_same_however_it_is_fed(
    values: list[float], weight: float, size: int
) -> None:
    smoother = Smoother(weight)
    pieces = [smoother.feed(np.array(values[at : at + size])) for at in range(0, len(values), size)]
    assert np.allclose(np.concatenate(pieces), naive(values, weight), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "main"),
    [
        (["lr", "val_loss", "train/loss"], "train/loss"),
        (["lr", "val_loss", "pg_loss"], "pg_loss"),
        (["lr", "ep_rew_mean", "mean_reward"], "mean_reward"),
        (["lr", "speed"], "lr"),
        ([], None),
    ],
)
def test_the_main_metric_is_the_one_people_look_at(names: list[str], main: str | None) -> None:
    assert main_metric(dict.fromkeys(names, 10)) == main
