"""NVIDIA NeMo 2 without a terminal.

    Training epoch 0, iteration 1/99 | lr: 1.9e-07 | global_batch_size: 64 | global_step: 1 | ...
    Validation: iteration 1/8

The iteration starts over with each epoch and counts from 0 to the number behind it; `global_step` does not.
`val_loss` is repeated on every line until the next validation. NeMo 1 prints Lightning's bars.
Source: NVIDIA/NeMo nemo/lightning/pytorch/callbacks/progress_printer.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, parted
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(r"Training epoch (\d{1,9}), iteration (\d{1,15})/(\d{1,15}) \| ")
_GLOBAL = re.compile(r"\bglobal_step: (\d{1,15})(?:\.0)?(?= |\Z)")


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    found = _LINE.match(text)
    if found is None or not entry.complete:
        return () if text.startswith(("Validation iteration", "Validation: iteration")) else None
    told = _GLOBAL.search(text, found.end())
    epoch, iteration, last = int(found[1]), int(found[2]), int(found[3])
    step = int(told[1]) if told else epoch * (last + 1) + iteration
    read = Values(parted(text[found.end() :], " | ", ": "))
    return (Record(read.values, step, units=read.units),) if read.values else None


NEMO = LogFormat(
    "nemo", _parse, needles=("Training epoch ", "Validation"), framework="nemo", columns=EVERY_LINE
)
