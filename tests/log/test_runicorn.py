"""What Runicorn's SDK writes, by the rules of its own readers."""

import json
import os
from pathlib import Path

from lensd.discovery import Roots
from lensd.model import Restarts
from lensd_log import LogAdapter
from tests.log.reading import NOW_MS, Reading, budget, write

EDGE = Path(__file__).parents[1] / "data" / "runicorn-edge"


def edge(name: str) -> Reading:
    folder = EDGE / "edge" / f"20250201_000000_{name}"
    inputs = [input for input in LogAdapter().discover(Roots([str(EDGE)])) if input.workload == folder.name]
    events = next(input for input in inputs if input.path.endswith("events.jsonl"))
    assert events.restarts is Restarts.NEVER
    assert events.structured
    assert [os.path.basename(path) for path in events.companions] == [
        "meta.json",
        "status.json",
        "summary.json",
    ]
    reading = Reading()
    while not reading.batches or reading.last.more:
        reading.add(LogAdapter().read(events, reading.cursor, budget(now_ms=0.0)))
    return reading


def test_odd_records_of_runicorn_follow_its_rules() -> None:
    reading = edge("odd001")
    assert [step for step, _ in reading.points["loss"]] == [1, 3, 4, 5, 6, 8, -3, 10, 11, 12]
    values = dict(reading.points["loss"])
    assert values[1] == "nan"
    assert (values[3], values[4], values[5], values[6], values[8], values[-3]) == (
        0.25,
        0.2,
        0.19,
        0.18,
        0.16,
        5.0,
    )
    assert values[12] == float("inf")
    assert 99.0 not in values.values()
    assert reading.points["gn"] == [(1, float("inf"))]
    assert reading.points["neg"] == [(1, -float("inf"))]
    assert reading.points["only_here"] == [(3, 9.0)]
    assert reading.points["boolstep"] == [(1, 1.0)]
    assert reading.points["val/loss"] == [(14, 0.4)]
    assert reading.points["a b"] == [(14, 1.0)]
    assert reading.points["损失"] == [(14, 0.5)]
    assert {"tag", "flag", "nothing", "nested", "arr", "epoch", "time"}.isdisjoint(reading.points)


def test_torn_and_garbage_records_are_stepped_over() -> None:
    assert edge("torn01").points["loss"] == [(1, 1.0), (2, 0.9), (3, 0.8)]
    assert edge("allbad").points == {}
    assert edge("empty1").points == {}


def test_a_step_written_again_is_given_again_in_the_order_written() -> None:
    reading = edge("dup001")
    assert reading.points["loss"] == [(1, 1.0), (2, 0.9), (3, 0.8), (2, 0.95)]
    assert reading.points["stage"] == [(1, "train"), (2, "train"), (2, "eval"), (2, "resumed")]
    assert reading.times["acc"] == [1704067202500.0]


def test_a_runicorn_run_without_events_gives_its_facts() -> None:
    reading = edge("nofile")
    assert reading.points == {}
    assert reading.facts["status"] == "finished"
    assert reading.facts["created_at"] == reading.facts["started_at"] == 1704067200.0
    assert (reading.facts["host"], reading.facts["pid"]) == ("elsewhere", 1)
    assert reading.facts["runicorn.path"] == "edge"


def test_facts_are_reported_when_they_change(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text('{"id": "r", "alias": null, "path": "a/b", "tags": ["x", "y"]}')
    (tmp_path / "status.json").write_text('{"status": "running", "started_at": 5.5}')
    events = write(
        tmp_path / "events.jsonl", b'{"ts": 1704067200, "type": "metrics", "data": {"step": 1, "a": 1}}\n'
    )
    input = next(input for input in LogAdapter().discover(Roots([str(tmp_path)])) if input.structured)
    adapter = LogAdapter()
    first = adapter.read(input, None, budget())
    assert first.facts == {
        "run_dir": str(tmp_path),
        "runicorn.path": "a/b",
        "tags": '["x","y"]',
        "status": "running",
        "started_at": 5.5,
    }
    assert adapter.read(input, first.cursor, budget()).facts == {}
    (tmp_path / "status.json").write_text('{"status": "finished", "started_at": 5.5, "ended_at": 9.0}')
    (tmp_path / "summary.json").write_text(
        '{"note": "ok", "best_metric_name": "a", "best_metric_value": 1.0}'
    )
    assert adapter.read(input, first.cursor, budget()).facts == {
        "status": "finished",
        "ended_at": 9.0,
        "summary.note": "ok",
        "best_metric_name": "a",
        "best_metric_value": 1.0,
    }
    assert events.exists()


def test_the_real_run_of_runicorn_is_whole() -> None:
    inputs = [input for input in LogAdapter().discover(Roots([str(EDGE)])) if "153045" in input.workload]
    names = {os.path.basename(input.path): input for input in inputs}
    assert set(names) == {"events.jsonl", "logs.txt"}
    assert not names["logs.txt"].structured
    batch = LogAdapter().read(names["events.jsonl"], None, budget(now_ms=NOW_MS, seconds=10))
    rows = [json.loads(line) for line in Path(names["events.jsonl"].path).read_text().splitlines()]
    rows = [row for row in rows if row["type"] == "metrics"]
    loss = batch.series["loss"].points
    assert loss.value.tolist() == [row["data"]["loss"] for row in rows if "loss" in row["data"]]
    assert loss.ts_ms.tolist() == [round(row["ts"] * 1000, 3) for row in rows if "loss" in row["data"]]
    assert batch.series["stage"].texts == [row["data"]["stage"] for row in rows if "stage" in row["data"]]
    assert batch.facts["summary.final_note"] == "ok"
