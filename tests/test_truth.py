"""Everything that real frameworks recorded is served once, exactly, and nothing else under those names.

The truth is what the frameworks' own callbacks or TensorBoard's EventAccumulator said of the sample runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DATA, Daemon, start_daemon

RUNS = sorted(path.stem for path in (DATA / "truth").glob("*.json") if (DATA / "runs" / path.stem).is_dir())
SOURCES = ("tensorflow", "log")


def truth(run: str, source: str) -> dict[str, list[list[Any]]]:
    series: dict[str, list[list[Any]]] = json.loads((DATA / "truth" / f"{run}.json").read_text()).get(
        source, {}
    )
    return series


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    database = tmp_path_factory.mktemp("truth") / "x.db"
    daemon = start_daemon("--once", str(DATA / "runs"), "--db", str(database))
    yield daemon
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("run", "source"), [(run, source) for run in RUNS for source in SOURCES if truth(run, source)]
)
def test_every_point_is_served_once(run: str, source: str, daemon: Daemon) -> None:
    expected = truth(run, source)
    served: dict[str, list[tuple[int, float, int]]] = {}
    answer = daemon.get(f"/api/v1/workloads/{run}/metrics/data?data_source={source}")
    for point in answer["data"]:
        row = (point["iteration"], point["value"], point["timestamp"])
        served.setdefault(point["metric_name"], []).append(row)
    for name, points in expected.items():
        finite = [point for point in points if point[1] == point[1] and abs(point[1]) != float("inf")]
        newest = {point[0]: point for point in finite}  # a step that was recorded twice shows its newest
        wanted = [(step, value) for step, value, *_ in newest.values()]
        assert sorted((step, value) for step, value, _ in served[name]) == sorted(wanted), name
        timed = [tuple(point) for point in newest.values() if len(point) == 3]
        if timed:
            assert sorted(served[name]) == sorted(timed), f"{name}: times to the millisecond"


@pytest.mark.parametrize("run", RUNS)
def test_counts_are_those_of_the_points(run: str, daemon: Daemon) -> None:
    metrics = daemon.get(f"/api/v1/workloads/{run}/metrics/available")["metrics"]
    assert metrics
    for metric in metrics:
        points = [
            point
            for point in daemon.get(f"/api/v1/workloads/{run}/metrics/data")["data"]
            if point["metric_name"] == metric["name"]
        ]
        assert len(points) == metric["count"], metric["name"]
        assert {point["data_source"] for point in points} == set(metric["data_source"])


def test_a_clone_has_the_data(daemon: Daemon) -> None:
    assert len(RUNS) == 7
    assert {workload["uid"] for workload in daemon.get("/api/v1/workloads")["workloads"]} >= set(RUNS)
    assert Path(DATA / "runs").is_dir()
