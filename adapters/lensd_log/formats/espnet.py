"""ESPnet 2.

    5epoch:train:3376-3750batch: iter_time=0.001, forward_time=0.005, loss=1.733, lr_0=0.100, train_time=0.014
    5epoch results: [train] iter_time=0.001, loss=1.8, total_count=7507, [valid] loss=2.387, total_count=20

A line is the mean over a range of batches of its epoch and stands at the last of them. How many an epoch
has is not printed: epochs follow one another by the longest one seen. The results of an epoch are
`train/loss` and `valid/loss`. Source: espnet/espnet espnet2/train/reporter.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.epochs import step_in_run
from lensd_log.formats.pairs import Values, parted
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_BATCHES = re.compile(r"(\d{1,9})epoch:(train|valid):(?:\d{1,12}-)?(\d{1,12})batch: ")
_RESULTS = re.compile(r"(\d{1,9})epoch results: (?=\[)")
_PART = re.compile(r"\[(\w{1,40})\] ([^\[]{1,8000})")


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    found = _BATCHES.search(text)
    if found:
        if found[2] == "valid":
            return ()
        read = Values(parted(text[found.end() :], ", ", "="))
        step = step_in_run(int(found[3]), None, int(found[1]), state, each_epoch=True)
        return (Record(read.values, step, units=read.units),) if read.values else None
    found = _RESULTS.search(text)
    if found is None:
        return None
    read = Values()
    for part in _PART.finditer(text, found.end()):
        for name, printed in parted(part[2].strip().removesuffix(","), ", ", "="):
            if name != "total_count":
                read.add(name, printed, f"{part[1]}/")
    return (Record(read.values, None, evaluation=True, units=read.units),) if read.values else ()


ESPNET = LogFormat("espnet", _parse, needles=("epoch:", "epoch results: "), framework="espnet")
