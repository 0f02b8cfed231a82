"""Protobuf's wire format, as it is written, and bytes that are no message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensd.tail.protobuf import BYTES, FIXED32, FIXED64, VARINT, WireError, fields, signed, varint, zigzag
from tests.tensorboard import writing


@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=3))
def test_a_varint_is_read_as_it_was_written(number: int, after: bytes) -> None:
    data = writing.varint(number)
    assert varint(data + after, 0) == (number, len(data))


def test_signed_numbers() -> None:
    assert [signed(number) for number in (0, 1, (1 << 64) - 1, 1 << 63)] == [0, 1, -1, -(1 << 63)]
    assert [zigzag(number) for number in (0, 1, 2, (1 << 64) - 1)] == [0, -1, 1, -(1 << 63)]


def test_every_field_comes_with_its_place() -> None:
    data = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x19" + bytes(8) + b"\x25" + bytes(4) + b"\xc2\x3e\x01x"
    assert list(fields(b"-" + data, 1, 1 + len(data))) == [
        (1, VARINT, 150, 2, 4),
        (2, BYTES, 0, 6, 9),
        (3, FIXED64, 0, 10, 18),
        (4, FIXED32, 0, 19, 23),
        (1000, BYTES, 0, 26, 27),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\x08", b"\x08\x80", b"\x80", b"\x12", b"\x12\x05abc", b"\x12\x80", b"\x19\0", b"\x25\0",
        b"\x0b", b"\x0c", b"\x0f", b"\x08" + b"\xff" * 11, b"\x12" + b"\xff" * 9 + b"\x01",
    ],
)  # fmt: skip
@pytest.mark.parametrize("after", [b"", bytes(20)])
def test_bytes_that_are_no_message_are_an_error_whatever_follows(data: bytes, after: bytes) -> None:
    with pytest.raises(WireError):
        list(fields(data + after, 0, len(data)))


@given(st.binary(max_size=60), st.binary(max_size=10))
def test_a_field_never_reaches_beyond_its_message(data: bytes, after: bytes) -> None:
    try:
        ends = [(begin, end) for _, _, _, begin, end in fields(data + after, 0, len(data))]
    except WireError:
        return
    assert all(begin <= end <= len(data) for begin, end in ends)
