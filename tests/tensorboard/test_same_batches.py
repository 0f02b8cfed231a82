"""The block reader gives the same batches as the plain reader, whatever is in the file.

Files are made of stretches of repeated steps, as writers make them, and of anything else between them; bytes
are damaged anywhere. The thresholds of the block reader are lowered, so that it takes all its ways in small
files too, where hypothesis finds its counterexamples.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensd.model import Batch
from lensd_tensorboard import TensorBoardAdapter
from lensd_tensorboard import adapter as adapter_module
from lensd_tensorboard.fast import blocks, groups, periods
from lensd_tensorboard.scalars import read_records
from tests.tensorboard.reading import input_at, read_to_end
from tests.tensorboard.writing import content, event, field, frame, shape, simple, tensor, varint, version

FLOATS = (0.0, -1.5, float("nan"), float("inf"), 1e-40, 3.25)
SIGNALLING_NAN = b"\x01\x00\xa0\x7f"
TAGS = (b"loss", b"acc", b"lr", b"train/loss", b"a very long tag " * 9, b"\xff\x00tag", "μ".encode(), b"loss")

Maker = Callable[[random.Random], bytes]


def _tensor_kinds(tag: bytes) -> list[Maker]:
    def packed(number: int, code: str, dtype: int) -> Maker:
        return lambda r: tensor(
            tag, varint(8) + varint(dtype) + shape() + field(number, struct.pack(code, r.choice(FLOATS)))
        )

    return [
        lambda r: tensor(tag, content(1, struct.pack("<f", r.choice(FLOATS)))),
        lambda r: tensor(tag, content(1, struct.pack("<f", r.choice(FLOATS)), 1), None),
        lambda r: tensor(tag, content(1, struct.pack("<2f", 1, 2), 2), b"pr_curves"),
        lambda r: tensor(tag, content(1, struct.pack("<f", r.random())), b"other"),
        lambda r: tensor(tag, content(2, struct.pack("<d", r.random()))),
        lambda r: tensor(tag, content(9, struct.pack("<q", r.randrange(-(1 << 62), 1 << 62)))),
        lambda r: tensor(tag, content(14, r.randbytes(2))),
        lambda r: tensor(tag, content(19, r.randbytes(2))),
        lambda r: tensor(tag, content(10, r.randbytes(1))),
        packed(5, "<f", 1),
        packed(6, "<d", 2),
        lambda r: tensor(tag, varint(8) + varint(9) + varint(80) + varint(r.randrange(1 << 20)), None),
        lambda r: tensor(
            tag, varint(8) + varint(7) + shape() + field(8, r.randbytes(r.randrange(9))), b"text"
        ),
    ]


def _makers(tag: bytes) -> list[Maker]:
    return [
        lambda r: simple(tag, r.choice(FLOATS)),
        lambda r: simple(tag, r.randbytes(4)),
        lambda r: simple(tag, SIGNALLING_NAN),
        lambda r: field(1, tag) + field(4, r.randbytes(r.randrange(40))),  # an image
        *_tensor_kinds(tag),
    ]


makers = st.sampled_from([maker for tag in TAGS for maker in _makers(tag)])
#: Most records hold one scalar of the common kinds.
common = st.sampled_from([maker for tag in TAGS for maker in (_makers(tag)[0], _tensor_kinds(tag)[0])])
records = st.lists(st.one_of(common, common, makers), min_size=1, max_size=3)


@st.composite
def stretches(draw: st.DrawFn, most_steps: int) -> tuple[list[list[Maker]], int, int, int, bool]:
    """(records of a step, how many steps, the first one, its increment, whether in random order)"""
    step = draw(st.lists(records, min_size=1, max_size=6))
    first = draw(st.sampled_from((0, 1, 100, 120, 16_370, -3, (1 << 63) - 2, 5)))
    return (
        step,
        draw(st.integers(1, most_steps)),
        first,
        draw(st.sampled_from((1, 0, 7, -1))),
        draw(st.booleans()),
    )


def write(parts: list[tuple[list[list[Maker]], int, int, int, bool]], seed: int) -> bytes:
    r = random.Random(seed)
    out, wall_s = [version()], 1_795_000_000.25
    for makers_of_step, steps, first, increment, shuffled in parts:
        order = list(makers_of_step)
        for index in range(steps):
            if shuffled:
                r.shuffle(order)
            for makers_of_record in order:
                wall_s += r.choice((0.0, 0.001, 0.5, -0.25))
                values = [maker(r) for maker in makers_of_record]
                out.append(event(wall_s, first + index * increment, *values))
        if r.random() < 0.3:
            out.append(
                r.choice((frame(b""), frame(r.randbytes(30)), event(float("nan"), 1, simple(b"x", 1.0))))
            )
    return b"".join(out)


def damage(data: bytes, places: list[tuple[float, int]]) -> bytes:
    changed = bytearray(data)
    for share, flip in places:
        changed[int(share * (len(changed) - 1))] ^= flip
    return bytes(changed)


def facts_of(batch: Batch) -> object:
    """Everything of a batch as values that compare, NaN equal to NaN."""
    series = [
        (
            name,
            one.iterates,
            one.points.iteration.tolist(),
            one.points.row.tolist(),
            np.where(np.isnan(one.points.value), 0.5, one.points.value).tolist(),
            np.isnan(one.points.value).tolist(),
            one.points.ts_ms.tolist(),
        )
        for name, one in batch.series.items()
    ]
    rest = (
        batch.cursor,
        batch.counts,
        batch.facts,
        batch.more,
        batch.restart,
        batch.lag_bytes,
        batch.log_format,
        batch.note,
    )
    return series, rest


def assert_same(path: Path, data: bytes, limits: tuple[int, int]) -> None:
    path.write_bytes(data)
    input = input_at(path)
    outcomes = []
    for make in (lambda: read_records, blocks.PeriodReader):
        try:
            result = read_to_end(input, adapter=TensorBoardAdapter(make_reader=make), limits=limits)
            outcomes.append([facts_of(batch) for batch in result.batches])
        except Exception as error:  # noqa: BLE001 - InputDead must be the same, a crash is seen below
            outcomes.append([repr(error)])
    assert outcomes[0] == outcomes[1]
    assert not (isinstance(outcomes[0][0], str) and not outcomes[0][0].startswith("InputDead"))


flips = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=4)
limits = st.tuples(
    st.sampled_from((1 << 40, 1 << 40, 5_000, 700)), st.sampled_from((1 << 40, 1 << 40, 300, 17))
)


@pytest.mark.slow
@given(
    st.lists(stretches(40), min_size=1, max_size=4),
    st.integers(0, 99),
    flips,
    limits,
    st.sampled_from((1, 1 << 30)),
)
def test_small_files_with_low_thresholds(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[list[list[Maker]], int, int, int, bool]],
    seed: int,
    flips: list[tuple[float, int]],
    limits: tuple[int, int],
    many: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(periods, "LEAST", 3)
        patch.setattr(periods, "_MANY", many)
        patch.setattr(groups, "_FEW", 2)
        patch.setattr(blocks, "_SMALL", 64)
        patch.setattr(blocks, "_STRETCH", 50)
        patch.setattr(blocks, "_AHEAD", 6)
        patch.setattr(adapter_module, "BLOCK", 3000)
        path = tmp_path_factory.getbasetemp() / "events.out.tfevents.low"
        assert_same(path, damage(write(parts, seed), flips), limits)


@pytest.mark.slow
@given(st.lists(stretches(60), min_size=1, max_size=5), st.integers(0, 99), flips, limits)
def test_files_of_several_blocks(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[list[list[Maker]], int, int, int, bool]],
    seed: int,
    flips: list[tuple[float, int]],
    limits: tuple[int, int],
) -> None:
    """The thresholds are a fraction of the real ones and stay in proportion, so that every way of reading is
    chosen by size: periods of a few and of many steps, several slabs and stretches, blocks that end anywhere.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(periods, "LEAST", 8)
        patch.setattr(periods, "_MANY", 30)
        patch.setattr(periods, "_SLAB", 2 << 10)
        patch.setattr(periods, "_WIDE", 256)
        patch.setattr(groups, "_FEW", 12)
        patch.setattr(blocks, "_SMALL", 1 << 10)
        patch.setattr(blocks, "_STRETCH", 200)
        patch.setattr(blocks, "_AHEAD", 16)
        patch.setattr(adapter_module, "BLOCK", 16 << 10)
        path = tmp_path_factory.getbasetemp() / "events.out.tfevents.blocks"
        assert_same(path, damage(write(parts, seed), flips), limits)


@pytest.mark.parametrize("many", [1, 1 << 30])
def test_damage_of_any_byte_of_a_step_in_a_block_is_seen(
    tmp_path: Path, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte of a proven block can change without its record being counted as damaged."""
    monkeypatch.setattr(periods, "_MANY", many)
    step = [[lambda r: simple(b"loss", r.random())], [lambda r: tensor(b"acc", content(1, r.randbytes(4)))]]
    data = write([(step, 200, 300, 1, False)], 1)
    begin = data.index(b"loss", 4000) - 40
    path = tmp_path / "events.out.tfevents.1"
    whole = 400
    for place in range(begin, begin + 120):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        result = read_to_end(input_at(path))
        assert result.skipped == 1, place
        assert sum(len(column[0]) for column in result.columns.values()) == whole - 1, place
