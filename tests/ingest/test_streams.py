"""A job whose stdout and stderr are two files: one workload with what both of them print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lensd.ingest.poller import AdapterSource, Poller
from lensd.query import lens
from lensd.query.results import Selection
from lensd.store import Store
from lensd_log import LogAdapter


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "x.db")
    yield opened
    opened.close()


def ingest(store: Store, folder: Path) -> None:
    Poller(store, [AdapterSource(LogAdapter(), [str(folder)])]).drain(final=True)


def line(n: int, values: str) -> str:
    return f"2024-03-10 12:{n // 60:02}:{n % 60:02} step {n} {values}\n"


def points(store: Store, name: str, input: str | None = None) -> list[tuple[int, float]]:
    with store.read() as reader:
        _, slices = lens.points(reader, "exp", Selection(metrics=frozenset([name]), input=input))
        return [pair for s in slices for pair in zip(s.iteration.tolist(), s.value.tolist(), strict=True)]


@pytest.mark.parametrize("names", [("job.out", "job.err"), ("job.o7", "job.e7"), ("stdout", "stderr")])
def test_the_series_of_both_streams_are_shown_together(
    names: tuple[str, str], store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "exp"
    folder.mkdir(parents=True)
    out, err = (folder / name for name in names)
    out.write_text("".join(line(n, f"loss: {n / 2} acc: {n / 4}") for n in range(1, 41)))
    # A summary repeats values of the other stream.
    err.write_text("".join(line(n, f"loss: {n / 2} lr: {n / 8}") for n in range(10, 41, 10)))
    ingest(store, tmp_path / "runs")
    assert points(store, "loss") == [(n, n / 2) for n in range(1, 41)]
    assert points(store, "acc") == [(n, n / 4) for n in range(1, 41)]
    assert points(store, "lr") == [(n, n / 8) for n in range(10, 41, 10)]
    with store.read() as reader:
        assert {m.name: m.count for m in lens.available(reader, "exp", None)} == {
            "loss": 40,
            "acc": 40,
            "lr": 4,
        }
        assert [source.count for source in lens.sources(reader, "exp")] == [40]
        keys = {input.name.rpartition("/")[2]: input.id for input in lens.inputs(reader, None)}
    assert points(store, "loss", input=keys[err.name]) == [(n, n / 2) for n in range(10, 41, 10)]


def test_the_stream_that_has_more_points_is_shown_while_both_grow(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "exp"
    folder.mkdir(parents=True)
    for end in (3, 6, 12):
        steps = range(1, end)
        (folder / "job.err").write_text("".join(line(n, f"loss: {n / 2}") for n in list(steps)[:4]))
        (folder / "job.out").write_text("".join(line(n, f"loss: {n / 2}") for n in steps))
        ingest(store, tmp_path / "runs")
        assert points(store, "loss") == [(n, n / 2) for n in steps]
        with store.read() as reader:
            assert [metric.count for metric in lens.available(reader, "exp", None)] == [len(steps)]
