"""Which number is the iteration of a line."""

from pathlib import Path

import pytest

from lensd_log import LogAdapter
from lensd_log.formats.epochs import step_in_run
from lensd_log.line.record import State
from tests.log.reading import MTIME, Point, budget, input_of, read, write


def losses(tmp_path: Path, lines: list[str], name: str = "x.log") -> list[Point]:
    return read(write(tmp_path / name, ("\n".join(lines) + "\n").encode())).points["loss"]


def test_places_that_begin_anew_in_each_epoch_are_put_one_behind_another(tmp_path: Path) -> None:
    lines = [f"Epoch [{e}/3], Step [{i}/40], loss: 0.5" for e in (1, 2, 3) for i in (10, 20, 30, 40)]
    assert [step for step, _ in losses(tmp_path, lines)] == list(range(10, 130, 10))


def test_batches_of_an_epoch_count_on_through_the_run(tmp_path: Path) -> None:
    lines = [f"Epoch: {e:03d}/002 | Batch {i:04d}/0100 | loss: 0.5" for e in (1, 2) for i in (0, 50)]
    assert [step for step, _ in losses(tmp_path, lines)] == [0, 50, 100, 150]


def test_steps_that_are_counted_through_the_run_stay_as_printed(tmp_path: Path) -> None:
    lines = [f"epoch {n // 50} step {n} loss=0.5" for n in range(0, 200, 10)]
    assert [step for step, _ in losses(tmp_path, lines)] == list(range(0, 200, 10))


def test_epochs_of_unknown_length_follow_one_another_by_the_longest_seen() -> None:
    state: State = {}
    places = [(0, 10), (0, 20), (0, 30), (1, 10), (1, 20), (1, 30), (2, 10)]
    assert [step_in_run(i, None, e, state) for e, i in places] == [10, 20, 30, 40, 50, 60, 70]


def test_a_run_that_begins_anew_counts_from_the_beginning() -> None:
    state: State = {}
    for e, i in [(1, 10), (1, 20), (2, 10), (2, 20)]:
        step_in_run(i, 20, e, state)
    assert [step_in_run(i, 20, 1, state) for i in (10, 20)] == [10, 20]


def test_a_global_step_goes_before_the_step_of_the_epoch(tmp_path: Path) -> None:
    lines = [f"epoch 1, iteration {n}/10 | global_step: {n + 500} | loss: 0.5" for n in (1, 2)]
    assert losses(tmp_path, lines) == [(501, 0.5), (502, 0.5)]


def test_an_epochs_summary_among_steps_belongs_to_the_last_step(tmp_path: Path) -> None:
    lines = ["step 10 loss=0.5", "step 20 loss=0.4", "Epoch 1 done, mean_loss=0.45", "step 30 loss=0.3"]
    reading = read(write(tmp_path / "x.log", ("\n".join(lines) + "\n").encode()))
    assert reading.points["mean_loss"] == [(20, 0.45)]
    rows = ['{"step": 10, "loss": 0.5, "epoch": 0}', '{"epoch": 0, "val_loss": 0.25}']
    reading = read(write(tmp_path / "x.jsonl", ("\n".join(rows) + "\n").encode()))
    assert reading.points["val_loss"] == [(10, 0.25)]


def test_an_evaluation_before_any_training_needs_a_step_of_its_own(tmp_path: Path) -> None:
    assert read(write(tmp_path / "x.log", b"eval loss=0.5\neval at step 0: loss=0.25\n")).points == {
        "loss": [(0, 0.25)]
    }


def test_json_rows_without_any_counter_are_numbered(tmp_path: Path) -> None:
    assert losses(tmp_path, ['{"loss": 0.5}', '{"loss": 0.25}'], "x.jsonl") == [(1, 0.5), (2, 0.25)]


def test_iterations_of_json_rows_that_begin_anew_in_each_epoch_go_on(tmp_path: Path) -> None:
    rows = [
        f'{{"mode": "train", "epoch": {e}, "iter": {i}, "loss": 0.5}}' for e in (1, 2, 3) for i in (50, 100)
    ]
    assert [step for step, _ in losses(tmp_path, rows, "x.log.json")] == [50, 100, 150, 200, 250, 300]


def test_the_first_bar_behind_a_dict_tells_its_step_though_its_line_has_not_ended(tmp_path: Path) -> None:
    log = write(
        tmp_path / "x.log", b"\r 0/100\r  5%|#| 5/100 [00:01<00:20]\r   \r{'loss': 0.5, 'epoch': 0.1}\n"
    )
    reading = read(log, now_ms=MTIME * 1000)  # it is being written
    assert reading.points == {}
    read(
        write(log, log.read_bytes() + b"\r 10%|#| 10/100 [00:02<00:18, 5.0it/s]\r 11%|#| 11/100"),
        reading,
        now_ms=MTIME * 1000,
    )
    assert reading.points["loss"] == [(10, 0.5)]
    read(
        write(
            log,
            log.read_bytes() + b" [00:02<00:18]\r   \r{'loss': 0.25, 'epoch': 0.2}\r 20%|#| 20/100 [00:04<1",
        ),
        reading,
        now_ms=MTIME * 1000,
    )
    assert reading.points["loss"] == [(10, 0.5)]
    read(write(log, log.read_bytes() + b"6:00]\n"), reading)
    assert reading.points["loss"] == [(10, 0.5), (20, 0.25)]


LONE = b"\r 10%|#    | 4/40 [00:01<00:09,  4.00it/s]\r      \r{'loss': 0.5, 'epoch': 0.1}\n"


def test_a_dict_whose_bar_never_comes_is_given_once_the_file_rests(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", LONE)
    reading = read(path, now_ms=MTIME * 1000)
    assert reading.points == {}
    assert reading.last.waits
    read(path, reading, now_ms=MTIME * 1000 + 5_000)
    assert reading.points == {}, "the bar may still come"
    read(path, reading, now_ms=MTIME * 1000 + 11_000)
    assert [value for _, value in reading.points["loss"]] == [0.5]
    assert not reading.last.waits
    read(path, reading, now_ms=MTIME * 1000 + 22_000)
    assert len(reading.points["loss"]) == 1


def test_nothing_waits_where_nothing_more_is_written(tmp_path: Path) -> None:
    path, adapter = write(tmp_path / "x.log", LONE), LogAdapter()
    batch = adapter.read(input_of(path), None, budget(final=True))
    assert batch.series["loss"].points.value.tolist() == [0.5]


def test_bars_of_something_else_do_not_hold_up_dicts(tmp_path: Path) -> None:
    lines = [
        "\r100%|##| 1000/1000 [00:01<00:00, 900it/s]",
        *(f"{{'loss': 0.{n}, 'epoch': 0.1}}" for n in range(5)),
    ]
    assert [step for step, _ in losses(tmp_path, lines)] == [1, 2, 3, 4, 5]


def test_an_interval_is_inferred_from_epochs_where_no_bar_is_drawn(tmp_path: Path) -> None:
    lines = ["***** Running training *****", "  Num Epochs = 2", "  Total optimization steps = 1,000"]
    lines += [f"{{'loss': 0.5, 'epoch': {n / 500:.2f}}}" for n in range(10, 100, 10)]
    assert [step for step, _ in losses(tmp_path, lines)] == list(range(10, 100, 10))


@pytest.mark.parametrize(
    "text", ["step 5.", "step=5,", "step: 5", "Step #5", "[step 5]", "iter(5)", "Iteration 5:"]
)
def test_a_step_is_found_however_it_is_written(text: str, tmp_path: Path) -> None:
    assert losses(tmp_path, [f"{text} loss=0.5"]) == [(5, 0.5)]


def test_lightning_resets_its_bar_before_it_names_the_next_epoch(tmp_path: Path) -> None:
    bar = "Epoch {}: 50%|#####     | {}/2 [00:01<00:01,  1.00it/s, loss={}]"
    places = [(0, 1, 0.1), (0, 2, 0.2), (0, 0, 0.2), (1, 0, 0.2), (1, 1, 0.3), (1, 2, 0.4)]
    steps = [step for step, _ in losses(tmp_path, [bar.format(*place) for place in places])]
    assert steps == [1, 2, 3, 4]


def test_a_bar_of_epochs_around_that_of_steps_is_the_epoch(tmp_path: Path) -> None:
    lines = []
    for epoch in (1, 2):
        lines += [f"epoch:   1%|1         | {epoch}/100 [00:30<50:12, 30.4s/it]"]
        lines += [f"step: 100%|##########| 30/30 [00:30<00:00,  1.00s/it, loss=0.{epoch}]"]
    assert losses(tmp_path, lines) == [(30, 0.1), (60, 0.2)]


def test_a_summary_without_num_updates_stands_at_the_step_before_it(tmp_path: Path) -> None:
    lines = ["| epoch 001  1000 / 8000 loss=6.5", "| epoch 001  2000 / 8000 loss=5.5"]
    lines += ["| epoch 001 | train loss 5.25 | bsz 32"]
    points = read(write(tmp_path / "x.log", ("\n".join(lines) + "\n").encode())).points
    assert points["bsz"] == [(2000, 32.0)]
