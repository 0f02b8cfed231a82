"""The log adapter: what it takes for an input, and what becomes of inputs that change under it."""

import gzip
import json
import os
from pathlib import Path

import pytest

from lensd.adapter import Adapter, InputDead, InputGone, RetryAfter
from lensd.discovery import Roots
from lensd.model import Input, Restarts
from lensd_log import LogAdapter
from tests.log.reading import MTIME, Reading, budget, input_of, read, write


def discover(*roots: Path) -> dict[str, Input]:
    return {input.name: input for input in LogAdapter().discover(Roots([str(root) for root in roots]))}


def steps(first: int, last: int) -> bytes:
    return b"".join(b"step %d loss=%d.5\n" % (n, n) for n in range(first, last))


def losses(first: int, last: int) -> list[tuple[int, float]]:
    return [(n, n + 0.5) for n in range(first, last)]


def test_it_is_an_adapter() -> None:
    assert isinstance(LogAdapter(), Adapter)


# Inputs


def test_inputs_are_recognised_by_their_names(tmp_path: Path) -> None:
    names = ["a.log", "b.out", "c.txt", "d.jsonl", "e.csv", "f.log.json", "g.log.gz", "trainer_state.json"]
    names += ["y.json", "no_extension"]
    others = [
        "requirements.txt",
        "README.txt",
        "x.py",
        "events.out.tfevents.1",
        "z.gz",
        "vocab.txt",
    ]
    for name in names + others:
        (tmp_path / name).write_bytes(b"")
    inputs = discover(tmp_path)
    assert sorted(inputs) == sorted({*names, "g.log"} - {"g.log.gz"})
    structured = {name for name, input in inputs.items() if input.structured}
    assert structured == {"d.jsonl", "e.csv", "f.log.json", "y.json", "trainer_state.json"}
    assert {input.restarts for input in inputs.values()} == {Restarts.INPUT}


def test_rotated_segments_belong_to_their_log(tmp_path: Path) -> None:
    for name in ("x.log", "x.log.1", "x.log.2.gz", "x.log-20240101", "y.log.1", "z.csv.gz"):
        (tmp_path / name).write_bytes(b"")
    assert sorted(discover(tmp_path)) == ["x.log", "y.log", "z.csv"]


def test_an_id_outlives_packing_and_restarts(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(b"")
    before = discover(tmp_path)["x.log"].id
    (tmp_path / "x.log").rename(tmp_path / "x.log.gz")
    assert discover(tmp_path)["x.log"].id == before


def test_any_file_that_the_user_names_is_read_but_those_of_other_adapters(tmp_path: Path) -> None:
    for name in ("console", "events.out.tfevents.1", "run-1.wandb"):
        (tmp_path / name).write_bytes(b"")
    assert list(discover(*tmp_path.iterdir())) == ["console"]


def test_only_the_newest_trainer_state_of_a_run_is_an_input(tmp_path: Path) -> None:
    for folder in ("run/checkpoint-500", "run/checkpoint-1000", "two", "two/checkpoint-9"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "trainer_state.json").write_bytes(b"{}")
    assert sorted(discover(tmp_path)) == ["run/checkpoint-1000/trainer_state.json", "two/trainer_state.json"]


def test_an_unknown_option_or_zone_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="no option 'zone'"):
        LogAdapter({"zone": "UTC"})
    with pytest.raises(ValueError, match="'Mars/Olympus' is not known"):
        LogAdapter({"timezone": "Mars/Olympus"})


# Changes


def test_a_restart_from_every_cursor_gives_the_same_points(tmp_path: Path) -> None:
    log = write(tmp_path / "x.log", steps(0, 300))
    whole = read(log, bytes=200)
    assert whole.points["loss"] == losses(0, 300)
    for n, batch in enumerate(whole.batches):
        rest = read(log, Reading(cursor=batch.cursor)) if batch.more else Reading()
        before = sum(len(b.series["loss"].points) for b in whole.batches[: n + 1] if "loss" in b.series)
        assert rest.points.get("loss", []) == losses(before, 300)


def test_a_budget_of_bytes_points_and_time_is_kept(tmp_path: Path) -> None:
    input = input_of(write(tmp_path / "x.log", steps(0, 5000)))
    adapter = LogAdapter()
    assert adapter.read(input, None, budget(bytes=1000)).counts.bytes <= 1000
    assert adapter.read(input, None, budget(points=7)).point_count == 7
    ticks = iter(range(10_000))
    late = budget(seconds=3, bytes=60_000)  # too few for lines to be read together
    late.clock = lambda: float(next(ticks))
    assert 0 < adapter.read(input, None, late).point_count < 2000


def test_a_truncated_log_begins_anew(tmp_path: Path) -> None:
    log = write(tmp_path / "x.log", steps(0, 10))
    reading = read(log)
    read(write(log, steps(0, 3)), reading)
    assert reading.last.restart
    assert reading.points["loss"] == losses(0, 10) + losses(0, 3)


def test_a_rotated_log_goes_on(tmp_path: Path) -> None:
    log = write(tmp_path / "x.log", steps(0, 10))
    reading = read(log)
    write(log, steps(0, 12))
    with gzip.open(tmp_path / "x.log.1.gz", "wb") as file:
        file.write(log.read_bytes())
    read(write(log, steps(12, 20)), reading)
    assert reading.points["loss"] == losses(0, 20)
    assert not any(batch.restart for batch in reading.batches)


def test_a_vanished_log_is_gone_and_goes_on_when_it_comes_back(tmp_path: Path) -> None:
    log = write(tmp_path / "x.log", steps(0, 10))
    input, reading = input_of(log), read(log)
    log.unlink()
    with pytest.raises(InputGone, match=r"x\.log: the file is not there any more"):
        LogAdapter().read(input, reading.cursor, budget())
    read(write(log, steps(0, 15)), reading)
    assert reading.points["loss"] == losses(0, 15)


def test_a_csv_whose_header_is_rewritten_is_a_replaced_file(tmp_path: Path) -> None:
    table = write(tmp_path / "metrics.csv", b"epoch,step,loss\n0,9,0.5\n")
    reading = read(table)
    read(write(table, b"acc,epoch,step,loss\n,0,9,0.5\n0.25,0,19,\n"), reading)
    assert reading.last.restart
    assert reading.points == {"loss": [(9, 0.5), (9, 0.5)], "acc": [(19, 0.25)]}


def test_a_binary_file_is_left_alone(tmp_path: Path) -> None:
    input = input_of(write(tmp_path / "x.log", bytes(range(256)) * 20))
    with pytest.raises(InputDead, match="this is a binary file, not a text log"):
        LogAdapter().read(input, None, budget())


def test_nul_bytes_in_a_log_are_no_reason_to_give_it_up(tmp_path: Path) -> None:
    data = b"\0" * 5000 + b"step 1 loss=1.5\n" + b"step 2 \0\0loss=2.5\n\xff\xfe garbage \xc3\n"
    assert read(write(tmp_path / "x.log", data)).points["loss"] == losses(1, 3)


def test_an_unreadable_log_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    input = input_of(write(tmp_path / "x.log", steps(0, 10)))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("lensd_log.reader.read_lines", refuse)
    with pytest.raises(RetryAfter, match="not readable by this user"):
        LogAdapter().read(input, None, budget())


def test_a_cursor_that_cannot_be_read_begins_anew(tmp_path: Path) -> None:
    log = write(tmp_path / "x.log", steps(0, 5))
    for bad in (b"\0\xff", b"{}", b'{"v": 99}', b"[]", b'{"v": 1, "position": {"x": 1}}'):
        assert read(log, Reading(cursor=bad)).points["loss"] == losses(0, 5)


@pytest.mark.parametrize("version", [1, 2])
def test_a_cursor_of_an_earlier_version_goes_on(version: int, tmp_path: Path) -> None:
    log = write(tmp_path / "x.log", b"[1]\ttrain-rmse:0.5\n[2]\ttrain-rmse:0.25\n")
    fields = json.loads(read(log).cursor or b"")
    fields["v"] = version
    fields["told"] = fields.pop("reported")
    if version == 1:
        fields["dialect"] = fields.pop("log_format")
        fields["position"]["piece"] = fields["position"].pop("segment")
    reading = Reading(cursor=json.dumps(fields).encode())
    read(write(log, log.read_bytes() + b"[3]\ttrain-rmse:0.125\n"), reading)
    assert reading.points == {"train-rmse": [(3, 0.125)]}
    assert reading.facts == {}


def test_an_empty_file_is_fine(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "x.log", b""))
    assert (reading.points, reading.last.note, reading.last.lag_bytes) == ({}, None, 0)


def test_line_marks_lead_back_into_the_log(tmp_path: Path) -> None:
    log = write(tmp_path / "x.log", steps(0, 5000))
    marks = [mark for batch in read(log, bytes=3000).batches for mark in batch.marks]
    assert [mark.line for mark in marks] == list(range(0, 5000, 512))
    lines = log.read_bytes().splitlines(keepends=True)
    assert [mark.offset for mark in marks] == [len(b"".join(lines[: mark.line])) for mark in marks]


def test_a_log_most_of_which_is_not_read_says_so(tmp_path: Path) -> None:
    matching = b"".join(b"step %d loss=0.5\n" % n for n in range(15))
    other = b"some unknown thing, wer: 0.25\n" * 30
    few = read(write(tmp_path / "few.log", matching + other[:300]))
    assert few.last.note is None
    many = read(write(tmp_path / "many.log", other + b"prose\n" * 60 + matching))
    assert len(many.points["loss"]) == 15
    assert str(many.last.note).startswith("30 of 105 lines look like metrics, but were not read")


def test_lines_that_wait_count_once_it_is_known_what_they_are(tmp_path: Path) -> None:
    blocks = "".join(f"pass no. {n}:\nMean value loss: 0.{n}\nMean reward: 0.{n}5\n" for n in range(1, 4))
    read_blocks = read(write(tmp_path / "blocks.log", blocks.replace("pass no.", "Step").encode()))
    counts = [batch.counts for batch in read_blocks.batches]
    assert (sum(c.matched for c in counts), sum(c.unparsed for c in counts)) == (6, 0)
    vain = "".join(f"step 7 took {n} tries, wer 0.5, more or less, who knows, nobody\n" for n in range(80))
    read_vain = read(write(tmp_path / "vain.log", vain.encode()))
    assert read_vain.points == {}
    assert sum(batch.counts.unparsed for batch in read_vain.batches) == 80
    assert str(read_vain.last.note).startswith("no points: 80 of 80 lines look like metrics")


def test_a_log_of_which_nothing_matches_says_so(tmp_path: Path) -> None:
    prose = b"the quick brown fox jumps over the lazy dog\n" * 40
    assert read(write(tmp_path / "x.log", prose)).last.note == "0 of 40 lines matched any log format"
    assert read(write(tmp_path / "notes.txt", prose)).last.note is None
    like = b"some unknown thing, loss: 0.25\n" * 40
    reading = read(write(tmp_path / "like.txt", like))
    assert reading.last.note is not None
    assert reading.last.note.startswith("no points: 40 of 40 lines look like metrics, but none was read")
    assert reading.last.counts.unparsed == 40


def test_a_last_json_line_without_newline_counts_once_the_file_rests(tmp_path: Path) -> None:
    log = write(tmp_path / "x.jsonl", b'{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}')
    assert read(log, now_ms=MTIME * 1000 + 1).points["loss"] == [(1, 0.5)]
    reading = read(log)
    assert reading.points["loss"] == [(1, 0.5), (2, 0.25)]
    read(log, reading)
    read(write(log, log.read_bytes() + b'\n{"step": 3, "loss": 0.125}\n'), reading)
    assert reading.points["loss"] == [(1, 0.5), (2, 0.25), (3, 0.125)]


@pytest.mark.slow
def test_a_text_corpus_is_not_read_to_its_end_but_what_is_appended_is(tmp_path: Path) -> None:
    paragraph = b"It was the best of times, it was the worst of times. " * 60 + b"\n"
    corpus = write(tmp_path / "corpus.txt", paragraph * 6000)
    reading = read(corpus, seconds=60)
    assert sum(batch.counts.bytes for batch in reading.batches) < 16 << 20
    assert reading.last.note == "no metrics in the first 8 MiB: taken for data, only its end is read"
    with corpus.open("ab") as file:
        file.write(steps(0, 3))
    os.utime(corpus, (MTIME, MTIME))
    assert read(corpus, reading).points["loss"] == losses(0, 3)


# Trainer states


def test_a_trainer_state_gives_only_what_is_new_at_each_save(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    history: list[dict[str, float]] = [
        {"epoch": 0.5, "loss": 2.0, "step": 10},
        {"eval_loss": 1.5, "step": 10},
    ]
    write(path, json.dumps({"log_history": history, "max_steps": 40}).encode())
    reading = read(path)
    history.append({"epoch": 1.0, "loss": float("nan"), "step": 20})
    read(write(path, json.dumps({"log_history": history, "max_steps": 40}).encode()), reading)
    assert reading.points == {"loss": [(10, 2.0), (20, "nan")], "eval_loss": [(10, 1.5)]}
    assert reading.facts == {"framework": "huggingface", "target_iteration": 40, "config.max_steps": 40}
    read(write(path, json.dumps({"log_history": history[1:]}).encode()), reading)
    assert reading.last.restart


def test_a_trainer_state_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    input = input_of(write(tmp_path / "trainer_state.json", b'{"log_history": [{"st'))
    with pytest.raises(RetryAfter):
        LogAdapter().read(input, None, budget())


def test_a_last_line_without_its_newline_counts_when_a_file_at_rest_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", b"step: 1 loss: 0.5\nstep: 2 loss: 0.25")
    assert read(path, final=True).points == {"loss": [(1, 0.5), (2, 0.25)]}
    assert read(path).points == {"loss": [(1, 0.5)]}
