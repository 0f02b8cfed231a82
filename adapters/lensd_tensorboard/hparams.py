"""Hyperparameters that a run reports to TensorBoard's HParams plugin, as facts of its workload.

Format: TensorBoard 2.21, `plugins/hparams/plugin_data.proto`; values are `google.protobuf.Value`. torch's and
tensorboardX's `add_hparams`, Lightning and Keras write them once, at the beginning of a session.
"""

from __future__ import annotations

import math

from lensd.model import Fact
from lensd.tail.protobuf import BYTES, FIXED64, VARINT, WireError, double, fields, text
from lensd.wandb.values import config_facts

_MAX_HPARAMS = 512  # of one session
_MAX_CHARACTERS = 1024  # of a value


def hparams_of(content: bytes) -> dict[str, Fact]:
    """`hparams.NAME` for each value of a SessionStartInfo; nothing for other contents of the plugin."""
    hparams: dict[str, Fact] = {}
    try:
        for number, kind, _, at, end in fields(content, 0, len(content)):
            if number == 3 and kind == BYTES:
                for inner, inner_kind, _, begin, finish in fields(content, at, end):
                    if inner == 1 and inner_kind == BYTES and len(hparams) < _MAX_HPARAMS:
                        name, value = _entry(content, begin, finish)
                        hparams |= config_facts({name: value}, "hparams.")
    except WireError:
        return {}  # the record's checksum holds, so this is a message of another version
    return hparams


def _entry(content: bytes, start: int, stop: int) -> tuple[str, Fact]:
    name, value = "", None
    for number, kind, _, at, end in fields(content, start, stop):
        if number == 1 and kind == BYTES:
            name = text(content, at, end)
        elif number == 2 and kind == BYTES:
            value = _value(content, at, end)
    return name, value


def _value(content: bytes, start: int, stop: int) -> Fact:
    value: Fact = None
    for number, kind, varint, at, end in fields(content, start, stop):
        if number == 2 and kind == FIXED64:
            value = _json_number(double(content, at))
        elif number == 3 and kind == BYTES:
            value = text(content, at, end)[:_MAX_CHARACTERS]
        elif number == 4 and kind == VARINT:
            value = bool(varint)
    return value


def _json_number(number: float) -> Fact:
    """An integer where it is one, since protobuf has doubles only; a string where JSON has no number."""
    if not math.isfinite(number):
        return str(number)
    return int(number) if number == int(number) and abs(number) < 1 << 53 else number
