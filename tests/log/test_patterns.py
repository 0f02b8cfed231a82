"""Patterns of the user's own: tried first, as fast as ours, refused where they may take forever."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lensd_log import LogAdapter
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


def test_an_epoch_and_a_batch_are_laid_end_to_end(tmp_path: Path) -> None:
    own = {"regex": r"ep (?P<epoch>\d+) (?P<batch>\d+) of (?P<total>\d+): badness (?P<badness>\S+)"}
    lines = [f"ep {epoch} {n} of 20: badness {epoch}.{n}" for epoch in (1, 2) for n in (10, 20)]
    reading = read_with(tmp_path, lines, own)
    assert reading.points == {"badness": [(10, 1.1), (20, 1.2), (30, 2.1), (40, 2.2)]}


def test_a_pattern_without_a_metric_places_the_lines_below(tmp_path: Path) -> None:
    header = {"regex": r"^>> (?P<step>\d+) <<$"}
    own = {"regex": r"^badness is at (?P<badness>\S+)"}
    lines = [">> 100 <<", "badness is at 3", ">> 200 <<", "badness is at 2"]
    assert read_with(tmp_path, lines, own, header).points == {"badness": [(100, 3.0), (200, 2.0)]}


def test_lines_without_a_step_stand_at_that_of_the_lines_above(tmp_path: Path) -> None:
    own = {"regex": r"^badness is at (?P<badness>\S+)"}
    for header in ("==== Step {} ====", "step {} loss=0.5", "iteration {}/ 900 | lm loss: 1.5E+00 |"):
        lines = [line for n in (100, 200) for line in (header.format(n), f"badness is at {n}.5")]
        assert read_with(tmp_path, lines, own).points["badness"] == [(100, 100.5), (200, 200.5)], header


def test_every_state_of_a_redrawn_line_counts(tmp_path: Path) -> None:
    lines = ["\r".join(f"it {n}/9: goodness {n}.5" for n in (1, 2, 3)), "it 4/9: goodness 4.5"]
    points = read_with(tmp_path, lines, GOODNESS).points["train/goodness"]
    assert points == [(1, 1.5), (2, 2.5), (3, 3.5), (4, 4.5)]
