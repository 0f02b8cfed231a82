"""Lines read together say what they say one by one, and numbers decoded together are those of `float()`."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensd_log import LogAdapter
from lensd_log.cursor import LogCursor
from lensd_log.fast.decimals import Number
from lensd_log.fast.grid import LineBlock, Lines, starts_of_runs
from lensd_log.fast.layout import LineLayout
from lensd_log.fast.learning import learn
from lensd_log.fast.probe import Probe
from lensd_log.recognition import Recognition
from tests.log.reading import everything, read, write
from tests.log.test_golden import GOLDEN, NAMES

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(0, 10, width=32).map(repr),
    st.integers(0, 10**25).map(str),
    st.integers(0, 10**15).map("{:,}".format),
    st.floats(0, 1e5).map("{:.6E}".format),
    st.floats(-10, 10).map("{:.4f}".format),
    st.decimals(0, 1, allow_nan=False, places=25).map("{:f}".format),
)


@given(st.lists(NUMBERS, min_size=1, max_size=50))
def test_numbers_decoded_together_are_those_that_float_makes_of_each(texts: list[str]) -> None:
    shapes: dict[bytes, list[str]] = {}
    for text in texts:
        shapes.setdefault(text.encode().translate(None, b"0123456789"), []).append(text)
    for same in shapes.values():
        block = LineBlock("".join(f"x={text};\n" for text in same).encode())
        number = Number.of(same[0].encode(), 0)
        assert number is not None
        grid = block.grid(np.arange(len(same)), len(number.runs))
        assert number.decode(grid).tolist() == [float(text.replace(",", "")) for text in same]


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), min_size=1, max_size=20))
def test_runs_of_digits_are_found_wherever_they_stand(lines: list[bytes]) -> None:
    block = LineBlock(b"".join(line + b"\n" for line in lines))
    assert [block.line(index) for index in range(len(block))] == lines
    for index, line in enumerate(lines):
        first, last = block.run[index], block.run[index + 1]
        begin, end = (edge[first:last] - block.first[index] for edge in (block.begin, block.end))
        assert list(zip(begin.tolist(), end.tolist(), strict=True)) == starts_of_runs(line)


def megatron(dice: random.Random, count: int) -> Iterator[str]:
    """A long log with all that disturbs: other lines, fields that come and go, nan, restarts, ranks."""
    step = 0
    for n in range(count):
        step = step - 40 if dice.random() < 0.002 and step > 100 else step + 1
        stamp = f"[2024-03-{1 + n // 1440:02d} {n // 60 % 24:02d}:{n % 60:02d}:{dice.randrange(60):02d}]"
        loss = "nan" if dice.random() < 0.01 else f"{dice.random() * 10:.6E}"
        skipped = "" if dice.random() < 0.1 else f" | lm loss: {loss}"
        rank = dice.choice(("", "", "[default7]:"))
        fields = [
            f"{rank} {stamp} iteration {step:8d}/{count:8d}",
            f"consumed samples: {step * 16:12d}",
            f"elapsed time per iteration (ms): {dice.random() * 2000:.1f}",
            f"learning rate: {dice.random() * 1e-4:.6E}{skipped}",
            f"grad norm: {dice.random() * 20 - 1:.3f} |",
        ]
        yield " | ".join(fields)
        if n % 97 == 0:
            loss = f"{dice.random():.6E}"
            yield f" validation loss at iteration {step} | lm loss value: {loss} | lm loss PPL: 1.2E+01 |"
        if dice.random() < 0.05:
            yield dice.choice(
                (
                    "",
                    f"{stamp} saving checkpoint at iteration {step:7d} to ckpt",
                    f"(min, max) time across ranks (ms): {n}",
                    "Traceback (most recent call last):",
                    f"step {step} loss=1.5",
                    " iteration 5/ 10 | torn",
                )
            )


def huggingface(dice: random.Random, count: int) -> Iterator[str]:
    for n in range(count):
        fields = [f"'loss': {round(dice.random() * 3, 4)!r}", f"'grad_norm': {dice.random()!r}"]
        if dice.random() < 0.99:
            fields.append(f"'learning_rate': {5e-5 * (1 - n / count)!r}")
        yield "{" + ", ".join([*fields, f"'epoch': {n / 9:.2f}"]) + "}"
        if n % 250 == 249:
            yield f"{{'eval_loss': {dice.random()!r}, 'eval_runtime': 3.25, 'epoch': {n / 9:.2f}}}"
        if dice.random() < 0.01:
            yield dice.choice(("Saving model checkpoint to out/checkpoint-500", "", "{'not': 'a number'}"))


def json_lines(dice: random.Random, count: int) -> Iterator[str]:
    """Steps through the run or batches of an epoch, epochs as whole numbers or not, and starts anew."""
    batches, whole = dice.random() < 0.5, dice.random() < 0.5
    begun = 0
    for n in range(count):
        begun = n if dice.random() < 0.003 else begun
        epoch = (n - begun) // 40 if whole else round((n - begun) / 40, 2)
        step = (n - begun) % 40 if batches else n - begun
        row = {"step": step, "epoch": epoch, "loss": round(dice.random() * 3, 4)}
        if dice.random() < 0.1:
            row = {**row, "grad_norm": dice.random()}
        if dice.random() < 0.02:
            row = {"epoch": epoch, "val_loss": round(dice.random(), 4)}
        yield json.dumps(row)


def csv_rows(dice: random.Random, count: int) -> Iterator[str]:
    """Cells that are empty now and then, quoted ones, and a header again."""
    header = "epoch,step,train_loss,val_loss"
    yield header
    for n in range(count):
        value = f"{dice.random():.6f}" if n % 40 == 39 else ""
        yield f"{n // 40},{n},{dice.random() * 3!r},{value}"
        if dice.random() < 0.01:
            yield dice.choice((header, "", f'{n // 40},{n},"1.5",', f"{n // 40},{n},nan,"))


@pytest.mark.parametrize("lines", [json_lines, csv_rows])
@pytest.mark.parametrize("seed", range(3))
def test_rows_with_two_counters_are_read_in_blocks_as_by_lines(
    lines: object, seed: int, tmp_path: Path
) -> None:
    text = "\n".join(lines(random.Random(seed), 700)) + "\n"  # type: ignore[operator]  # either of the two above
    path, one = write(tmp_path / "train.log", text.encode()), LogAdapter()
    by_lines = read(path, bytes=6000)
    for _ in range(2):
        reading = read(path, adapter=one)
        assert everything(reading) == everything(by_lines)
        assert LogCursor.decode(reading.cursor).epochs == LogCursor.decode(by_lines.cursor).epochs


@pytest.mark.parametrize(
    "line",
    [
        '{{"step": {n}, "epoch": {epoch}, "loss": 1.{n}}}',
        '{{"loss": 1.{n}, "epoch": 0.{n}, "step": {n}}}',
        '{{"epoch": {epoch}, "batch": {batch}, "loss": 1.{n}}}',
        '{{"mode": "train", "epoch": {epoch}, "iter": {batch}, "global_step": {n}, "loss": 1.{n}}}',
    ],
)
def test_rows_with_two_counters_have_templates(line: str) -> None:
    recognition, cursor = Recognition((), None), LogCursor()
    rows = [line.format(n=n, epoch=n // 10, batch=n % 10).encode() for n in range(10, 40)]
    for row in rows:
        recognition.read(row, True, cursor)
    assert learn(rows[-1], Probe(recognition, cursor)) is not None


@pytest.mark.slow
@pytest.mark.parametrize("lines", [megatron, huggingface])
@pytest.mark.parametrize("seed", range(3))
def test_a_long_log_read_in_blocks_is_the_log_read_by_lines(lines: object, seed: int, tmp_path: Path) -> None:
    text = "\n".join(lines(random.Random(seed), 2000)) + "\n"  # type: ignore[operator]  # either of the two above
    path = write(tmp_path / "train.log", text.encode())
    assert everything(read(path)) == everything(read(path, bytes=60_000))
    one = LogAdapter()  # what it remembers of shapes changes nothing
    assert everything(read(path, adapter=one)) == everything(read(path, adapter=one))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_golden_log_many_times_over_is_read_alike_in_blocks(name: str, tmp_path: Path) -> None:
    file = "events.jsonl" if name == "runicorn" else f"{name}.log"
    path = write(tmp_path / file, (GOLDEN / f"{name}.log").read_bytes() * 40)
    assert everything(read(path)) == everything(read(path, bytes=60_000))


@pytest.mark.parametrize(
    ("line", "free"),
    [
        (b" iteration       20/    1000 | consumed samples:   320 | lm loss: 1.072453E+01 |", 6),
        (b"[2024-03-01 10:00:00] iteration 20/ 1000 | consumed samples: 320 | lm loss: 1.0E+01 |", 12),
    ],
)
def test_a_layout_has_the_lines_that_differ_in_digits_alone(line: bytes, free: int) -> None:
    recognition = Recognition((), None)
    template = learn(line, Probe(recognition, LogCursor()))
    assert template is not None
    layout = LineLayout(template, line)
    other = line.translate(bytes.maketrans(b"123456789", b"912345678"))
    lines = Lines(b"\n".join([line, other, line.replace(b"E+", b"E-"), line.replace(b"0", b"x"), b""]))
    rows = lines.windows(len(line))[lines.first]
    assert layout.has(rows).tolist() == [True, True, False, False]
    assert len(layout.runs) == free


@given(
    st.lists(st.sampled_from(["0", "00", "9", "1,234", "-", "nan", "1e5", "x", " "]), min_size=4, max_size=12)
)
def test_lines_that_only_look_alike_are_read_one_by_one(parts: list[str]) -> None:
    """A template never reads what its log format would not."""
    recognition = Recognition((), None)
    probe = Probe(recognition, LogCursor())
    line = f" iteration 20/ 1000 | consumed samples: 320 | lm loss: {''.join(parts)} |".encode()
    template = learn(line, probe)
    if template is None:
        return
    block = LineBlock((line + b"\n") * 3)
    grid, members = template.grid(block, np.arange(3))
    columns = template.decode(members, grid, None)
    parsed_line = probe.read(line)
    assert parsed_line is not None
    if columns.values:
        assert parsed_line.records
        assert [repr(float(column[0])) for column in columns.values] == [
            repr(value) for _, value in parsed_line.records[0].values
        ]


def test_the_log_format_of_the_last_record_is_noted_in_blocks_too(tmp_path: Path) -> None:
    """A dict waits for its bar, and counts behind columns that are placed later."""
    step = "steps: {n} loss: 2.3451 iter time (s): 0.513 samples/sec: 124.5"
    log = "{{'loss': 3.{n}, 'grad_norm': 0.9367, 'learning_rate': 0.001833, 'epoch': 0.8{n}}}"
    lines = [(log if n % 50 == 49 else step).format(n=100 + n) for n in range(800)]
    path, one = write(tmp_path / "train.log", ("\n".join(lines) + "\n").encode()), LogAdapter()
    by_lines = read(path, bytes=6000)
    for _ in range(2):
        reading = read(path, adapter=one)
        assert LogCursor.decode(reading.cursor).log_format == LogCursor.decode(by_lines.cursor).log_format
