"""Which time a point gets."""

from pathlib import Path

import pytest

from lensd_log import LogAdapter
from tests.log.reading import MTIME, Reading, read, write

END = MTIME * 1000  # 2024-03-10 12:00:00 UTC


def times(tmp_path: Path, lines: list[str], zone: str | None = None) -> list[float]:
    path = write(tmp_path / "x.log", ("\n".join(lines) + "\n").encode())
    adapter = LogAdapter({"timezone": zone}) if zone else None
    whole = read(path, adapter=adapter).times["loss"]
    assert read(path, adapter=adapter, bytes=1).times["loss"] == whole
    return whole


@pytest.mark.parametrize(
    ("stamp", "ms"),
    [
        ("2024-03-01 10:00:00,5", 1709287200500),
        ("2024-03-01T10:00:00.000250Z", 1709287200000.25),
        ("2024-03-01 10:00:00+02:00", 1709280000000),
        ("2024-03-01 10:00:00 -0130", 1709292600000),
        ("[20240301 10:00:00]", 1709287200000),
        ("2024/03/01 10:00:00", 1709287200000),
        ("1709287200.5", 1709287200500),
        ("03/01/2024 10:00:00", 1709287200000),
        ("[03/01 10:00:00]", 1709287200000),
        ("I0301 10:00:00.25", 1709287200250),
        ("12/31 23:00:00", 1704063600000),  # of the year before: the file was last written in March
        ("Mar  1 10:00:00", 1709287200000),
    ],
)
def test_a_printed_time_is_read_as_utc(stamp: str, ms: float, tmp_path: Path) -> None:
    assert times(tmp_path, [f"{stamp} INFO step 1 loss=0.5"]) == [ms]


def test_a_time_without_zone_is_read_in_the_configured_one(tmp_path: Path) -> None:
    lines = [
        "2024-03-31 01:30:00 step 1 loss=0.5",
        "2024-03-31 03:30:00 step 2 loss=0.5",
        "2024-03-31T00:00:00Z step 3 loss=0.5",
    ]
    assert times(tmp_path, lines, "Europe/Berlin") == [1711845000000, 1711848600000, 1711843200000]
    assert times(tmp_path, ['{"step": 1, "loss": 0.5, "time": "2024-01-01 01:00:00"}'], "Europe/Berlin") == [
        1704067200000
    ]


def test_a_date_that_does_not_exist_is_no_time(tmp_path: Path) -> None:
    assert times(tmp_path, ["2023-02-30 10:00:00 step 1 loss=0.5"]) == [END]


def test_a_clock_without_date_passes_midnight(tmp_path: Path) -> None:
    lines = [
        "23:59:59 | step 1 loss=0.5",
        "00:00:01 | step 2 loss=0.5",
        "23:00:00 | step 3 loss=0.5",
        "00:30:00 | step 4 loss=0.5",
        "11:59:00 | step 5 loss=0.5",
    ]
    day = 86_400_000
    noon = END
    assert times(tmp_path, lines) == [
        noon - day - 43_201_000 + 0,
        noon - day - 43_199_000,
        noon - 46_800_000,
        noon - 41_400_000,
        noon - 60_000,
    ]


def test_times_of_steps_without_one_are_inferred_back_from_the_last_write(tmp_path: Path) -> None:
    lines = [
        f" iteration {n:8d}/     100 | elapsed time per iteration (ms): 2000.0 | loss: 1.0E+00 |"
        for n in range(10, 110, 10)
    ]
    assert times(tmp_path, lines) == [END - (100 - n) * 2000 for n in range(10, 110, 10)]


def test_what_a_progress_bar_says_of_time_is_used(tmp_path: Path) -> None:
    bars = [f"\r {n}%|#| {n}/100 [00:{n:02d}<01:00, 1.0it/s]" for n in (10, 20, 30)]
    lines = [f"{bar}\r{{'loss': 0.5, 'epoch': 0.1}}{bar}" for bar in bars]
    assert times(tmp_path, lines) == [END - 20_000, END - 10_000, END]


def test_what_comes_while_tailing_was_written_when_the_file_was(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    reading = read(write(path, b"step 1 loss=0.5\n"))
    assert reading.last.time_inferred
    read(write(path, b"step 1 loss=0.5\nstep 2 loss=0.5\n", MTIME + 30), reading)
    assert reading.times["loss"] == [END, END + 30_000]
    assert not reading.last.time_inferred


def test_a_file_from_the_future_is_no_newer_than_now(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "x.log", b"step 1 loss=0.5\n", MTIME + 10**6), now_ms=END)
    assert reading.times["loss"] == [END]


def test_a_line_without_time_goes_with_the_one_above_that_has_one(tmp_path: Path) -> None:
    lines = ["2024-03-01 10:00:00 INFO metrics:", "step 1 loss=0.5"]
    assert times(tmp_path, lines) == [1709287200000]


def test_nothing_of_a_fresh_reading_depends_on_another(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", b"23:59:59 | step 1 loss=0.5\n00:00:01 | step 2 loss=0.5\n")
    first = read(path)
    assert read(path, Reading()).times == first.times


def test_a_time_beyond_all_numbers_is_none(tmp_path: Path) -> None:
    line = '{"step": 1, "loss": 0.5, "time": 1' + "0" * 400 + "}\n"
    assert read(write(tmp_path / "x.jsonl", line.encode())).points["loss"] == [(1, 0.5)]
