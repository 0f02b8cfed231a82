"""Random logs against every log format, for as long as is asked: `python -m tests.log.fuzz --minutes 30`.

Lines of the golden logs are cut, joined, repeated and sprinkled with what hurts, and read in three ways: as
a file with room for whole blocks, as a file line by line, and as one long line by each log format that has
seen its own golden lines before. Any exception, a value that is no number, or more than 50 ms of processor
time for 64 KiB (60 us a line where lines are short; four times that while their shapes are learned) ends
the run with the seed that shows it again (`--seed`).
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from lensd.adapter import Budget, InputDead
from lensd_log import LogAdapter
from lensd_log.formats import LOG_FORMATS
from lensd_log.line.record import Entry, Record, State
from tests.conftest import an_input

SIZE = 64 << 10
LIMIT_S = 0.050
LINE_S = 60e-6  # for a file of short lines, each of which gives points
GOLDEN = Path(__file__).parent / "golden"
LINES = [
    line
    for path in sorted(GOLDEN.glob("*.log"))
    for line in path.read_bytes().decode().replace("\r\n", "\n").split("\n")
]
PIECES = (
    "nan -inf 1e-05 1e999 1,234 1:02:03 12.3% 9.46GiB 1.2k tensor(0.53, device='cuda:0') np.float32(0.5) 0x1f"
    " loss: loss= step 1 epoch 2 iter: [1/10] (1/10) it/s] | ━ █ \t \r \x1b[32m \x1b[ { } {' \" \\ , ;"
    " = : :: - -- . .. / [ ] ( )"
    " 99999999999999999999 -1 00012 \x00 \ufffd é 世 \U0001f600 2024-03-10T12:00:00Z [rank0]: INFO stdout F"
).split(" ")


def mutated(line: str, rng: random.Random) -> str:
    """The line with a few things done to it."""
    for _ in range(rng.randrange(4)):
        at, to = sorted((rng.randrange(len(line) + 1), rng.randrange(len(line) + 1)))
        what = rng.randrange(8)
        if what == 0:
            line = line[:at] + line[to:]
        elif what == 1:
            line = line[:at] + rng.choice(PIECES) + line[at:]
        elif what == 2:
            line = line[:at] + line[at : min(to, at + 40)] * rng.randrange(2, 60) + line[at:]
        elif what == 3:
            line = line[:at] + rng.choice(PIECES) * rng.randrange(2, 400) + line[to:]
        elif what == 4:
            line = line[:at] + rng.choice(LINES)[: rng.randrange(200)] + line[to:]
        elif what == 5:
            line = "".join(rng.choice("0123456789") if c.isdigit() else c for c in line)
        elif what == 6:
            line = line[:at] + " " * rng.randrange(1, 3000) + line[at:]
        else:
            line = line[:to]
    return line


def text(rng: random.Random) -> str:
    """About 64 KiB of lines: some of one kind, some of all kinds."""
    source = rng.sample(LINES, rng.randrange(1, 12)) if rng.random() < 0.7 else LINES
    tame = rng.random()
    lines, size = [], 0
    while size < SIZE:
        line = rng.choice(source)
        line = line if rng.random() < tame else mutated(line, rng)
        lines.append(line)
        size += len(line.encode("utf-8", "replace")) + 1
    return "\n".join(lines)[:SIZE]


def long_line(rng: random.Random) -> str:
    """One line of up to 64 KiB: the beginning of a golden one, and something over and over."""
    begin = rng.choice(LINES)
    segment = "".join(rng.choices(PIECES, k=rng.randrange(1, 4))) or " "
    if rng.random() < 0.5:
        at = rng.randrange(len(begin) + 1)
        segment = begin[at : at + rng.randrange(1, 60)] or segment
    count = max(1, rng.choice((300, 3000, SIZE)) // len(segment))
    end = rng.choice(LINES)[rng.randrange(20) :] if rng.random() < 0.5 else ""
    return (begin[: rng.randrange(len(begin) + 1)] + segment * count + end)[:SIZE].replace("\n", " ")


def check_values(pairs: Sequence[tuple[str, float]]) -> None:
    for name, value in pairs:
        assert name, "a metric without a name"
        assert isinstance(value, float), f"{name} = {value!r} is no number"


def check_file(data: bytes, folder: Path, adapter: LogAdapter, **limits: Any) -> float:
    """Reads it as a file; returns seconds of processor time."""
    path = folder / "fuzz.log"
    path.write_bytes(data)
    given_input = an_input(path, folder="")
    cursor, begun = None, time.process_time()
    while True:
        try:
            batch = adapter.read(given_input, cursor, Budget(seconds=1e9, now_ms=0.0, final=True, **limits))
        except InputDead:  # so many control characters that it is taken for a binary file
            return time.process_time() - begun
        for series in batch.series.values():
            assert (series.points.value.dtype.name, series.points.iteration.dtype.name) == (
                "float64",
                "int64",
            )
        assert batch.cursor != cursor or not batch.more, "no progress"
        cursor = batch.cursor
        if not batch.more:
            return time.process_time() - begun


def primed() -> list[State]:
    """The state that each log format is in after all golden lines."""
    states: list[State] = [{} for _ in LOG_FORMATS]
    for line in LINES:
        for log_format, state in zip(LOG_FORMATS, states, strict=True):
            log_format.parse(Entry(line.strip(), (line,)), state)
    return states


def check_log_formats(line: str, states: Sequence[State]) -> tuple[float, str]:
    """Gives the line to each log format; returns the longest processor time, and whose it was."""
    slowest = (0.0, "")
    entry = Entry(line.strip(), line.split("\r") if "\r" in line else (line,), indent=2)
    for log_format, state in zip(LOG_FORMATS, states, strict=True):
        mine: State = dict(state)
        begun = time.process_time()
        records: Sequence[Record] = log_format.parse(entry, mine) or ()
        taken = time.process_time() - begun
        for record in records:
            check_values(record.values)
            assert record.step is None or isinstance(record.step, int)
        slowest = max(slowest, (taken, log_format.name))
    return slowest


def check(number: int, folder: Path, states: Sequence[State]) -> None:
    """One round. Slow ones are measured again, for the machine may have been busy."""
    rng = random.Random(number)
    data = text(rng).encode("utf-8", "surrogateescape")
    limit = max(LIMIT_S, LINE_S * data.count(b"\n"))
    for limits in ({}, {"bytes": 50_000}):
        adapter = LogAdapter()
        cold = check_file(data, folder, adapter, **limits)  # learns what lines look like, once
        assert cold <= 4 * limit, f"{cold * 1000:.0f} ms for {len(data)} bytes at first"
        taken = check_file(data, folder, adapter, **limits)
        if taken > limit:
            taken = min(check_file(data, folder, adapter, **limits) for _ in range(4))
        assert taken <= limit, f"{taken * 1000:.0f} ms for {len(data)} bytes ({limits or 'whole blocks'})"
    line = long_line(rng)
    worst, name = check_log_formats(line, states)
    if worst > LIMIT_S:
        worst, name = min(check_log_formats(line, states) for _ in range(4))
    assert worst <= LIMIT_S, f"{name}: {worst * 1000:.0f} ms for a line of {len(line)}: {line[:200]!r}"


def run(minutes: float, first: int | None) -> int:
    """Rounds until the time is over; how many there were."""
    states, rounds = primed(), 0
    until = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory(prefix="lensd-fuzz-") as folder:
        while time.monotonic() < until:

            @settings(
                max_examples=200,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @seed(rounds if first is None else first)
            @given(st.integers(0, 1 << 62))
            def rounds_of_200(number: int) -> None:
                nonlocal rounds
                rounds += 1
                try:
                    check(number, Path(folder), states)
                except BaseException:
                    print(f"seed {number} after {rounds} rounds", file=sys.stderr)
                    raise

            if first is not None:
                check(first, Path(folder), states)
                return 1
            rounds_of_200()
    return rounds


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--seed", type=int, help="one round only, with the seed that a failure printed")
    given_options = options.parse_args()
    rounds = run(given_options.minutes, given_options.seed)
    print(f"{rounds} rounds of {SIZE >> 10} KiB in {len(LOG_FORMATS)} log formats: nothing found")


if __name__ == "__main__":
    main()
