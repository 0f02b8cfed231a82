"""What a record says: which values are scalars, and what their numbers are."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lensd.tail.protobuf import WireError
from lensd_tensorboard.event import parse
from tests.tensorboard.reading import Column, Result, input_at, read_to_end
from tests.tensorboard.writing import (
    content,
    event,
    field,
    float_content,
    frame,
    number_field,
    shape,
    simple,
    tensor,
    varint,
    version,
)

WALL_S = 1_795_205_592.385
TS_MS = 1_795_205_592_385.0


def read(tmp_path: Path, *frames: bytes) -> Result:
    path = tmp_path / "events.out.tfevents.1795205592.host.1.0"
    path.write_bytes(version() + b"".join(frames))
    return read_to_end(input_at(path))


def columns(tmp_path: Path, *frames: bytes) -> dict[str, Column]:
    return read(tmp_path, *frames).columns


def values(tmp_path: Path, *bodies: bytes) -> list[float]:
    """The numbers that tensors with these bodies are read as."""
    result = read(tmp_path, *(event(WALL_S, 1, tensor(b"t", body)) for body in bodies))
    return result.columns["t"][2] if result.columns else []


def test_an_old_scalar_has_step_time_and_the_value_of_a_float32(tmp_path: Path) -> None:
    series = columns(tmp_path, event(WALL_S, 7, simple(b"loss", 0.1)))
    assert series == {"loss": ([7], [TS_MS], [0.10000000149011612])}


def test_a_step_that_is_not_written_is_0_and_negative_steps_are_kept(tmp_path: Path) -> None:
    frames = [event(WALL_S, step, simple(b"loss", 1.0)) for step in (0, -1, -(1 << 63), (1 << 63) - 1)]
    assert columns(tmp_path, *frames)["loss"][0] == [0, -1, -(1 << 63), (1 << 63) - 1]


def test_several_values_of_one_event_share_its_step_and_row(tmp_path: Path) -> None:
    result = read(tmp_path, event(WALL_S, 3, simple(b"a", 1.0), simple(b"b", 2.0), simple(b"a", 3.0)))
    (batch,) = result.batches
    assert batch.series["a"].points.value.tolist() == [1.0, 3.0]
    assert batch.series["a"].points.row.tolist() == [1, 1]
    assert batch.series["b"].points.row.tolist() == [1]
    assert (batch.counts.records, batch.counts.matched) == (2, 1)


@pytest.mark.parametrize(
    ("dtype", "data", "number"),
    [
        (1, struct.pack("<f", 1.5), 1.5),
        (2, struct.pack("<d", 0.1), 0.1),
        (3, struct.pack("<i", -5), -5.0),
        (4, b"\xff", 255.0),
        (5, struct.pack("<h", -300), -300.0),
        (6, b"\xff", -1.0),
        (9, struct.pack("<q", -(1 << 40)), -float(1 << 40)),
        (10, b"\x01", 1.0),
        (10, b"\x00", 0.0),
        (14, b"\xc0\x3f", 1.5),
        (17, b"\xff\xff", 65535.0),
        (19, struct.pack("<e", 1.5), 1.5),
        (22, b"\xff\xff\xff\xff", 4294967295.0),
        (23, b"\xff" * 8, float((1 << 64) - 1)),
    ],
)
def test_tensor_content_of_every_numeric_type(tmp_path: Path, dtype: int, data: bytes, number: float) -> None:
    assert values(tmp_path, content(dtype, data)) == [number]


MINUS_FIVE = -5


@pytest.mark.parametrize(
    ("dtype", "number", "packed", "expected"),
    [
        (1, 5, struct.pack("<f", 1.5), 1.5),
        (2, 6, struct.pack("<d", 0.1), 0.1),
        (3, 7, varint(MINUS_FIVE), -5.0),
        (4, 7, varint(200), 200.0),
        (9, 10, varint(MINUS_FIVE), -5.0),
        (10, 11, varint(1), 1.0),
        (14, 13, varint(0x3FC0), 1.5),
        (19, 13, varint(0x3E00), 1.5),
        (22, 16, varint(4_000_000_000), 4e9),
        (23, 17, varint((1 << 64) - 1), float((1 << 64) - 1)),
    ],
)
def test_typed_fields_packed_or_not(
    tmp_path: Path, dtype: int, number: int, packed: bytes, expected: float
) -> None:
    wire_type = {5: 5, 6: 1}.get(number, 0)
    bare = varint(number << 3 | wire_type) + packed
    head = number_field(1, dtype) + shape()
    assert values(tmp_path, head + field(number, packed), head + bare) == [expected, expected]


def test_a_tensor_of_zero_may_hold_nothing(tmp_path: Path) -> None:
    assert values(tmp_path, number_field(1, 1) + shape(), number_field(1, 1)) == [0.0, 0.0]


def test_one_element_counts_as_a_scalar_whatever_its_rank_and_more_do_not(tmp_path: Path) -> None:
    two = struct.pack("<2f", 1.0, 2.0)
    one = content(1, two[:4], 1, 1)
    many = [content(1, two, 2), content(1, b"", 0), content(1, two), number_field(1, 1) + field(5, two)]
    assert values(tmp_path, one, *many) == [1.0]


def test_strings_and_complex_numbers_are_no_scalars(tmp_path: Path) -> None:
    assert values(tmp_path, content(7, b"text"), content(8, b"\0" * 8), content(99, b"\0" * 4)) == []


def test_a_tensor_without_metadata_is_a_scalar(tmp_path: Path) -> None:
    assert columns(tmp_path, event(WALL_S, 1, tensor(b"t", float_content(2.5), None)))["t"][2] == [2.5]


@pytest.mark.parametrize("plugin", [b"text", b"histograms", b"pr_curves", b"images", b"hparams", b"mine"])
def test_tags_of_other_plugins_stay_ignored_after_their_first_value(tmp_path: Path, plugin: bytes) -> None:
    first = event(WALL_S, 1, tensor(b"t", float_content(1.0), plugin))
    later = event(WALL_S, 2, tensor(b"t", float_content(2.0), None))
    other = event(WALL_S, 3, tensor(b"u", float_content(3.0), None))
    result = read(tmp_path, first, later, other)
    assert list(result.columns) == ["u"]
    assert sum(batch.counts.matched for batch in result.batches) == 1


def test_tags_of_other_plugins_are_known_from_the_cursor_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(version() + event(WALL_S, 1, tensor(b"t", float_content(1.0), b"mine")))
    before = read_to_end(input_at(path))
    with path.open("ab") as file:
        file.write(event(WALL_S, 2, tensor(b"t", float_content(2.0), None)))
        file.write(event(WALL_S, 2, tensor(b"scalar", float_content(2.0), None)))
    result = read_to_end(input_at(path), before.cursor)
    assert list(result.columns) == ["scalar"]


def test_points_before_another_plugin_takes_a_tag_are_kept(tmp_path: Path) -> None:
    frames = [
        event(WALL_S, 1, tensor(b"t", float_content(1.0), None)),
        event(WALL_S, 2, tensor(b"t", float_content(2.0), b"mine"), simple(b"t", 5.0)),
        event(WALL_S, 3, tensor(b"t", float_content(3.0), None)),
    ]
    assert columns(tmp_path, *frames)["t"] == ([1, 2], [TS_MS, TS_MS], [1.0, 5.0])


def test_images_audio_and_histograms_are_passed_over(tmp_path: Path) -> None:
    blobs = [field(1, b"i") + field(number, b"\x01" * 50) for number in (3, 4, 5, 6)]
    result = read(tmp_path, event(WALL_S, 1, *blobs), event(WALL_S, 1, simple(b"loss", 1.0)))
    assert list(result.columns) == ["loss"]
    assert result.skipped == 0


def test_not_a_number_and_infinities_are_kept(tmp_path: Path) -> None:
    numbers = (float("inf"), float("-inf"), float("nan"))
    frames = [event(WALL_S, 1, simple(b"x", number)) for number in numbers]
    assert repr(columns(tmp_path, *frames)["x"][2]) == "[inf, -inf, nan]"


def test_a_tag_may_have_any_bytes_but_not_none(tmp_path: Path) -> None:
    tags = (b"\xff\xfe", "μ/loss".encode(), b"a b\n", b"")
    frames = [event(WALL_S, 1, simple(tag, 1.0)) for tag in tags]
    assert list(columns(tmp_path, *frames)) == ["\\xff\\xfe", "μ/loss", "a b\n"]


def test_tags_whose_axis_is_no_iteration_add_none(tmp_path: Path) -> None:
    tags = (b"lm loss", b"lm loss vs samples", b"lm loss vs steps")
    (batch,) = read(tmp_path, *(event(WALL_S, 1, simple(tag, 1.0)) for tag in tags)).batches
    assert [series.iterates for series in batch.series.values()] == [True, False, False]


def test_times_keep_what_the_writer_recorded(tmp_path: Path) -> None:
    walls = (1_795_205_592.385, 1_795_205_592.3851, 0.0, -5.0, 1_795_205_592.0)
    series = columns(tmp_path, *(event(wall, 1, simple(b"x", 1.0)) for wall in walls))
    assert series["x"][1] == pytest.approx([wall * 1000 for wall in walls], abs=1e-3)


@pytest.mark.parametrize("wall_s", [float("nan"), float("inf"), 1e300, -1e15])
def test_a_record_without_a_possible_time_is_skipped_and_counted(tmp_path: Path, wall_s: float) -> None:
    result = read(tmp_path, event(wall_s, 1, simple(b"x", 1.0)), event(WALL_S, 2, simple(b"x", 2.0)))
    assert result.columns["x"][0] == [2]
    assert result.skipped == 1


def test_a_sound_record_that_is_no_event_is_skipped_and_counted(tmp_path: Path) -> None:
    result = read(tmp_path, frame(b"\x0a\xff"), frame(b"\x0b"), event(WALL_S, 2, simple(b"x", 2.0)))
    assert result.columns["x"][0] == [2]
    assert result.skipped == 2


@pytest.mark.parametrize(
    "payload", [b"\x09\0", b"\x2a\x7f", b"\x10" + b"\xff" * 11, b"\x0f", b"\x2a\x02\x0a\x05"]
)
def test_garbage_in_a_payload_is_a_wire_error(payload: bytes) -> None:
    with pytest.raises(WireError):
        parse(payload)


def test_the_log_format_says_how_scalars_are_written(tmp_path: Path) -> None:
    old = read(tmp_path, event(WALL_S, 1, simple(b"x", 1.0)))
    new = read(tmp_path, event(WALL_S, 1, tensor(b"x", float_content(1.0))))
    assert old.batches[0].log_format == "event file"
    assert new.batches[0].log_format == "event file (TF2 tensors)"


def test_a_file_without_scalars_says_so(tmp_path: Path) -> None:
    (batch,) = read(tmp_path, event(WALL_S, 1, field(1, b"i") + field(4, b"png"))).batches
    assert batch.note == "none of its 2 records is a scalar"
    assert batch.log_format is None
