"""`.wandb` files: against what the SDK itself says of them, torn, damaged, growing."""

import json
import math
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensd.adapter import Budget, InputDead, InputGone
from lensd.model import Batch, Restarts, SeriesBuilder
from lensd_wandb.adapter import WandbAdapter
from lensd_wandb.fast.rows import ColumnHistory
from lensd_wandb.frames import frames
from lensd_wandb.history import History
from tests.conftest import an_input

DATA = Path(__file__).parents[1] / "data"
FILES = DATA / "wandb-files"
TORCH = next((DATA / "runs" / "torch-mlp-1" / "wandb").glob("*/*.wandb"))

Points = dict[str, list[tuple[int, float]]]


class Reading:
    """Everything that was read of a file so far, every cursor through its bytes."""

    def __init__(self) -> None:
        self.points: Points = {}
        self.times: dict[str, list[float]] = {}
        self.batches: list[Batch] = []
        self.facts: dict[str, object] = {}
        self.lines: list[str] = []

    def on(self, path: Path, **limits: Any) -> "Reading":
        adapter = WandbAdapter()
        while True:
            cursor = self.batches[-1].cursor if self.batches else None
            budget = Budget(clock=lambda: 0.0, **limits)
            batch = adapter.read(an_input(path, restarts=Restarts.NEVER, structured=True), cursor, budget)
            self.batches.append(batch)
            self.facts.update(batch.facts)
            self.lines += [line.text for line in batch.lines]
            for name, series in batch.series.items():
                pairs = zip(series.points.iteration.tolist(), series.points.value.tolist(), strict=True)
                self.points.setdefault(name, []).extend(pairs)
                self.times.setdefault(name, []).extend(series.points.ts_ms.tolist())
            if not batch.more:
                return self

    @property
    def history(self) -> Points:
        return {name: points for name, points in self.points.items() if not name.startswith("system/")}

    def count(self, what: str) -> int:
        return sum(getattr(batch.counts, what) for batch in self.batches)


def same(one: Points, other: Points) -> bool:
    """Equal, NaN included."""
    return repr(sorted(one.items())) == repr(sorted(other.items()))


def truth(name: str) -> Points:
    series = json.loads((DATA / "truth" / f"{name}.json").read_text())["wandb"]
    return {metric: [(step, float(value)) for step, value, *_ in rows] for metric, rows in series.items()}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("wandb-0.16.6", FILES / "wandb-0.16.6.wandb"),
        ("wandb-0.22.3", FILES / "wandb-0.22.3.wandb"),
        ("torch-mlp-1", TORCH),
    ],
)
def test_a_file_gives_what_the_sdk_recorded(name: str, path: Path) -> None:
    reading = Reading().on(path)
    assert same(reading.history, truth(name))
    assert (reading.count("skipped"), reading.count("unparsed")) == (0, 0)
    assert reading.facts["status"] == "finished"


def test_nan_and_infinity_are_kept() -> None:
    losses = [value for _, value in Reading().on(FILES / "wandb-0.22.3.wandb").points["loss"]]
    assert any(math.isnan(value) for value in losses)
    assert math.inf in losses


def test_a_killed_run_gives_every_intact_record_and_has_no_end() -> None:
    reading = Reading().on(FILES / "wandb-0.31.0-killed.wandb")
    steps = [step for step, _ in reading.points["loss"]]
    assert steps == sorted(set(steps))
    assert len(steps) > 100
    assert "status" not in reading.facts
    assert reading.count("skipped") == 0
    assert reading.batches[-1].lag_bytes >= 0


@pytest.mark.slow
@pytest.mark.parametrize("limits", [{"bytes": 1}, {"points": 1}, {"bytes": 5000}])
@pytest.mark.parametrize("path", [*sorted(FILES.glob("*.wandb")), TORCH], ids=lambda path: path.name)
def test_however_small_the_budget_the_points_are_the_same(path: Path, limits: dict[str, float]) -> None:
    whole, parts = Reading().on(path), Reading().on(path, **limits)
    assert same(parts.points, whole.points)
    assert parts.facts == whole.facts
    assert parts.lines == whole.lines


def test_each_row_of_a_file_that_grows_by_any_amounts_is_read_once(tmp_path: Path) -> None:
    data, rng = (FILES / "wandb-0.22.3.wandb").read_bytes(), random.Random(1)
    path, reading, end = tmp_path / "run-x.wandb", Reading(), 0
    while end < len(data):
        end = min(len(data), end + rng.randrange(1, 3000))
        path.write_bytes(data[:end])
        reading.on(path)
    assert same(reading.history, truth("wandb-0.22.3"))
    assert not any(batch.restart for batch in reading.batches)


def test_an_empty_file_waits_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(b"")
    reading = Reading().on(path)
    assert "nothing is written to it yet" in str(reading.batches[-1].note)
    path.write_bytes((FILES / "wandb-0.22.3.wandb").read_bytes())
    assert same(reading.on(path).history, truth("wandb-0.22.3"))


@pytest.mark.parametrize("at", [100, 20_000, 33_000, 60_000])
def test_damage_costs_only_the_records_that_it_hit(at: int, tmp_path: Path) -> None:
    data = bytearray((FILES / "wandb-0.22.3.wandb").read_bytes())
    data[at : at + 40] = bytes(byte ^ 0x5A for byte in data[at : at + 40])
    path = tmp_path / "run-x.wandb"
    path.write_bytes(data)
    reading, whole = Reading().on(path), truth("wandb-0.22.3")
    assert reading.count("skipped") >= 1
    kept, all_of_it = reading.points["loss"], whole["loss"]
    assert set(map(repr, kept)) <= set(map(repr, all_of_it))
    assert len(kept) >= len(all_of_it) - 8
    assert same(reading.on(path).points, Reading().on(path, bytes=1).points)


def test_a_replaced_file_is_a_new_attempt(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes((FILES / "wandb-0.16.6.wandb").read_bytes())
    reading = Reading().on(path)
    path.write_bytes((FILES / "wandb-0.22.3.wandb").read_bytes())
    assert reading.on(path).batches[-1].restart


def test_a_file_that_was_emptied_begins_a_new_attempt_once_it_has_records(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes((FILES / "wandb-0.16.6.wandb").read_bytes())
    reading = Reading().on(path)
    path.write_bytes(b"")
    assert not reading.on(path).batches[-1].restart
    path.write_bytes((FILES / "wandb-0.22.3.wandb").read_bytes())
    assert reading.on(path).batches[-1].restart


def chunk(kind: int, data: bytes) -> bytes:
    return struct.pack("<IHB", zlib.crc32(bytes([kind]) + data), len(data), kind) + data


def test_a_record_without_an_end_is_counted_once_however_often_its_successor_is_looked_at() -> None:
    whole, first, last = chunk(1, b"a"), chunk(2, b"b"), chunk(4, b"c")
    torn = frames(whole + first + first, 7, 1 << 20)
    assert (torn.records, torn.end, torn.skipped) == ([b"a"], 7 + len(whole), 0)
    rest = frames(first + first + last, torn.end, 1 << 20, lost=torn.lost)
    assert (rest.records, rest.skipped) == ([b"bc"], 1)


def test_what_is_no_transaction_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(b"hello, this is text")
    with pytest.raises(InputDead, match="no W&B transaction log"):
        Reading().on(path)
    with pytest.raises(InputGone):
        Reading().on(tmp_path / "none.wandb")


@pytest.mark.parametrize("number", range(40))
def test_random_damage_is_no_exception_and_invents_nothing(number: int, tmp_path: Path) -> None:
    rng = random.Random(number)
    data = bytearray((FILES / "wandb-0.16.6.wandb").read_bytes())
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(7, len(data))
        what = rng.randrange(3)
        if what == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[at : at + rng.randrange(1, 2000)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 2000))
    path = tmp_path / "run-x.wandb"
    path.write_bytes(data)
    expected = {repr(pair) for pair in truth("wandb-0.16.6")["loss"]}
    assert {repr(pair) for pair in Reading().on(path).points.get("loss", [])} <= expected


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def message(tag: int, content: bytes) -> bytes:
    return varint(tag << 3 | 2) + varint(len(content)) + content


def row_of(items: list[tuple[list[str], str]], *, nested: bool, step: int | None = None) -> bytes:
    """A HistoryRecord as the SDK writes it: one key, or a path of keys, and a value in JSON."""
    record_items = b""
    for path, value in items:
        keys = b"".join(message(2 if nested else 1, key.encode()) for key in path)
        record_items += message(1, keys + message(16, value.encode()))
    return record_items + (message(2, b"\x08" + varint(step)) if step is not None else b"")


NUMBERS = ["1", "-2", "0.5", "1e-05", "NaN", "-Infinity", "1.795e+09", "12345678901234567890"]
OTHERS = [
    "true",
    "null",
    '"text"',
    '"1"',
    "[1, 2]",
    '{"a": 1, "b": {"c": 2.5}}',
    '{"_type": "histogram"}',
    "{",
]
KEYS = ["loss", "a" * 10, "b" * 18, "k" * 130, "opt.lr", "é", "\x82", "x\ny", "x\x12y", "_odd"]


@given(
    rows=st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(NUMBERS + OTHERS)), max_size=6),
            st.booleans(),
            st.randoms(use_true_random=False),
        ),
        max_size=12,
    )
)
@pytest.mark.slow
def test_columns_say_what_reading_item_by_item_says(
    rows: list[tuple[list[tuple[str, str]], bool, random.Random]],
) -> None:
    fast, plain = SeriesBuilder(), SeriesBuilder()
    by_columns, by_items = ColumnHistory(fast, None), History(plain, None)
    for number, (pairs, nested, rng) in enumerate(rows):
        items = [([key], value) for key, value in dict(pairs).items()]
        items += [(["_step"], str(number)), (["_timestamp"], "1795207102.5")]
        rng.shuffle(items)
        data = row_of(items, nested=nested, step=number)
        assert by_columns.add(data, 0, len(data), number)
        assert by_items.add(data, 0, len(data), number)
    by_columns.finish()
    assert by_columns.step == by_items.step
    one, other = fast.build(), plain.build()
    assert one.keys() == other.keys()
    for name, series in one.items():
        for column in ("iteration", "ts_ms", "value", "row"):
            mine, theirs = getattr(series.points, column), getattr(other[name].points, column)
            np.testing.assert_array_equal(mine, theirs, name)


@pytest.mark.parametrize(
    "odd",
    [
        {("_step",): "12345678901234567890123"},
        {("_step",): "-1"},
        {("_step",): "NaN"},
        {("_timestamp",): "NaN"},
        {("_timestamp",): "-5"},
        {("_timestamp",): "1e300"},
        {("_timestamp",): "1.7952071025e+09"},
        {("_wandb", "runtime"): "5"},
        {("_runtime", "inner"): "5"},
    ],
)
def test_odd_axes_are_the_same_in_columns_and_item_by_item(odd: dict[tuple[str, ...], str]) -> None:
    values = {("_step",): "3", ("_timestamp",): "1795207102.5", ("loss",): "0.5"} | odd
    data = row_of([(list(path), value) for path, value in values.items()], nested=True)
    outcomes = []
    for reader in (ColumnHistory, History):
        points = SeriesBuilder()
        history = reader(points, None)
        taken = history.add(data, 0, len(data), 1)
        history.finish()
        series = {name: one.points for name, one in points.build().items()}
        rows = {
            name: (p.iteration.tolist(), p.ts_ms.tolist(), p.value.tolist()) for name, p in series.items()
        }
        outcomes.append((taken, history.step, history.matched, rows))
    assert outcomes[0] == outcomes[1]
