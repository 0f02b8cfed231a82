"""Every scalar that real frameworks recorded is read, exactly, and nothing else.

The truth is what TensorBoard's EventAccumulator reads from the sample runs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tests.tensorboard.reading import inputs_below, read_to_end

DATA = Path(__file__).parents[1] / "data"
TRUTH = {
    path.stem: json.loads(path.read_text())["tensorflow"]
    for path in sorted((DATA / "truth").glob("*.json"))
    if "tensorflow" in json.loads(path.read_text())
}


@pytest.mark.parametrize("run", sorted(TRUTH))
def test_points_of_a_sample_run_are_those_that_tensorboard_reads(run: str) -> None:
    points_of: dict[str, list[tuple[int, float, int]]] = defaultdict(list)
    for input in inputs_below(DATA / "runs"):
        if input.workload == run:
            for name, (step, ts_ms, value) in read_to_end(input).columns.items():
                points_of[name] += zip(step, value, np.rint(ts_ms).astype(int).tolist(), strict=True)
    assert {name: sorted(points) for name, points in points_of.items()} == {
        name: sorted(tuple(point) for point in points) for name, points in TRUTH[run].items()
    }


def test_every_event_file_of_the_samples_is_read_to_its_end_without_loss() -> None:
    inputs = inputs_below(DATA / "runs")
    assert len(inputs) == 9
    for input in inputs:
        result = read_to_end(input)
        assert (result.skipped, result.lag_bytes) == (0, 0), input.name
        assert (input.structured, input.data_source, input.adapter) == (True, "tensorflow", "tensorboard")
