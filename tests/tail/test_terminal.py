"""What a terminal would show of a line: final states, escape sequences, progress bars."""

import pytest

from lensd.tail import final_state, is_progress_bar, strip_ansi


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (b"plain", b"plain"),
        (b"windows\r", b"windows"),
        (b"\r 1/2\r 2/2", b" 2/2"),
        (b"\r 2/2 done\r      \r", b" 2/2 done"),
        (b"\r\r\r", b""),
        (b"1/2\x08\x08\x082/2", b"2/2"),
        (b"bar\r\x1b[K", b"bar"),
    ],
)
def test_the_final_state_of_a_redrawn_line(line: bytes, left: bytes) -> None:
    assert final_state(line) == left


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (b"\x1b[1;32mok\x1b[0m", b"ok"),
        (b"\x1b[A\x1b[2Kup", b"up"),
        (b"\x1b]0;title\x07x\x1b]8;;u\x1b\\y", b"xy"),
        (b"[32m is no escape", b"[32m is no escape"),
        (b"\x1b]never closed " + b"z" * 9000, b"\x1b]never closed " + b"z" * 9000),
    ],
)
def test_escape_sequences_are_removed(text: bytes, plain: bytes) -> None:
    assert strip_ansi(text) == plain


@pytest.mark.parametrize(
    ("line", "bar"),
    [
        (" 13%|█▎        | 20/150 [00:01<00:14,  9.10it/s]", True),
        ("Epoch 0:  97%|███| 1651/1702 [13:00<00:24,  2.11it/s, loss=0.158]", True),
        (" 1/50 [>.............................] - ETA: 3s - loss: 0.6", True),
        ("\x1b[1m50/50\x1b[0m ━━━━━━━━━━━━━━━━━━━━ 0s 2ms/step - loss: 0.3", True),
        ("step 10/600 | loss: 0.2", False),
        ("loaded 12% of 100/200 files", False),
        ("2024-01-01 10:00:00 [INFO] 5/10 done", False),
    ],
)
def test_progress_bars_are_recognised(line: str, bar: bool) -> None:
    assert is_progress_bar(line.encode()) is bar
