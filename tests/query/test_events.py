"""The events of a run: what is a spike, what a stall, and how little of a long run is read for them."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensd.model import Batch, Floats, Input, Points, Restarts, Series
from lensd.query import events as module
from lensd.query.events import RunEvent, events
from lensd.query.signals import BEFORE, DEVIATIONS, FEWEST, spikes
from lensd.store import Reader, Store
from tests.conftest import an_input

NOW_S = 1_000_000.0


def every(ms: float, count: int) -> Floats:
    return np.arange(count).astype(np.float64) * ms


def stored(
    path: Path,
    input: Input | None = None,
    times: Floats | None = None,
    steps: object = None,
    **series: Floats,
) -> Store:
    """One input with these series, by default one point a second from step 0."""
    store = Store.open(str(path / "x.db"), clock=lambda: NOW_S)
    (registered,) = store.register([input or an_input()])
    batch = Batch(b"1")
    for name, values in series.items():
        step = np.arange(len(values)) if steps is None else np.asarray(steps, np.int64)
        ts_ms = every(1000.0, len(values)) if times is None else times
        batch.series[name] = Series(Points(step, ts_ms, values, np.arange(len(values))))
    store.apply(registered, batch)
    return store


def found(store: Store, *kinds: str, metrics: frozenset[str] | None = None) -> list[RunEvent]:
    with store.read() as reader:
        return [event for event in events(reader, "w", metrics).events if event.kind in kinds]


def noise(count: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(size=count) * 0.1 + 3.0


def by_definition(values: Floats) -> list[bool]:
    """Each value beside the median and the median deviation of those before it."""
    result = [False] * min(FEWEST, len(values))
    for at in range(FEWEST, len(values)):
        before = values[max(0, at - BEFORE) : at]
        deviation = np.median(np.abs(before - np.median(before)))
        result.append(bool(0 < DEVIATIONS * deviation < abs(values[at] - np.median(before))))
    return result


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["normal", "cauchy", "walk", "rounded"]),
    st.integers(0, 700),
)
def test_spikes_are_those_of_the_definition(seed: int, kind: str, count: int) -> None:
    random = np.random.default_rng(seed)
    values = random.standard_cauchy(count) if kind == "cauchy" else random.normal(size=count)
    values = np.cumsum(values) if kind == "walk" else np.round(values, 1) if kind == "rounded" else values
    truth = by_definition(values)
    assert spikes(values).tolist() == truth
    begin = seed % 800
    assert spikes(values, begin).tolist()[begin:] == truth[begin:]


def test_a_run_tells_what_happened_in_order(tmp_path: Path) -> None:
    loss = noise(400)
    loss[[200, 300]] = 50.0, np.nan
    times = every(1000.0, 400)
    times[250:] += 90_000.0
    store = stored(tmp_path, times=times, loss=loss, acc=noise(400))
    assert [
        (e.kind, e.iteration, e.time, e.value) for e in found(store, "start", "nan", "spike", "stall")
    ] == [
        ("start", 0, 0, None),
        ("spike", 200, 200_000, 50.0),
        ("stall", 249, 249_000, None),
        ("nan", 300, 390_000, None),
    ]
    (stall,) = found(store, "stall")
    assert (stall.time_end, stall.text) == (340_000, "nothing for 91 s after step 249")
    (end,) = found(store, "end")
    assert (end.iteration, end.text) == (399, "ended at step 399")
    store.close()


def test_a_slow_run_stalls_later(tmp_path: Path) -> None:
    times = every(30_000.0, 50)
    times[20:] += 200_000.0
    times[40:] += 300_000.0
    store = stored(tmp_path, times=times, loss=noise(50))
    assert [event.iteration for event in found(store, "stall")] == [39], (
        "230 s are less than ten steps of 30 s"
    )
    store.close()


def test_inferred_times_are_no_stalls(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "x.db"), clock=lambda: NOW_S)
    (input,) = store.register([an_input()])
    points = Points.of([0, 1, 2], [0.0, 1000.0, 900_000.0], [1.0, 2.0, 3.0])
    store.apply(input, Batch(b"1", {"loss": Series(points)}, time_inferred=True))
    assert found(store, "stall") == []
    store.close()


def test_a_running_workload_stalls_until_now(tmp_path: Path) -> None:
    now_ms = NOW_S * 1000.0
    store = stored(tmp_path, times=now_ms - 200_000.0 + every(1000.0, 100), loss=noise(100))
    (stall,) = found(store, "stall")
    assert (stall.iteration, stall.time_end) == (99, now_ms)
    assert found(store, "end") == []
    store.close()


def test_an_attempt_begins_where_steps_go_back(tmp_path: Path) -> None:
    store = stored(tmp_path, steps=[*range(100), *range(60, 120)], loss=noise(160))
    (attempt,) = found(store, "attempt")
    assert (attempt.iteration, attempt.time) == (60, 100_000)
    assert attempt.text == "attempt 2 starts at step 60, after step 99"
    store.close()


def test_values_that_follow_a_spike_are_part_of_it(tmp_path: Path) -> None:
    loss = noise(300)
    loss[200:205] = 9.0
    store = stored(tmp_path, loss=loss)
    assert [event.iteration for event in found(store, "spike")] == [200]
    store.close()


def test_other_metrics_are_looked_through_when_named(tmp_path: Path) -> None:
    acc = noise(300)
    acc[[150, 160]] = 9.0, np.inf
    store = stored(tmp_path, loss=noise(300), acc=acc)
    assert found(store, "spike") == []
    assert [e.text for e in found(store, "nan")] == ["acc is infinite"]
    (spike,) = found(store, "spike", metrics=frozenset({"acc"}))
    assert (spike.metric, spike.iteration) == ("acc", 150)
    assert found(store, "nan", metrics=frozenset({"loss"})) == []
    store.close()


@pytest.mark.slow
def test_a_long_run_is_read_where_something_stands_out(tmp_path: Path) -> None:
    """A million points: all that is planted is found, and little is read."""
    count = 1_000_000
    loss = noise(count)
    loss[[300_000, 700_123, 999_999]] = 9.0, -4.0, 9.0
    loss[800_000] = np.nan
    times = every(10.0, count)
    times[400_000:] += 100_000.0
    store = stored(tmp_path, times=times, loss=loss)
    with mock.patch.object(Reader, "_decode", autospec=True, side_effect=Reader._decode) as decode:
        events = found(store, "nan", "spike", "stall")
    assert [(e.kind, e.iteration) for e in events if e.value is None or abs(e.value - 3.0) > 2.0] == [
        ("spike", 300_000),
        ("stall", 399_999),
        ("spike", 700_123),
        ("nan", 800_000),
        ("spike", 999_999),
    ]
    assert decode.call_count < 2 * (2 * module.MOST + module.MOST) + 40
    truth = spikes(loss[np.isfinite(loss)])
    assert truth.sum() <= module.MOST, "so that all of them could be told"
    store.close()


def test_steps_that_were_written_again_are_no_reason_to_read_everything(tmp_path: Path) -> None:
    with mock.patch.object(module, "EXACT", 5000):
        loss = noise(60_000)
        loss[59_001] = 9.0
        store = stored(
            tmp_path, an_input(adapter="wandb", data_source="wandb", restarts=Restarts.NEVER),
            steps=np.arange(60_000) // 2, loss=loss,
        )  # fmt: skip
        with mock.patch.object(Reader, "_decode", autospec=True, side_effect=Reader._decode) as decode:
            (spike,) = found(store, "spike", "stall")
        assert spike.iteration == 29_500
        assert decode.call_count <= 5, "of 15 chunks, and as many of iterations"
        store.close()
