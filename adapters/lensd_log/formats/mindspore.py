"""The callbacks of MindSpore and MindCV.

    epoch: 1 step: 5, loss is 0.5195528864860535
    Train epoch time: 17270.144 ms, per step time: 1151.343 ms
    Epoch: [1/10], batch: [100/500], loss: 2.3, lr: 0.01, time: 12.3s                              MindCV

The length of an epoch is not printed: the longest one seen stands for it. The duration of an epoch belongs
to its last step.
Source: mindspore-ai/mindspore python/mindspore/train/callback/_loss_monitor.py, _time_monitor.py;
mindspore-lab/mindcv mindcv/utils/callbacks.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.epochs import step_in_run
from lensd_log.formats.pairs import Values, split_pairs
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_STEP = re.compile(r"epoch: {1,4}(\d{1,9}),? {1,4}step: {1,4}(\d{1,12}), ([\w ]{1,40}?) is (\S{1,40})\Z")
_TOOK = re.compile(r"(?:Train )?epoch time: ")
_BATCH = re.compile(
    r"Epoch: ?\[\s{0,8}(\d{1,9})/\s{0,8}\d{1,9}\], (?:batch|step): ?"
    r"\[\s{0,12}(\d{1,12})/\s{0,12}(\d{1,12})\], "
)


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    match = _STEP.match(text)
    if match:
        metrics = Values(((match[3], match[4]),))
        step = step_in_run(int(match[2]), None, int(match[1]), state, each_epoch=True)
        return (Record(metrics.values, step, units=metrics.units),) if metrics.values else ()
    if _TOOK.match(text):
        metrics = Values(split_pairs(text, ", ", ": "))
        return (Record(metrics.values, None, evaluation=True, units=metrics.units),) if metrics.values else ()
    batch = _BATCH.match(text)
    if batch is None:
        return None
    metrics = Values(split_pairs(text[batch.end() :], ", ", ":"))
    step = (int(batch[1]) - 1) * int(batch[3]) + int(batch[2])
    return (Record(metrics.values, step, units=metrics.units),) if metrics.values else None


MINDSPORE = LogFormat(
    "mindspore", _parse, needles=("epoch: ", "epoch time: ", "Epoch: ["), framework="mindspore"
)
