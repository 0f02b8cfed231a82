"""DeepSpeed's own lines; the loss is printed by the user's script, not by DeepSpeed.

    [Rank 0] step=10, skipped=6, lr=[9.6e-06, 9.6e-06], mom=[(0.9, 0.95), (0.9, 0.95)]
    epoch=0/micro_step=10/global_step=10, RunningAvgSamplesPerSec=173.4, CurrSamplesPerSec=171.9, ...
    steps: 10 loss: 2.3451 iter time (s): 0.513 samples/sec: 124.671

Of a list with one entry per parameter group, the first is read.
Source: deepspeedai/DeepSpeed deepspeed/runtime/engine.py `_report_progress`, runtime/pipe/engine.py,
utils/timer.py `ThroughputTimer`.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, split_pairs
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_STEP = re.compile(r"step=(\d{1,15}), skipped=(\d{1,15}), lr=\[([^\],]{1,40})")
_TIMER = re.compile(r"(?:epoch=\d{1,9}/)?micro_step=\d{1,15}/global_step=(\d{1,15}), ")
_PIPE = re.compile(r"steps: (\d{1,15}) (?=loss: )")
_PIPE_PAIR = re.compile(r"(loss|lr|iter time \(s\)|samples/sec): (\S{1,40})")


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    match = _STEP.search(text)
    if match:
        metrics = Values((("skipped", match[2]), ("lr", match[3])))
        return (Record(metrics.values, int(match[1]), units=metrics.units),)
    match = _TIMER.search(text)
    if match:
        metrics = Values(split_pairs(text[match.end() :], ", ", "="))
    else:
        match = _PIPE.search(text)
        if match is None:
            return None
        metrics = Values((m[1], m[2]) for m in _PIPE_PAIR.finditer(text, match.end()))
    return (Record(metrics.values, int(match[1]), units=metrics.units),) if metrics.values else None


DEEPSPEED = LogFormat(
    "deepspeed",
    _parse,
    needles=(", skipped=", "micro_step=", "steps: "),
    framework="deepspeed",
    columns=EVERY_LINE,
)
