"""NVIDIA NeMo 2 without a terminal.

    Training epoch 0, iteration 1/99 | lr: 1.9e-07 | global_batch_size: 64 | global_step: 1 | ...
    Validation: iteration 1/8

The iteration starts over with each epoch and counts from 0 to the number after it; `global_step` does not.
`val_loss` is repeated on every line until the next validation. NeMo 1 prints Lightning's bars.
Source: NVIDIA/NeMo nemo/lightning/pytorch/callbacks/progress_printer.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, split_pairs
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(r"Training epoch (\d{1,9}), iteration (\d{1,15})/(\d{1,15}) \| ")
_GLOBAL = re.compile(r"\bglobal_step: (\d{1,15})(?:\.0)?(?= |\Z)")


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    match = _LINE.match(text)
    if match is None or not entry.complete:
        return () if text.startswith(("Validation iteration", "Validation: iteration")) else None
    global_step = _GLOBAL.search(text, match.end())
    epoch, iteration, last = int(match[1]), int(match[2]), int(match[3])
    step = int(global_step[1]) if global_step else epoch * (last + 1) + iteration
    metrics = Values(split_pairs(text[match.end() :], " | ", ": "))
    return (Record(metrics.values, step, units=metrics.units),) if metrics.values else None


NEMO = LogFormat(
    "nemo", _parse, needles=("Training epoch ", "Validation"), framework="nemo", columns=EVERY_LINE
)
