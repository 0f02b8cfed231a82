"""Whatever is written in whatever order, the counts kept at write time are those of what is shown, and what
is shown is what the rules in docs/architecture.md say."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lensd.model import Batch, Points, Restarts, Series
from lensd.query.lens import available, iteration_times, points, sources
from lensd.query.results import Selection
from lensd.store import Store, sealing
from tests.conftest import an_input

NAMES = ("loss", "val", "lr")
VALUES = st.sampled_from([0.5, 1.0, -2.25, math.nan, math.inf, 1e300])
RECORD = st.tuples(st.integers(0, 12), st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=3))
BATCH = st.tuples(st.integers(0, 2), st.lists(RECORD, max_size=12), st.booleans())


@example(  # an attempt from the lowest step on that has no points yet
    batches=[(0, [(0, [("loss", 0.5)])], False), (0, [], True)],
    restarts=Restarts.NEVER,
    structured=(False, False, False),
    gap=0.0,
)
@given(
    batches=st.lists(BATCH, max_size=8),
    restarts=st.sampled_from(list(Restarts)),
    structured=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    gap=st.sampled_from([0.0, 500.0, 1e6]),
)
@pytest.mark.slow
def test_counts_are_those_of_what_is_shown(
    batches: list[tuple[int, list[tuple[int, list[tuple[str, float]]]], bool]],
    restarts: Restarts,
    structured: tuple[bool, bool, bool],
    gap: float,
) -> None:
    with tempfile.TemporaryDirectory() as folder, patch.object(sealing, "CHUNK", 4):
        store = Store.open(Path(folder) / "x.db")
        inputs = store.register(
            [an_input(f"/x/{i}.log", restarts=restarts, structured=s) for i, s in enumerate(structured)]
        )
        clock = 0.0
        for which, records, restart in batches:
            records_of: dict[str, list[tuple[int, float, float, int]]] = {}
            for row, (step, values) in enumerate(records):
                clock += 1.0
                for name, value in dict(values).items():
                    records_of.setdefault(name, []).append((step, clock, value, row))
            clock += gap
            series = {name: Series(Points.of(*zip(*rows, strict=True))) for name, rows in records_of.items()}
            store.apply(inputs[which], Batch(b"c", series, restart=restart))
            check(store)
        store.close()


def check(store: Store) -> None:
    with store.read() as reader:
        _, stream = points(reader, "w", Selection())
        slices = list(stream)
        counted = {metric.name: metric.count for metric in available(reader, "w", None)}
        for name in NAMES:
            steps = [step for s in slices if s.metric_name == name for step in s.iteration.tolist()]
            assert len(steps) == len(set(steps)), "a step is shown once"
            assert counted.get(name, 0) == len(steps)
        _, iterations = iteration_times(reader, "w", Selection())
        shown = [int(step) for part in iterations for step in part.iteration]
        assert shown == sorted(set(shown))
        assert sum(s.count for s in sources(reader, "w")) == len(shown)
        # Nothing is ever lost: every step that a metric shows is an iteration of its source.
        assert {int(step) for s in slices for step in s.iteration} <= set(shown)
