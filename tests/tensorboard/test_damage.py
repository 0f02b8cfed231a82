"""Damage costs the damaged record and nothing else, and is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from lensd.adapter import InputDead
from lensd_tensorboard import TensorBoardAdapter
from lensd_tensorboard import adapter as adapter_module
from tests.tensorboard.reading import Result, budget, input_at, read_to_end
from tests.tensorboard.writing import event, simple, version

FRAMES = [version()] + [event(1_795_000_000.0 + step, step, simple(b"x", step)) for step in range(6)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.out.tfevents.1795000000.host.1.0"


def read(path: Path, data: bytes, cursor: bytes | None = None) -> Result:
    path.write_bytes(data)
    return read_to_end(input_at(path), cursor)


def flipped(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 0x10]) + frame[at + 1 :]


def steps(result: Result) -> list[int]:
    return result.columns["x"][0]


@pytest.mark.parametrize("at", range(len(FRAMES[3])))
def test_any_flipped_bit_costs_one_record(path: Path, at: int) -> None:
    result = read(path, b"".join([*FRAMES[:3], flipped(FRAMES[3], at), *FRAMES[4:]]))
    assert steps(result) == [0, 1, 3, 4, 5]
    assert result.skipped == 1
    assert sum(batch.counts.records for batch in result.batches) == len(FRAMES)
    assert sum(batch.counts.matched for batch in result.batches) == 5


def test_bytes_that_were_lost_or_put_between_records_are_stepped_over(path: Path) -> None:
    lost = read(path, b"".join([*FRAMES[:3], FRAMES[3][5:-9], *FRAMES[4:]]))
    assert (steps(lost), lost.skipped) == ([0, 1, 3, 4, 5], 1)
    added = read(path, b"".join([*FRAMES[:3], b"\0" * 5000, *FRAMES[3:]]))
    assert (steps(added), added.skipped) == ([0, 1, 2, 3, 4, 5], 1)


def test_a_damaged_first_record_does_not_hide_the_others(path: Path) -> None:
    result = read(path, b"".join([flipped(FRAMES[0], 2), *FRAMES[1:]]))
    assert (steps(result), result.skipped) == ([0, 1, 2, 3, 4, 5], 1)


def test_damage_at_the_end_is_waited_behind_until_a_sound_record_follows(path: Path) -> None:
    data = b"".join(FRAMES[:4]) + b"\0" * 40  # pages that are not visible yet
    before = read(path, data)
    assert steps(before) == [0, 1, 2]
    last = before.batches[-1]
    assert last.note == f"damaged at byte {len(data) - 40}, and no sound record follows yet"
    assert (last.more, last.counts.skipped, last.lag_bytes) == (False, 0, 40)
    filled = read(path, b"".join(FRAMES), before.cursor)
    assert (steps(filled), filled.skipped) == ([3, 4, 5], 0)
    left = read(path, data + b"".join(FRAMES[5:]), before.cursor)
    assert (steps(left), left.skipped) == ([4, 5], 1)


def test_what_is_before_the_damage_is_committed_before_the_input_is_dead(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_module, "WINDOW", 2000)
    path.write_bytes(b"".join(FRAMES[:4]) + b"\xab" * 3000 + b"".join(FRAMES))
    first = TensorBoardAdapter().read(input_at(path), None, budget())
    assert first.series["x"].points.iteration.tolist() == [0, 1, 2]
    assert first.more
    with pytest.raises(InputDead, match=r"is damaged at byte \d+: no sound record in the next"):
        TensorBoardAdapter().read(input_at(path), first.cursor, budget())


def test_a_sound_record_that_lies_across_two_looks_is_found(path: Path) -> None:
    for count in range((1 << 20) - 40, (1 << 20) + 20, 3):
        result = read(path, FRAMES[0] + b"\xab" * count + FRAMES[1])
        assert (steps(result), result.skipped) == ([0], 1), count


@pytest.mark.parametrize("data", [b"this is a text file, not an event file\n" * 9, b"\x89PNG\r\n\x1a\n" * 4])
def test_a_file_that_is_not_an_event_file_is_dead_and_says_why(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(InputDead, match="is not an event file: it has no TFRecord"):
        TensorBoardAdapter().read(input_at(path), None, budget())


def test_a_few_bytes_are_not_judged_yet(path: Path) -> None:
    (batch,) = read(path, b"garbage").batches
    assert (batch.lag_bytes, batch.more, batch.series) == (7, False, {})


def test_a_file_of_zeros_is_waited_for(path: Path) -> None:
    (batch,) = read(path, b"\0" * 4096).batches
    assert batch.note == "damaged at byte 0, and no sound record follows yet"
    assert not batch.more
