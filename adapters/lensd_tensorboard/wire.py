"""TensorBoard's `Event` message: just enough protobuf to find the scalars in a record, and where they lie.

Field numbers are those of TensorBoard 2.21, `compat/proto/{event,summary,tensor,tensor_shape,types}.proto`.
Knows nothing of files, frames or which tags were seen before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

#: How one number lies in the payload: a numpy type, `bool`, or `bf16` (the upper half of a float).
WIDTHS = {
    "<f4": 4, "<f8": 8, "<f2": 2, "bf16": 2, "<i8": 8, "<i4": 4, "<i2": 2, "<i1": 1,
    "<u8": 8, "<u4": 4, "<u2": 2, "<u1": 1, "bool": 1,
}  # fmt: skip

#: DataType -> (how an element lies in `tensor_content`, the typed field that holds it otherwise).
_DTYPES = {
    1: ("<f4", 5), 2: ("<f8", 6), 3: ("<i4", 7), 4: ("<u1", 7), 5: ("<i2", 7), 6: ("<i1", 7), 9: ("<i8", 10),
    10: ("bool", 11), 14: ("bf16", 13), 17: ("<u2", 7), 19: ("<f2", 13), 22: ("<u4", 16), 23: ("<u8", 17),
}  # fmt: skip

_FORMATS = {
    "<f4": "<f", "<f8": "<d", "<f2": "<e", "<i8": "<q", "<i4": "<i", "<i2": "<h", "<i1": "<b",
    "<u8": "<Q", "<u4": "<I", "<u2": "<H", "<u1": "<B", "bool": "<B",
}  # fmt: skip


class WireError(ValueError):
    """Bytes that are no protobuf message of the kind expected."""


@dataclass(slots=True)
class Value:
    """One scalar. `at`: where its bytes lie in the payload, None where they have no fixed width.

    tensor: it came as a TF2 tensor, which only counts as a scalar while no other plugin owns the tag.
    """

    tag: bytes
    number: float
    kind: str
    at: int | None
    tensor: bool


@dataclass(slots=True)
class Event:
    """The scalars of a record, and where wall time and step lie in its payload (None where absent).

    foreign: tags that this record gives to plugins other than the scalars'. hparams: what it tells the plugin
    of that name.
    """

    wall_s: float = 0.0
    step: int = 0
    wall_at: int | None = None
    step_at: int | None = None
    step_width: int = 0
    values: list[Value] = field(default_factory=list)
    foreign: list[bytes] = field(default_factory=list)
    hparams: list[bytes] = field(default_factory=list)


def parse(payload: bytes) -> Event:
    """The event in a record's payload. Raises WireError."""
    event = Event()
    try:
        for number, kind, at, end, value in fields(payload, 0, len(payload)):
            if number == 1 and kind == 1:
                event.wall_s, event.wall_at = struct.unpack_from("<d", payload, at)[0], at
            elif number == 2 and kind == 0:
                event.step, event.step_at, event.step_width = _signed(value), at, end - at
            elif number == 5 and kind == 2:
                for inner, inner_kind, begin, finish, _ in fields(payload, at, end):
                    if inner == 1 and inner_kind == 2:
                        _value(payload, begin, finish, event)
    except (struct.error, IndexError) as error:
        raise WireError("a field runs over the record") from error
    return event


def _value(payload: bytes, start: int, stop: int, event: Event) -> None:
    """One Summary.Value: old writers give a `simple_value`, TF2 a tensor."""
    found: tuple[float, str, int | None] | None = None
    tag, plugin, told, tensor = b"", b"", b"", False
    for number, kind, at, end, _ in fields(payload, start, stop):
        if number == 1 and kind == 2:
            tag = payload[at:end]
        elif number == 2 and kind == 5:
            found, tensor = (struct.unpack_from("<f", payload, at)[0], "<f4", at), False
        elif number == 8 and kind == 2:
            found, tensor = _tensor(payload, at, end), True
        elif number == 9 and kind == 2:
            plugin, told = _plugin(payload, at, end)
    owned = plugin not in (b"", b"scalars")
    if owned and tag:
        event.foreign.append(tag)
    if plugin == b"hparams":
        event.hparams.append(told)
    # A point without a name could never be asked for.
    if found is not None and tag and not (tensor and owned):
        event.values.append(Value(tag, *found, tensor))


def _plugin(payload: bytes, start: int, stop: int) -> tuple[bytes, bytes]:
    """Name and content of a SummaryMetadata's plugin data."""
    name = content = b""
    for number, kind, at, end, _ in fields(payload, start, stop):
        if number == 1 and kind == 2:
            for inner, inner_kind, begin, finish, _ in fields(payload, at, end):
                if inner == 1 and inner_kind == 2:
                    name = payload[begin:finish]
                elif inner == 2 and inner_kind == 2:
                    content = payload[begin:finish]
    return name, content


def _tensor(payload: bytes, start: int, stop: int) -> tuple[float, str, int | None] | None:
    """(number, kind, place) of a tensor of one number; None for any other."""
    dtype, elements = 0, 1
    content = (0, 0)
    typed: list[tuple[int, int, int, int, int]] = []
    for number, kind, at, end, value in fields(payload, start, stop):
        if number == 1 and kind == 0:
            dtype = value
        elif number == 2 and kind == 2:
            elements = _elements(payload, at, end)
        elif number == 4 and kind == 2:
            content = (at, end)
        elif number >= 5:
            typed.append((number, kind, at, end, value))
    if elements != 1 or dtype not in _DTYPES:
        return None
    name, typed_field = _DTYPES[dtype]
    at, end = content
    if end > at:
        return (_number(payload[at:end], name), name, at) if end - at == WIDTHS[name] else None
    held = [each for each in typed if each[0] == typed_field]
    # An empty packed field holds nothing, and TensorFlow drops the numbers of an all-zero tensor.
    held = [each for each in held if each[1] != 2 or each[3] > each[2]]
    if not held:
        return 0.0, name, None
    return _typed(payload, name, *held[0]) if len(held) == 1 else None


def _typed(
    payload: bytes, name: str, number: int, kind: int, at: int, end: int, value: int
) -> tuple[float, str, int | None] | None:
    """One number of a typed field, packed (kind 2) or not."""
    if number in (5, 6):
        if kind not in (2, 5 if number == 5 else 1) or end - at != WIDTHS[name]:
            return None
        return _number(payload[at:end], name), name, at
    if kind == 2:
        value, after = _varint(payload, at)
        if after != end:
            return None
    elif kind != 0:
        return None
    if number == 13:
        return _number((value & 0xFFFF).to_bytes(2, "little"), name), name, None
    if number == 11:
        return float(value != 0), name, None
    if number in (7, 10):
        value = _signed(value)
    return float(value), name, None


def _number(data: bytes, kind: str) -> float:
    if kind == "bf16":
        return float(struct.unpack("<f", b"\0\0" + data)[0])
    number = struct.unpack(_FORMATS[kind], data)[0]
    return float(number != 0) if kind == "bool" else float(number)


def _elements(payload: bytes, start: int, stop: int) -> int:
    """The number of elements of a TensorShapeProto, -1 where it does not tell."""
    product = 1
    for number, kind, at, end, value in fields(payload, start, stop):
        if number == 2 and kind == 2:
            size = 0
            for inner, inner_kind, _, _, inner_value in fields(payload, at, end):
                if inner == 1 and inner_kind == 0:
                    size = _signed(inner_value)
            product *= size
        elif number == 3 and kind == 0 and value:
            return -1
    return product


def fields(data: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int, int, int]]:
    """(field, wire type, begin, end, varint) of each field of a message."""
    while at < stop:
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = _varint(data, at - 1)
        kind = key & 7
        value = 0
        begin = at
        if kind == 2:
            size = data[at]
            begin = at + 1
            if size >= 0x80:
                size, begin = _varint(data, at)
            at = begin + size
        elif kind == 0:
            value, at = _varint(data, at)
        elif kind == 5:
            at += 4
        elif kind == 1:
            at += 8
        else:
            raise WireError(f"wire type {kind}")
        if at > stop:
            raise WireError("a field runs over its message")
        yield key >> 3, kind, begin, at, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise WireError("a varint of more than ten bytes")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
