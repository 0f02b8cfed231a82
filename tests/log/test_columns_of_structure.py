"""Lines that no log format reads say together, as columns, what they say one by one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lensd_log import LogAdapter
from lensd_log.cursor import LogCursor
from lensd_log.line.record import ParsedLine
from lensd_log.recognition import Recognition
from tests.log.reading import Reading, everything, read, write

Lines = Callable[[random.Random, int], Iterator[str]]


def number(dice: random.Random, digits: int = 4) -> str:
    return dice.choice((f"{dice.random():.{digits}f}", f"{9 * dice.random():.{digits}f}"))


def pairs(dice: random.Random, count: int) -> Iterator[str]:
    for n in range(count):
        yield f"step={n} loss={number(dice)}"


def disturbed(dice: random.Random, count: int) -> Iterator[str]:
    """Restarts, nan, other notations, evaluations with and without a step, and lines that say nothing."""
    step = 0
    for n in range(count):
        step = max(0, step - 50) if dice.random() < 0.002 else step + dice.choice((1, 1, 1, 3))
        loss = "nan" if dice.random() < 0.01 else dice.choice((number(dice), f"{dice.random():.3e}", "-0.5"))
        yield f"step {step} | loss {loss} | lr {dice.random() * 1e-3:.2e} | mem {dice.randrange(2000)}MB"
        if n % 50 == 49:
            yield dice.choice(
                (
                    f"step {step} | val loss {number(dice)} | val acc {dice.randrange(100)}.5%",
                    f"val loss: {number(dice)}, acc: {number(dice)}",
                    f"Validation loss = {number(dice)}",
                    f"saved checkpoint {n} to /tmp/a{n}.pt",
                    "Traceback (most recent call last):",
                    "",
                    f"evaluation took {n}.5 s",
                )
            )


def epochs(dice: random.Random, count: int) -> Iterator[str]:
    """Batches of epochs, whose length is printed here and not there, and what follows each epoch."""
    length = dice.choice((40, 300))
    for n in range(count):
        epoch, batch = divmod(n, length)
        yield f"Epoch [{epoch + 1}/{count // length}], Step [{batch + 1}/{length}], Loss: {number(dice)}"
        if batch == length - 1:
            yield f"Epoch [{epoch + 1}/{count // length}] val_loss: {number(dice)} val_acc: {number(dice)}"


def batches(dice: random.Random, count: int) -> Iterator[str]:
    for n in range(count):
        epoch, batch = divmod(n, 37)
        yield f"epoch: {epoch} batch: {batch} loss: {number(dice)} grad norm: {number(dice)}"


def blocks(dice: random.Random, count: int) -> Iterator[str]:
    """A header with the step, and a metric a line below it."""
    for n in range(count // 4):
        yield f"==== Step {n}/{count // 4} ===="
        yield f"  loss: {number(dice)}"
        yield f"  lr: {dice.random() * 1e-4:.2e}"
        if dice.random() < 0.9:
            yield f"  grad norm: {number(dice, 3)}"
        if n % 30 == 29:
            yield "Validation:"
            yield f"  loss: {number(dice)}"


def alternating(dice: random.Random, count: int) -> Iterator[str]:
    for n in range(count // 2):
        yield f"[train] iteration {n} loss {number(dice)} throughput {dice.randrange(999)}K tokens/s"
        yield f"[val] iteration {n} loss {number(dice)} accuracy {number(dice)}"


def stamped(dice: random.Random, count: int) -> Iterator[str]:
    """Times, loggers and ranks in front, remaining times behind; a time without a step."""
    for n in range(count):
        stamp = f"2025-03-{1 + n // 3600:02d} {n // 60 % 24:02d}:{n % 60:02d}:{dice.randrange(60):02d},123"
        rank = dice.choice(("", "", "[rank1]: "))
        left = f"{dice.randrange(4)}:{dice.randrange(60):02d}:{dice.randrange(60):02d}"
        yield f"{rank}{stamp} INFO trainer: step {n} | loss {number(dice)} | eta {left}"
        if dice.random() < 0.02:
            yield f"{stamp} INFO trainer: nothing to see at {n}"
        if dice.random() < 0.02:
            yield f"loss {number(dice)} at step {n}"


def without_steps(dice: random.Random, count: int) -> Iterator[str]:
    for n in range(count):
        stamp = f"2025-03-04 {n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}"
        yield f"{stamp} loss={number(dice)} acc={number(dice)}"


def columns(dice: random.Random, count: int) -> Iterator[str]:
    """Tables with and without borders, and pauses after which one is over and another not."""
    for n in range(count):
        cells = f"{n:6d}", number(dice), f"{dice.random() * 1e-3:.6f}", number(dice, 3)
        if n < count // 2:
            if n % 1500 == 0:
                yield "step      loss        lr     acc"
            yield "  ".join(cells)
            continue
        if n % 500 == 0:
            yield "| step | loss | lr | acc |"
        yield f"| {' | '.join(cells)} |"
        if n % 300 == 299:
            yield from ["training goes on"] * dice.choice((1, 1, 60, 250))


def containers(dice: random.Random, count: int) -> Iterator[str]:
    for n in range(count):
        line = f"step {n} loss {number(dice)} lr {number(dice)}"
        second = f"{5 + n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}"
        if dice.random() < 0.5:
            yield f'{{"log":"{line}\\n","stream":"stdout","time":"2025-03-04T{second}.{n % 1000:03d}Z"}}'
        else:
            ticks = 1741064400000 + 1000 * n
            yield f'{{"timestamp": {ticks}, "message": "{line}", "ingestionTime": {ticks + n % 1000}}}'


def json_lines(dice: random.Random, count: int) -> Iterator[str]:
    """Records with times of several kinds, and with keys that come and go."""
    for n in range(count):
        second = f"{n // 60 % 24:02d}:{n % 60:02d}:{dice.randrange(60):02d}"
        time = dice.choice(
            (
                f', "time": "2025-03-04T{second}Z"',
                f', "ts": {1741064760 + n}.5',
                f', "time": {n * 50000}, "name": "run-{n}"',
                f', "wall": {dice.randrange(-9, 9)}',
                "",
            )
        )
        yield f'{{"step": {n}, "loss": {number(dice)}, "lr": {dice.random():.2e}{time}}}'


def with_known(dice: random.Random, count: int) -> Iterator[str]:
    """Lines of a log format that is known, and others beside them."""
    for n in range(count):
        if n > count // 2:
            stamp = f"[2024-03-{1 + n // 1440:02d} {n // 60 % 24:02d}:{n % 60:02d}:00]"
            loss = f"{dice.random():.6E}"
            yield f" {stamp} iteration {n:8d}/{count:8d} | consumed samples: {n:12d} | lm loss: {loss} |"
        if n % 3 == 0 or n < count // 2:
            yield f"step {n} auxiliary loss {number(dice)} temperature {number(dice)}"


def units(dice: random.Random, count: int) -> Iterator[str]:
    for n in range(count):
        memory = f"{dice.randrange(100, 900)}MB" if dice.random() < 0.5 else f"{dice.randrange(10)}.5GB"
        seen = f"{n}K" if dice.random() < 0.7 else f"{n / 1000:.2f}M"
        yield f"update {n}: reward {number(dice)}, samples/s {seen}, memory {memory}, time {n % 90}ms"


ALL = [
    *(pairs, disturbed, epochs, batches, blocks, alternating, stamped, without_steps, columns, containers),
    *(json_lines, with_known, units),
]


def said(reading: Reading) -> tuple[object, ...]:
    """Everything that was read, and everything that the next lines depend on."""
    return *everything(reading), LogCursor.decode(reading.cursor)


@pytest.mark.slow
@pytest.mark.parametrize("lines", ALL)
@pytest.mark.parametrize("seed", range(2))
def test_a_long_log_read_in_blocks_is_the_log_read_by_lines(lines: Lines, seed: int, tmp_path: Path) -> None:
    text = "\n".join(lines(random.Random(seed), 3000)) + "\n"
    path = write(tmp_path / "train.log", text.encode())
    by_lines = said(read(path, bytes=60_000))
    one = LogAdapter()  # what it remembers of shapes changes nothing
    assert said(read(path, adapter=one)) == by_lines
    assert said(read(path, adapter=one)) == by_lines
    assert said(read(path, adapter=one, bytes=70_000)) == by_lines


@pytest.mark.slow
@pytest.mark.parametrize("lines", [kind for kind in ALL if kind is not with_known])
def test_most_lines_of_a_long_log_are_read_together(
    lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once their shapes are settled, and learnt."""
    text = "\n".join(lines(random.Random(1), 4000)) + "\n"
    path, one = write(tmp_path / "train.log", text.encode()), LogAdapter()
    read(path, adapter=one)
    alone = 0
    read_alone = Recognition.read

    def counted(self: Recognition, *args: Any, **options: Any) -> ParsedLine | None:
        nonlocal alone
        alone += 1
        return read_alone(self, *args, **options)

    monkeypatch.setattr(Recognition, "read", counted)
    read(path, adapter=one)
    assert alone < text.count("\n") * 0.6
