"""ESPnet 2.

    5epoch:train:3376-3750batch: iter_time=0.001, forward_time=0.005, loss=1.733, lr_0=0.100, train_time=0.014
    5epoch results: [train] iter_time=0.001, loss=1.8, total_count=7507, [valid] loss=2.387, total_count=20

A line is the mean over a range of batches; its step is the last of them. The length of an epoch is not
printed: the longest one seen stands for it. The results of an epoch are `train/loss` and `valid/loss`.
Source: espnet/espnet espnet2/train/reporter.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.epochs import step_in_run
from lensd_log.formats.pairs import Values, split_pairs
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_BATCHES = re.compile(r"(\d{1,9})epoch:(train|valid):(?:\d{1,12}-)?(\d{1,12})batch: ")
_RESULTS = re.compile(r"(\d{1,9})epoch results: (?=\[)")
_PART = re.compile(r"\[(\w{1,40})\] ([^\[]{1,8000})")


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    match = _BATCHES.search(text)
    if match:
        if match[2] == "valid":
            return ()
        metrics = Values(split_pairs(text[match.end() :], ", ", "="))
        step = step_in_run(int(match[3]), None, int(match[1]), state, each_epoch=True)
        return (Record(metrics.values, step, units=metrics.units),) if metrics.values else None
    match = _RESULTS.search(text)
    if match is None:
        return None
    metrics = Values()
    for part in _PART.finditer(text, match.end()):
        for name, printed in split_pairs(part[2].strip().removesuffix(","), ", ", "="):
            if name != "total_count":
                metrics.add(name, printed, f"{part[1]}/")
    return (Record(metrics.values, None, evaluation=True, units=metrics.units),) if metrics.values else ()


ESPNET = LogFormat("espnet", _parse, needles=("epoch:", "epoch results: "), framework="espnet")
