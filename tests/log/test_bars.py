"""Which step a record has that was printed above, below or in a progress bar, in every interleaving."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.log.reading import MTIME, Point, read, write


def bar(n: int, total: int = 40) -> str:
    return f"\r {100 * n // total:2}%|##   | {n}/{total} [00:{n:02}<00:10,  1.00it/s]"


def dict_at(step: int, name: str = "loss") -> str:
    """What `Trainer` prints at a step; 20 steps are an epoch."""
    return f"{{'{name}': {step / 64}, 'epoch': {step / 20:.2f}}}\n"


BLANK = "\r" + 30 * " "
BELOW = "\n\r 50%|##   | 2/4 [00:00<00:00, 31.97it/s]\x1b[A"
RIGHT: dict[str, list[Point]] = {"loss": [(step, step / 64) for step in (3, 6, 9)]}


def points(tmp_path: Path, text: str) -> dict[str, list[Point]]:
    path = write(tmp_path / "train.log", text.encode())
    return read(path, read(path), now_ms=MTIME * 1000 + 200_000).points


def test_a_dict_is_at_the_bar_that_is_drawn_again_behind_it(tmp_path: Path) -> None:
    text = "".join(bar(n - 2) + BLANK + "\r" + dict_at(n) + bar(n) for n in (3, 6, 9))
    assert points(tmp_path, text + "\n") == RIGHT


@pytest.mark.parametrize("bunch", [2, 3])
def test_dicts_that_were_buffered_are_at_the_bars_that_were_blanked_for_them(
    bunch: int, tmp_path: Path
) -> None:
    steps = [3, 6, 9]
    text = "".join(bar(n - 2) + BLANK + "\r" + bar(n) for n in steps[:bunch])
    dicts = "".join(map(dict_at, steps[:bunch]))
    after = "".join(bar(n - 2) + BLANK + "\r" + bar(n) + dict_at(n) for n in steps[bunch:])
    assert points(tmp_path, text + dicts + after) == RIGHT


@pytest.mark.parametrize("bunch", [2, 3])
def test_a_full_buffer_is_written_while_the_bar_is_blank_for_the_next_dict(
    bunch: int, tmp_path: Path
) -> None:
    steps = range(1, bunch + 1)
    text = "".join(bar(n - 1) + BLANK + "\r" + bar(n) for n in steps)
    text += BLANK + "\r" + "".join(map(dict_at, steps)) + bar(bunch + 1) + dict_at(bunch + 1)
    assert points(tmp_path, text)["loss"] == [(step, step / 64) for step in range(1, bunch + 2)]


def test_dicts_of_another_pipe_may_come_before_their_bars(tmp_path: Path) -> None:
    text = "".join(bar(n - 2) + "\n" + dict_at(n) + BLANK + "\r" + bar(n) for n in (3, 6, 9))
    assert points(tmp_path, text + "\n") == RIGHT


@pytest.mark.parametrize("training_first", [True, False])
def test_the_bar_of_an_evaluation_lies_below(training_first: bool, tmp_path: Path) -> None:
    training, below = BLANK + "\r", "\n" + BLANK + "\r\x1b[A"
    drawn = [bar(3), BELOW]
    blanked = training + below if training_first else below + training
    redrawn = drawn if training_first else drawn[::-1]
    text = bar(2) + BELOW + blanked + dict_at(3, "eval_loss") + "".join(redrawn) + "\n"
    text += bar(4) + BLANK + "\r" + dict_at(6) + bar(6) + "\n"
    assert points(tmp_path, text) == {"eval_loss": [(3, 3 / 64)], "loss": [(6, 6 / 64)]}


def test_a_buffer_may_be_written_out_behind_the_bar_of_an_evaluation(tmp_path: Path) -> None:
    begins = "\n\r  0%|     | 0/40 [00:00<?, ?it/s]\x1b[A"  # as many batches as training has steps
    text = "".join(bar(n - 2) + BLANK + "\r" + bar(n) for n in (3, 6, 9)) + begins
    assert points(tmp_path, text + "".join(map(dict_at, (3, 6, 9)))) == RIGHT


def test_what_others_write_above_the_bar_moves_no_dict(tmp_path: Path) -> None:
    text = bar(1) + BLANK + "\rsaved\n" + bar(2) + BLANK + "\r" + bar(2)  # the second one is cut out
    text += "".join(bar(n - 1) + BLANK + "\r" + dict_at(n) + bar(n) for n in (3, 6, 9))
    assert points(tmp_path, text + "\n") == RIGHT


def lightning(epoch: int, at: int, pairs: str, length: str = "2") -> str:
    share = "100%|##|" if length != "?" else "|    |"
    return f"\rEpoch {epoch}: {share} {at}/{length} [00:01<00:00,  1.00it/s{pairs}]"


@pytest.mark.parametrize("length", ["2", "?"])
def test_a_value_that_only_stays_in_the_bar_is_no_point(length: str, tmp_path: Path) -> None:
    def drawn(epoch: int, at: int, pairs: str) -> str:
        return lightning(epoch, at, pairs, length)

    text = drawn(0, 1, "") + drawn(0, 1, ", a=1.0") + drawn(0, 2, ", a=1.0") + drawn(0, 2, ", a=2.0")
    text += "\n\rValidation: 100%|##| 3/3 [00:01<00:00,  1.00it/s]\x1b[A\n" + drawn(0, 2, ", a=2.0, v=5.0")
    text += drawn(0, 0, ", a=2.0, v=5.0") + drawn(1, 0, ", a=2.0, v=5.0")
    text += drawn(1, 1, ", a=3.0, v=5.0") + drawn(1, 2, ", a=4.0, v=5.0")
    text += "\n\rValidation: 100%|##| 3/3 [00:01<00:00,  1.00it/s]\x1b[A\n" + drawn(1, 2, ", a=4.0, v=5.0")
    assert points(tmp_path, text + "\n") == {
        "a": [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)],
        "v": [(2, 5.0), (4, 5.0)],
    }


def test_keras_prints_no_header_for_one_epoch(tmp_path: Path) -> None:
    text = "\r1/5 [=>...] - ETA: 0s - loss: 3.5\r5/5 [=====] - 0s 2ms/step - loss: 2.5\n"
    assert points(tmp_path, text) == {"loss": [(1, 2.5)]}
