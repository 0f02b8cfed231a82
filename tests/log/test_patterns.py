"""Patterns of the user's own: tried first, as fast as ours, refused where they may take forever."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensd_log import LogAdapter
from lensd_log.line.record import Entry, Record
from lensd_log.patterns import log_formats, propose
from tests.log.reading import Reading, read, write

GOODNESS = {
    "regex": r"it (?P<step>\d+)/(?P<total>\d+): goodness (?P<goodness>\S+)",
    "metrics": {"goodness": "train/goodness"},
}


def read_with(tmp_path: Path, lines: list[str], *patterns: Mapping[str, object], **limits: Any) -> Reading:
    path = write(tmp_path / "train.log", "".join(f"{line}\n" for line in lines).encode())
    return read(path, adapter=LogAdapter({"patterns": list(patterns)}), **limits)


def test_a_regular_expression_with_named_groups(tmp_path: Path) -> None:
    lines = ["preparing", "it 5/100: goodness 0.5", "2024-03-01 10:00:00 INFO it 10/100: goodness 0.75ms"]
    reading = read_with(tmp_path, lines, GOODNESS)
    assert reading.points == {"train/goodness": [(5, 0.5), (10, 0.75)]}
    assert reading.targets == [(5, 100), (10, 100)]
    assert reading.times["train/goodness"][1] == 1709287200000.0
    assert reading.last.series["train/goodness"].unit == "ms"
    assert reading.last.log_format == "pattern-1"


def test_they_are_asked_before_the_log_formats(tmp_path: Path) -> None:
    line = " iteration 20/ 1000 | consumed samples: 320 | lm loss: 1.5E+00 |"
    own = {"name": "mine", "regex": r"iteration (?P<step>\d+).* lm loss: (?P<lm_loss>\S+)"}
    assert read_with(tmp_path, [line], own).points == {"lm_loss": [(20, 1.5)]}


def test_what_they_do_not_match_goes_on_to_the_log_formats(tmp_path: Path) -> None:
    lines = ["it 5/100: goodness 0.5", "step 6 loss=1.5"]
    own = {**GOODNESS, "name": "mine"}
    assert read_with(tmp_path, ["step 6 loss=1.5", lines[0]], own).points == {
        "loss": [(6, 1.5)],
        "train/goodness": [(5, 0.5)],
    }


def test_fields_of_logfmt(tmp_path: Path) -> None:
    own = {"format": "logfmt", "step": "n", "time": "at", "metrics": {"q": "quality"}}
    line = 'level=info at=2024-03-01T10:00:00Z n=7 q=0.5 other=3 msg="a q=9 in words"'
    reading = read_with(tmp_path, [line], own)
    assert reading.points == {"quality": [(7, 0.5)]}
    assert reading.times == {"quality": [1709287200000.0]}


def test_fields_of_json_nested_ones_too(tmp_path: Path) -> None:
    own = {"format": "json", "step": "progress.n", "total": "progress.of", "time": "t"}
    line = (
        '{"t": 1709287200.5, "progress": {"n": 7, "of": 9}, "stats": {"loss": 0.5, "name": "x"}, "ok": true}'
    )
    reading = read_with(tmp_path, [line], own)
    assert reading.points == {"stats.loss": [(7, 0.5)]}
    assert reading.times == {"stats.loss": [1709287200500.0]}
    assert reading.targets == [(7, 9)]


def test_without_a_step_records_are_counted_and_an_epoch_will_do(tmp_path: Path) -> None:
    own = {"regex": r"^(?:ep (?P<epoch>\d+) )?badness (?P<badness>\S+)"}
    assert read_with(tmp_path, ["badness 3.5", "badness 2.5"], own).points == {
        "badness": [(1, 3.5), (2, 2.5)]
    }
    assert read_with(tmp_path, ["ep 4 badness 3.5"], own).points == {"badness": [(4, 3.5)]}


def test_a_long_log_is_read_in_blocks_by_a_pattern_too(tmp_path: Path) -> None:
    lines = [f"it {n}/4000: goodness {n / 7:.{1 + n % 5}f}" for n in range(4000)]
    whole = read_with(tmp_path, lines, GOODNESS)
    assert whole.points == read_with(tmp_path, lines, GOODNESS, bytes=50_000).points
    assert len(whole.points["train/goodness"]) == 4000
    assert len(whole.batches) == 1


@pytest.mark.parametrize(
    "line",
    [
        "round 12 done: quality=0.53 cost 1.5e-3 speed=12it/s",
        "[trainer] ep 3 it 200 >> goodness: 12.50 badness: 1.0",
        "2024 loss was 0.5 at step 7",
    ],
)
def test_a_proposed_pattern_matches_what_it_was_made_of(line: str) -> None:
    proposal = propose([line])
    assert proposal is not None
    (log_format,) = log_formats([{"regex": proposal}])
    records = log_format.parse(Entry(line, (line,)), {})
    assert records
    assert records[0].values


def test_what_a_proposed_pattern_reads() -> None:
    line = "[trainer] ep 3 it 200 >> goodness: 12.50 badness: 1.0"
    (log_format,) = log_formats([{"regex": propose([line])}])
    records = log_format.parse(Entry("[trainer] ep 4 it 9  >> goodness: 1 badness: nan", ()), {})
    assert isinstance(records, tuple)
    (record,) = records
    assert isinstance(record, Record)
    assert record.step == 9
    assert [name for name, _ in record.values] == ["goodness", "badness"]


@given(st.text(max_size=200))
def test_any_line_may_be_proposed_for(line: str) -> None:
    proposal = propose([line])
    if proposal is not None:
        log_formats([{"regex": proposal}])
