"""A pattern that `lensd doctor` proposes reads the lines that it was made of, when it is pasted."""

from __future__ import annotations

import re
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lensd.adapter import Budget, LineShape
from lensd.cli.main import main
from lensd.query import lens
from lensd.store import Store
from lensd_log import LogAdapter
from lensd_log.patterns import log_formats
from lensd_log.proposal import SampleLine, block, propose
from lensd_log.structure.plans import Sketcher
from tests.conftest import DATA, SHARED
from tests.log.reading import input_of, read, write

GOLDEN = Path(__file__).parent / "golden"
LOGS = sorted(
    path
    for folder in (GOLDEN, DATA / "logs-structure", SHARED / "data" / "logs-field")
    for path in folder.glob("*.log")
)
PLACES = ("step", "total", "epoch", "epochs", "batch", "rank", "time")
NOW_MS = 1e13


def shapes_of(path: Path, adapter: LogAdapter) -> list[LineShape]:
    return adapter.explain(input_of(path), Budget(now_ms=NOW_MS, final=True, seconds=60)).shapes


def metrics_of(pattern: dict[str, object]) -> list[str]:
    named = re.findall(r"\(\?P<(\w+)>", str(pattern["regex"]))
    renamed = pattern.get("metrics", {})
    assert isinstance(renamed, dict)
    return [str(renamed.get(name, name)) for name in named if name not in PLACES]


@pytest.mark.slow
@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_what_is_pasted_reads_the_lines_as_they_are_read_without_it(path: Path, tmp_path: Path) -> None:
    copy = write(tmp_path / path.name, path.read_bytes())
    without = read(copy, now_ms=NOW_MS, final=True).points
    shapes = shapes_of(copy, LogAdapter())
    # Without any counter in the file steps are ordinals, which depend on what else is a record.
    has_counter = any(not shape.slots[0].startswith("no counter") for shape in shapes if shape.stored)
    for shape in shapes:
        if not shape.pattern:
            continue
        (pattern,) = tomllib.loads(shape.pattern)["pattern"]
        adapter = LogAdapter({"patterns": [pattern]})
        points = read(copy, now_ms=NOW_MS, final=True, adapter=adapter).points
        for metric in metrics_of(pattern):
            assert points.get(metric), (metric, pattern)
            counted = has_counter and "ordinal of the record" not in shape.slots[0]
            if shape.stored and metric in without and counted:
                assert points[metric] == without[metric], (metric, pattern)


@pytest.mark.slow
@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_what_is_pasted_into_a_configuration_is_ingested(path: Path, tmp_path: Path) -> None:
    blocks = [shape.pattern for shape in shapes_of(path, LogAdapter()) if shape.pattern]
    config, db = tmp_path / "lensd.toml", str(tmp_path / "x.db")
    config.write_text("\n\n".join(blocks), encoding="utf-8")
    arguments = ["ingest", str(path), "--config", str(config), "--db", db, "--workload", "w"]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    if not blocks and done.exit_code:
        return
    assert done.exit_code == 0, done.stderr
    with closing(Store.open(db, read_only=True)) as store, store.read() as reader:
        stored = {metric.name for metric in lens.available(reader, "w", None)}
    for pattern in tomllib.loads(config.read_text(encoding="utf-8")).get("pattern", []):
        assert stored.issuperset(metrics_of(pattern)), pattern


ODD = {
    "no sign": "~~ nr{n} !! loss: {n}.5 ~~ accuracy: 0.5 ~~",
    "no word of training": "it {n} of 100 -> goodness 0.{n} at rate 0.1",
    "quotes": "it {n} 'goodness' is \"0.{n}\" and that's it",
    "bar": "ep 3:  {n}%|###   | {n}/100 [00:0{n}<00:08, badness: 0.{n}]",
    "file name": "saved to a/step-{n}.ckpt, loss was {n}.25 there",
    "words in Chinese": "\u7b2c{n}\u8f6e \u6307\u6807: 0.{n}5",
}


@pytest.mark.parametrize("line", ODD.values(), ids=ODD)
def test_a_line_that_is_not_read_gets_a_pattern_that_reads_it(line: str, tmp_path: Path) -> None:
    path = write(tmp_path / "odd.log", "".join(line.format(n=n) + "\n" for n in range(1, 4)).encode())
    (shape,) = shapes_of(path, LogAdapter())
    (pattern,) = tomllib.loads(shape.pattern)["pattern"]
    points = read(path, adapter=LogAdapter({"patterns": [pattern]})).points
    assert all(len(points[metric]) == 3 for metric in metrics_of(pattern)), (points, pattern)


@given(st.text(max_size=200))
def test_any_line_may_be_proposed_for(line: str) -> None:
    line = line.replace("\n", " ")
    sketch = Sketcher().sketch(line)
    proposal = propose([SampleLine(line, sketch)]) if sketch.values else None
    if proposal is not None:
        log_formats(tomllib.loads(block("mine", *proposal))["pattern"])
