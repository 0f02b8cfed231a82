"""Hyperparameters that a run tells TensorBoard's HParams plugin, as facts of its workload.

Messages: TensorBoard 2.21, `plugins/hparams/plugin_data.proto`; values are protobuf's `Value`. Written once,
at the beginning of a session, by torch's and tensorboardX's `add_hparams`, Lightning and Keras.
"""

from __future__ import annotations

import math
import struct

from lensd.model import Fact
from lensd_tensorboard.wire import WireError, fields

_MOST = 512  # hyperparameters of one session
_LONGEST = 1024  # characters of a value


def hparams_of(content: bytes) -> dict[str, Fact]:
    """`hparams.NAME` for each value of a session's beginning; nothing for other contents of the plugin."""
    found: dict[str, Fact] = {}
    try:
        for number, kind, at, end, _ in fields(content, 0, len(content)):
            if number == 3 and kind == 2:
                for inner, inner_kind, begin, finish, _ in fields(content, at, end):
                    if inner == 1 and inner_kind == 2 and len(found) < _MOST:
                        name, value = _entry(content, begin, finish)
                        found["hparams." + name] = value
    except (WireError, IndexError, struct.error):
        return {}  # the record is sound, so this is another version's message: nothing to be told
    return found


def _entry(content: bytes, start: int, stop: int) -> tuple[str, Fact]:
    name, value = "", None
    for number, kind, at, end, _ in fields(content, start, stop):
        if number == 1 and kind == 2:
            name = content[at:end].decode("utf-8", "backslashreplace")
        elif number == 2 and kind == 2:
            value = _value(content, at, end)
    return name, value


def _value(content: bytes, start: int, stop: int) -> Fact:
    value: Fact = None
    for number, kind, at, end, varint in fields(content, start, stop):
        if number == 2 and kind == 1:
            told = float(struct.unpack_from("<d", content, at)[0])
            # Protobuf knows doubles only; JSON knows neither NaN nor infinities.
            value = told if math.isfinite(told) else str(told)
            if math.isfinite(told) and told == int(told) and abs(told) < 1 << 53:
                value = int(told)
        elif number == 3 and kind == 2:
            value = content[at:end].decode("utf-8", "backslashreplace")[:_LONGEST]
        elif number == 4 and kind == 0:
            value = bool(varint)
    return value
