"""Lines become records once their shape has proved itself, from the state alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensd_log.line.record import Record
from lensd_log.structure.reader import StructuralReader, StructureLine, claim_names

Points = dict[str, list[tuple[int | None, float]]]


def read(text: str, *, stamped: bool = False, fresh: bool = False) -> Points:
    """The points of a text, line by line. fresh: through JSON and a new reader for each line."""
    reader, state, points = StructuralReader(), {}, {}  # type: ignore[var-annotated]
    for number, line in enumerate(text.splitlines(), 1):
        if fresh:
            reader, state = StructuralReader(), json.loads(json.dumps(state))
        states = [part for part in line.split("\r") if part]
        given_line = StructureLine(states[-1].strip() if states else "", number, None, stamped, states)
        for placed in reader.read(given_line, state):
            for name, value in placed.record.values:
                points.setdefault(name, []).append((placed.record.step, value))
    return points


def test_a_shape_that_moves_with_training_words_is_read_from_its_first_line() -> None:
    text = "epoch 1 train_loss 0.88\nepoch 2 train_loss 0.70\n"
    assert read(text) == {"train_loss": [(1, 0.88), (2, 0.7)]}


def test_pairs_behind_a_step_count_at_once() -> None:
    assert read("step 10: loss=0.5 (won't save)\n") == {"loss": [(10, 0.5)]}


@pytest.mark.parametrize(
    "text",
    [
        "step 0: offset -0.000 sec, error 0.1\nstep 1: offset -0.001 sec, error 0.1\n" * 3,
        "Downloading file 1 of 3: 5.5 MB\nDownloading file 2 of 3: 7.5 MB\n",
        "{'learning_rate': 0.0003, 'epochs': 3, 'seed': 42}\n",
        "if step == 100: loss = 0.5\n",
        "The loss at step 5 was about 3 times higher than expected.\n",
        "row 1 loss: 0.5\nrow 1 loss: 0.5\n",
    ],
)
def test_what_does_not_prove_itself_gives_nothing(text: str) -> None:
    assert read(text) == {}


def test_a_counter_that_only_goes_round_proves_nothing_but_what_it_said_before() -> None:
    text = "".join(f"step {n % 3} retries {n % 5}.5\n" for n in range(100))
    assert read(text) == {}


def test_lines_beside_proved_ones_need_only_a_moving_counter() -> None:
    text = "".join(f"step {n} loss: {n}.5\nstep {n} CORE metric: 0.{n}\n" for n in range(1, 4))
    assert read(text)["CORE metric"] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    alone = "".join(f"step {n} CORE metric: 0.{n}\n" for n in range(1, 4))
    assert read(alone) == {}


def test_the_door_shuts_far_from_proved_lines() -> None:
    far = "nothing here\n" * 60
    text = "step 1 loss: 0.5\nstep 2 loss: 0.4\n" + far + "step 3 width: 1.5\nstep 4 width: 2.5\n"
    assert "width" not in read(text)


def test_a_header_gives_its_step_to_the_lines_below() -> None:
    text = "".join(
        f"==== Step {n}/50 ====\nTraining Results:\n  • Loss: 0.{n}\n  • Avg Reward: 1.{n}\n" for n in (1, 2)
    )
    assert read(text) == {"Loss": [(1, 0.1), (2, 0.2)], "Avg Reward": [(1, 1.1), (2, 1.2)]}


def test_epochs_follow_one_another_by_their_printed_length() -> None:
    lines = [f"Epoch: [{e}][{i}/400] Loss: {e}.{i}" for e in (1, 2) for i in (0, 20, 40)]
    assert [step for step, _ in read("\n".join(lines))["Loss"]] == [0, 20, 40, 400, 420, 440]


def test_epochs_follow_one_another_by_the_longest_one_where_no_length_is_printed() -> None:
    lines = [f"[{e},  {i}] loss: {e}.{i}" for e in (1, 2) for i in (2000, 4000)]
    assert [step for step, _ in read("\n".join(lines))["loss"]] == [2000, 4000, 6000, 8000]


def test_a_pair_is_epoch_and_batch_once_the_second_line_shows_it() -> None:
    lines = ["TRAIN Batch 0/100 loss 9.5", "TRAIN Batch 0/200 loss 8.5", "TRAIN Batch 1/100 loss 7.5"]
    assert read("\n".join(lines)) == {"loss": [(100, 9.5), (200, 8.5), (300, 7.5)]}
    lines = ["Batch 1/100 loss 9.5", "Batch 2/100 loss 8.5"]
    assert read("\n".join(lines)) == {"loss": [(1, 9.5), (2, 8.5)]}


def test_training_keeps_the_plain_name_and_validation_is_qualified() -> None:
    text = "".join(f"Epoch {n} train: loss=0.{n}\nEpoch {n} val: loss=1.{n}\n" for n in (1, 2))
    assert read(text) == {"loss": [(1, 0.1), (2, 0.2)], "val/loss": [(1, 1.1), (2, 1.2)]}


def test_a_name_that_training_does_not_print_stays_as_printed() -> None:
    text = "".join(f"Iter {n}: loss=0.{n}\n[EVAL] mIoU: 1.{n}, Acc: 0.{n}\n" for n in (1, 2))
    assert read(text)["mIoU"] == [(1, 1.1), (2, 1.2)]


def test_an_evaluation_counts_its_own_batches_and_stands_at_the_last_step_of_training() -> None:
    train = "step {0} loss: 0.{0}\n"
    text = train.format(10) + train.format(20) + "Test: [ 1/9] loss: 0.7\n"
    text += train.format(30) + "Test: [1/9] loss: 0.6\n"
    assert read(text)["Test/loss"] == [(20, 0.7), (30, 0.6)]


def test_a_series_has_one_scale() -> None:
    lines = ["step 1 loss: 1 tokens: 524K mem: 900Mb", "step 2 loss: 2 tokens: 1.05M mem: 2Gb"]
    points = read("\n".join(lines))
    assert points["tokens"] == [(1, 524000), (2, 1050000)]
    assert points["mem"] == [(1, 900), (2, 2048)]


def test_a_table_has_its_names_in_its_header() -> None:
    text = "#  step      rmse_val    lr\n      0      3.33e+01    1.0e-03\n    100      2.57e+01    1.0e-03\n"
    assert read(text) == {"rmse_val": [(0, 33.3), (100, 25.7)], "lr": [(0, 0.001), (100, 0.001)]}


def test_a_box_is_one_record_wherever_its_step_stands() -> None:
    box = "╭──────╮\n│ loss   {0}.5 │\n│ training_iteration  {0} │\n╰──────╯\n"
    assert read(box.format(1) + box.format(2)) == {"loss": [(1, 1.5), (2, 2.5)]}


def test_a_row_that_a_box_has_already_begins_another_one() -> None:
    box = "+------+---+\n| epoch | {0} |\n| loss  | {0}.5 |\n+------+---+\n"
    assert read(box.format(1) + box.format(2) + "done\n") == {"loss": [(1, 1.5), (2, 2.5)]}


def test_pairs_behind_a_time_need_no_step() -> None:
    text = "loss=0.3\nloss=0.2\n"
    assert read(text, stamped=True) == {"loss": [(None, 0.3), (None, 0.2)]}
    assert read(text) == {}


def test_every_state_of_a_redrawn_line_counts() -> None:
    text = "\rEpoch: 1/2, Step: 1/3, Loss: 0.9\rEpoch: 1/2, Step: 2/3, Loss: 0.8\n"
    assert read(text) == {"Loss": [(1, 0.9), (2, 0.8)]}


def test_a_known_format_opens_the_door_and_has_its_names() -> None:
    reader, state = StructuralReader(), {}  # type: ignore[var-annotated]
    claim_names([Record([("loss", 0.25)], 200)], state)
    [placed] = reader.read(StructureLine("Validation: loss: 0.5", 2, last_step=200), state)
    assert placed.record.values == [("Validation/loss", 0.5)]
    assert (placed.record.step, placed.record.evaluation) == (200, True)


WORDS = st.sampled_from(
    "step epoch iter 1 2 3 0.5 1.5 / : = [ ] , | loss acc val train Test: lr nan 10/20 % │ ─ ╰ -".split()
)
TEXTS = st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=12).map("\n".join)


@given(TEXTS)
def test_the_state_alone_decides(text: str) -> None:
    assert repr(read(text)) == repr(read(text, fresh=True))


@pytest.mark.slow
@given(st.lists(st.text(max_size=60), max_size=30))
def test_no_text_is_too_strange(lines: list[str]) -> None:
    read("\n".join(lines))


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400", "1e30"])
def test_a_table_may_count_with_anything(number: str) -> None:
    assert read(f"step epoch loss\n{number} 1 0.5\n") in ({}, {"loss": [(1, 0.5)]})


def test_the_state_stays_small() -> None:
    reader, state = StructuralReader(), {}  # type: ignore[var-annotated]
    for number in range(1, 500):
        name = f"name{number}loss"
        values = " ".join(f"{name}{letter}: 0.{number}" for letter in "abcdefghijklmnopqrstuvwxyzabcdefghi")
        reader.read(StructureLine(f"thing {values}", number), state)
    assert len(json.dumps(state)) < 64 << 10
    waiting: list[Any] = state["waiting"]
    assert len(waiting) <= 64
