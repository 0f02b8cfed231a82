"""nnU-Net: an epoch's header, then one metric a line.

    Epoch 12
    Current learning rate: 0.00989
    train_loss -0.1234
    val_loss -0.2234
    Pseudo dice [0.5, 0.6]
    Epoch time: 60.0 s

Of a list with one entry per class, the first is read.
Source: MIC-DKFZ/nnUNet nnunetv2/training/nnUNetTrainer/nnUNetTrainer.py `on_epoch_end`.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_EPOCH = re.compile(r"[Ee]poch:? {1,4}(\d{1,9})\Z")
_LINE = re.compile(
    r"(Current learning rate|train_loss|val_loss|Pseudo dice|Epoch time|Yayy! New best EMA pseudo Dice):? "
    r"(\[?[^\s,\]]{1,40}[\],]?.{0,2000})\Z"
)


def _parse(entry: Entry, state: State) -> Parsed:
    epoch = _EPOCH.match(entry.text)
    if epoch:
        state["epoch"] = int(epoch[1])
        return ()
    match = _LINE.match(entry.text) if "epoch" in state and entry.complete else None
    if match is None:
        return None
    metrics = Values(((match[1], match[2]),))
    return (Record(metrics.values, state["epoch"], units=metrics.units),) if metrics.values else None


NNUNET = LogFormat(
    "nnunet",
    _parse,
    needles=("poch", "learning rate: ", "train_loss ", "val_loss ", "seudo "),
    framework="nnunet",
)
