"""Files that are written in odd ways while a daemon reads them: emptied, packed, left without a newline."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lensd.query import lens
from lensd.query.logs import log_source
from lensd.query.results import Axis, Selection
from lensd.query.rows import RowCache
from lensd_log import LogAdapter
from lensd_wandb.adapter import WandbAdapter
from lensd_wandb.spool import SpoolAdapter
from tests.watching import Watching

AXES: tuple[Axis, ...] = ("step", "time")


class Watch(Watching):
    """One workload `run` with inputs of several kinds."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "root" / "run"
        self.folder.mkdir(parents=True)
        adapters = (LogAdapter(), WandbAdapter(), SpoolAdapter())
        super().__init__(tmp_path / "x.db", tmp_path / "root", *adapters)

    def write(self, name: str, content: str | bytes, *, append: bool = False) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("ab" if append else "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.utime(path, (self.now_s, self.now_s))

    def points(self) -> dict[str, list[tuple[int, float]]]:
        result: dict[str, list[tuple[int, float]]] = {}
        with self.store.read() as reader:
            _, slices = lens.points(reader, "run", Selection())
            for part in slices:
                pairs = zip(part.iteration.tolist(), part.value.tolist(), strict=True)
                result.setdefault(part.metric_name, []).extend(pairs)
        return result

    def times(self) -> list[int]:
        with self.store.read() as reader:
            _, slices = lens.points(reader, "run", Selection())
            return [ts for part in slices for ts in part.ts_ms.tolist()]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    yield made
    made.store.close()


def event(step: int, **values: float) -> str:
    data = {"global_step": step, **values}
    return json.dumps({"ts": 1764666728 + step, "type": "metrics", "data": data}) + "\n"


@pytest.mark.parametrize("later", [1, 3])
def test_events_that_are_written_anew_replace_all_of_the_old(watch: Watch, later: int) -> None:
    watch.write("events.jsonl", "".join(event(n, loss=1 / n, accuracy=n / 10) for n in range(1, 6)))
    watch.look()
    watch.write("events.jsonl", event(later, loss=9.0))
    watch.look()
    assert watch.points() == {"loss": [(later, 9.0)]}
    with watch.store.read() as reader:
        assert lens.sources(reader, "run")[0].count == 1
        for axis in AXES:
            table = RowCache().rows(reader, "run", axis, downsample=None)
            assert table is not None
            assert table.total == 1


def test_relative_times_of_events_count(watch: Watch) -> None:
    lines = [
        {"type": "metrics", "data": {"global_step": n, "time": time, "loss": 1.0}}
        for n, time in enumerate([0.0, 1.5, 3.2], 1)
    ]
    watch.write("events.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    watch.look()
    first, second, third = watch.times()
    assert (second - first, third - first) == (1500, 3200)
    watch.now_s += 5.8
    line = {"type": "metrics", "data": {"global_step": 4, "time": 10.0, "loss": 1.0}}
    watch.write("events.jsonl", json.dumps(line) + "\n", append=True)
    watch.look()
    assert watch.times()[3] - first == 10_000


def test_a_packed_log_that_is_still_being_copied_is_read_on(watch: Watch) -> None:
    packed = gzip.compress("".join(f"step: {n} loss: 0.{n:04d}\n" for n in range(1, 4000)).encode())
    watch.write("train.log.gz", packed[: len(packed) // 2])
    watch.look()
    assert 100 < len(watch.points()["loss"]) < 3999
    watch.write("train.log.gz", packed[len(packed) // 2 :], append=True)
    watch.look()
    assert [step for step, _ in watch.points()["loss"]] == list(range(1, 4000))


def test_a_last_line_without_its_newline_counts_once_the_file_rests(watch: Watch) -> None:
    watch.write("train.log", "step: 1 loss: 0.5\nstep: 2 loss: 0.4")
    watch.look()
    assert watch.points() == {"loss": [(1, 0.5)]}
    watch.now_s += 60.0
    watch.look()
    assert watch.points() == {"loss": [(1, 0.5), (2, 0.4)]}
    watch.look()
    assert all(tracked.reading.is_idle(tracked.reading.signature or ()) for tracked in watch.poller.tracked())
    watch.write("train.log", "2\n", append=True)
    watch.look()
    assert watch.points() == {"loss": [(1, 0.5), (2, 0.42)]}


def test_half_a_line_at_the_end_of_a_full_buffer_waits(watch: Watch) -> None:
    line = "step: 1 loss: 0.5\n"
    watch.write("train.log", line + "#" * (4096 - len(line) - 18) + "\nstep: 2 loss: 0.4")
    watch.look()
    watch.now_s += 600.0
    watch.look()
    assert watch.points() == {"loss": [(1, 0.5)]}


def test_a_last_line_without_its_newline_counts_when_files_are_read_once(watch: Watch) -> None:
    watch.write("train.log", "step: 1 loss: 0.5\nstep: 2 loss: 0.4")
    watch.poller.drain(final=True)
    assert watch.points() == {"loss": [(1, 0.5), (2, 0.4)]}


def test_metrics_json_and_scalars_json_are_found(watch: Watch) -> None:
    watch.write(
        "metrics.json", '{"iteration": 19, "total_loss": 2.5}\n{"iteration": 39, "total_loss": 2.1}\n'
    )
    watch.write("vis_data/scalars.json", '{"loss": 2.5, "step": 10}\n{"loss": 2.4, "step": 20}\n')
    watch.look()
    assert watch.points() == {"total_loss": [(19, 2.5), (39, 2.1)], "loss": [(10, 2.5), (20, 2.4)]}


@pytest.mark.parametrize("lines", [5, 30])
def test_a_file_that_was_truncated_and_has_grown_again_is_noticed(watch: Watch, lines: int) -> None:
    watch.write("train.log", "".join(f"step: {n} loss: 0.5\n" for n in range(1, 10)))
    watch.look()
    watch.write("train.log", "".join(f"step: {n} loss: 0.6\n" for n in range(1, lines)))
    watch.look()
    assert {value for _, value in watch.points()["loss"]} == {0.6}


def test_a_damaged_file_beside_good_logs_leaves_their_rows(watch: Watch) -> None:
    watch.write("train.log", "".join(f"step: {n} loss: 0.5\n" for n in range(1, 10)))
    watch.write("run-abc.wandb", b":W&B\xbe\xe1\x00" + b"garbage" * 9000)
    watch.write("x.lensd-spool", b"garbage\n" * 9)
    watch.look()
    watch.look()
    with watch.store.read() as reader:
        table = RowCache().rows(reader, "run", "step", downsample=None)
        assert table is not None
        assert table.total == 9


def test_only_metrics_with_points_are_available(watch: Watch) -> None:
    watch.write("events.jsonl", event(1, loss=0.5, accuracy=0.1) + event(2, loss=0.4, accuracy=0.2))
    watch.look()
    watch.write("events.jsonl", '{"type": "metrics", "data": {"global_step": 1, "loss": NaN}}\n')
    watch.look()
    with watch.store.read() as reader:
        (metric,) = lens.available(reader, "run", None)
    assert (metric.name, metric.count, metric.note) == ("loss", 0, "only NaN or infinite values")


def test_a_log_whose_name_is_not_utf8_can_be_streamed(watch: Watch) -> None:
    name = os.fsdecode(b"tr\xe4ning.log")
    watch.write(name, "step: 1 loss: 0.5\n")
    watch.look()
    with watch.store.read() as reader:
        source = log_source(reader, "run", None)
    assert source is not None
    assert source.path == os.path.join(watch.folder, name)
    assert watch.points() == {"loss": [(1, 0.5)]}
