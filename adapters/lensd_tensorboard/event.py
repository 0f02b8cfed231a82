"""TensorBoard's `Event` message: the scalars in a record, and where their bytes lie.

Format: TensorBoard 2.21, `compat/proto/{event,summary,tensor,tensor_shape,types}.proto`, which have the field
numbers. Knows nothing of files, frames or which tags were seen before.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from lensd.tail.protobuf import BYTES, FIXED32, FIXED64, VARINT, Field, double, fields, signed, text, varint

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

#: What old writers put into a Summary.Value beside scalars, by its field; newer ones name the plugin.
_OTHERS = {4: "images", 5: "histograms", 6: "audio"}
_SESSION_START = b"\x08\x01"  # SessionLog.status: `purge_step` of torch and tensorboardX writes one
_OTHER_PLUGINS = frozenset(name.encode() for name in _OTHERS.values())

#: (number, kind as in `WIDTHS`, where its bytes lie in the payload or None where they have no fixed width)
_Scalar = tuple[float, str, int | None]


@dataclass(slots=True)
class ScalarValue:
    """One scalar. at: where its bytes lie in the payload, None where they have no fixed width.

    tensor: it is a TF2 tensor, which counts as a scalar only while no other plugin owns the tag.
    """

    tag: bytes
    number: float
    kind: str
    at: int | None
    tensor: bool


@dataclass(slots=True)
class Event:
    """The scalars of a record, and where wall time and step lie in its payload (None where absent).

    foreign: tags that this record assigns to plugins other than the scalars'. hparams: contents for the
    plugin of that name. purges: the steps from this one on are void in what was written before. texts: tag
    and text of text summaries. others: kind (`histograms`, `images` or `audio`) and tag of what is only
    counted.
    """

    wall_s: float = 0.0
    step: int = 0
    wall_at: int | None = None
    step_at: int | None = None
    step_width: int = 0
    values: list[ScalarValue] = field(default_factory=list)
    foreign: list[bytes] = field(default_factory=list)
    hparams: list[bytes] = field(default_factory=list)
    purges: bool = False
    texts: list[tuple[bytes, str]] = field(default_factory=list)
    others: list[tuple[str, bytes]] = field(default_factory=list)


def parse(payload: bytes) -> Event:
    """The event in a record's payload. Raises WireError."""
    event = Event()
    for number, kind, value, at, end in fields(payload, 0, len(payload)):
        if number == 1 and kind == FIXED64:
            event.wall_s, event.wall_at = double(payload, at), at
        elif number == 2 and kind == VARINT:
            event.step, event.step_at, event.step_width = signed(value), at, end - at
        elif number == 7 and kind == BYTES:
            event.purges = payload[at : at + 2] == _SESSION_START
        elif number == 5 and kind == BYTES:
            for inner, inner_kind, _, begin, finish in fields(payload, at, end):
                if inner == 1 and inner_kind == BYTES:
                    _add_value(payload, begin, finish, event)
    return event


def _add_value(payload: bytes, start: int, stop: int, event: Event) -> None:
    """Add one Summary.Value: old writers write a `simple_value`, TF2 a tensor."""
    scalar: _Scalar | None = None
    tag, plugin, content, tensor, kind_of_other = b"", b"", b"", False, ""
    tensor_at = tensor_end = 0
    for number, kind, _, at, end in fields(payload, start, stop):
        if number == 1 and kind == BYTES:
            tag = payload[at:end]
        elif number == 2 and kind == FIXED32:
            scalar, tensor = (_number(payload[at:end], "<f4"), "<f4", at), False
        elif number == 8 and kind == BYTES:
            scalar, tensor = _tensor(payload, at, end), True
            tensor_at, tensor_end = at, end
        elif number in _OTHERS and kind == BYTES:
            kind_of_other = _OTHERS[number]
        elif number == 9 and kind == BYTES:
            plugin, content = _plugin(payload, at, end)
    foreign = plugin not in (b"", b"scalars")
    if foreign and tag:
        event.foreign.append(tag)
    if plugin == b"hparams":
        event.hparams.append(content)
    elif plugin == b"text" and tensor:
        event.texts.append((tag, _first_text(payload, tensor_at, tensor_end)))
    elif plugin in _OTHER_PLUGINS:
        kind_of_other = plugin.decode()
    if kind_of_other and tag:
        event.others.append((kind_of_other, tag))
    # A point without a name could never be asked for.
    if scalar is not None and tag and not (tensor and foreign):
        event.values.append(ScalarValue(tag, *scalar, tensor))


def _first_text(payload: bytes, start: int, stop: int) -> str:
    """The first of the strings in a TensorProto."""
    for number, kind, _, at, end in fields(payload, start, stop):
        if number == 8 and kind == BYTES:
            return text(payload, at, end)
    return ""


def _plugin(payload: bytes, start: int, stop: int) -> tuple[bytes, bytes]:
    """Name and content of a SummaryMetadata's plugin data."""
    name = content = b""
    for number, kind, _, at, end in fields(payload, start, stop):
        if number == 1 and kind == BYTES:
            for inner, inner_kind, _, begin, finish in fields(payload, at, end):
                if inner == 1 and inner_kind == BYTES:
                    name = payload[begin:finish]
                elif inner == 2 and inner_kind == BYTES:
                    content = payload[begin:finish]
    return name, content


def _tensor(payload: bytes, start: int, stop: int) -> _Scalar | None:
    """The number in a TensorProto; None where it does not hold exactly one number."""
    dtype, elements = 0, 1
    content_at = content_end = 0
    typed: list[Field] = []
    for field_ in fields(payload, start, stop):
        number, kind, value, at, end = field_
        if number == 1 and kind == VARINT:
            dtype = value
        elif number == 2 and kind == BYTES:
            elements = _elements(payload, at, end)
        elif number == 4 and kind == BYTES:
            content_at, content_end = at, end
        elif number >= 5 and (kind != BYTES or end > at):  # an empty packed field holds nothing
            typed.append(field_)
    if elements != 1 or dtype not in _DTYPES:
        return None
    name, typed_number = _DTYPES[dtype]
    if content_end > content_at:
        content = payload[content_at:content_end]
        return (_number(content, name), name, content_at) if len(content) == WIDTHS[name] else None
    numbers = [field_ for field_ in typed if field_[0] == typed_number]
    if not numbers:
        return 0.0, name, None  # TensorFlow drops the numbers of an all-zero tensor
    return _typed(payload, name, numbers[0]) if len(numbers) == 1 else None


def _typed(payload: bytes, name: str, typed: Field) -> _Scalar | None:
    """The number in a typed field (`float_val`, ...), packed or not; None where it does not hold just one."""
    number, kind, value, at, end = typed
    if number in (5, 6):  # float_val and double_val
        unpacked = FIXED32 if number == 5 else FIXED64
        if kind not in (BYTES, unpacked) or end - at != WIDTHS[name]:
            return None
        return _number(payload[at:end], name), name, at
    if kind == BYTES:
        value, after = varint(payload, at)
        if after != end:
            return None
    elif kind != VARINT:
        return None
    if number == 13:  # half_val
        return _number((value & 0xFFFF).to_bytes(2, "little"), name), name, None
    if number == 11:  # bool_val
        return float(value != 0), name, None
    if number in (7, 10):  # int_val, int64_val
        value = signed(value)
    return float(value), name, None


def _number(data: bytes, kind: str) -> float:
    if kind == "bf16":
        return float(struct.unpack("<f", b"\0\0" + data)[0])
    number = struct.unpack(_FORMATS[kind], data)[0]
    return float(number != 0) if kind == "bool" else float(number)


def _elements(payload: bytes, start: int, stop: int) -> int:
    """The number of elements of a TensorShapeProto; -1 where the rank is unknown."""
    product = 1
    for number, kind, value, at, end in fields(payload, start, stop):
        if number == 2 and kind == BYTES:
            size = 0
            for inner, inner_kind, inner_value, _, _ in fields(payload, at, end):
                if inner == 1 and inner_kind == VARINT:
                    size = signed(inner_value)
            product *= size
        elif number == 3 and kind == VARINT and value:
            return -1
    return product
