"""timm's training script.

    Train: 0 [  50/10009 (  0%)]  Loss:  6.927876 (6.9180)  Time: 1.462s,   87.53/s  (1.896s,   67.51/s)  LR: 1.000e-06
    Test: [  29/29]  Time: 0.041 (0.064)  Loss:  0.5951 (0.5882)  Acc@1: 81.2500 (87.5000)

Of `current (average)`, the current value is read. An evaluation prints averages of what it has seen so far:
those of its last line are read. `Test (EMA)` has metrics of its own.
Source: huggingface/pytorch-image-models train.py `train_one_epoch`, `validate`.
"""  # noqa: E501 - a line of the format

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, average_of
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_TRAIN = re.compile(r"Train: (\d{1,9}) \[\s{0,12}(\d{1,12})/(\d{1,12}) \(\s{0,3}\d{1,3}%\)\]\s{1,4}")
_TEST = re.compile(r"(Test(?: \([A-Z]{1,12}\))?): \[\s{0,12}(\d{1,12})/(\d{1,12})\]\s{1,4}")
_PAIR = re.compile(
    r"(?<![\w@/.-])([A-Za-z][\w@/.-]{0,40}):\s{1,8}([^\s,]{1,40}(?: {1,4}\( {0,8}[^\s()]{1,40}\))?)"
)


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    train = _TRAIN.match(text)
    test = None if train else _TEST.match(text)
    head = train or test
    if head is None:
        return None
    if not entry.complete or (test and test[2] != test[3]):
        return ()
    pairs = ((m[1], m[2]) for m in _PAIR.finditer(text, head.end()))
    if test:
        metrics = Values(((name, average_of(printed)) for name, printed in pairs), f"{test[1]}/")
        return (Record(metrics.values, None, evaluation=True, units=metrics.units),)
    metrics = Values((name, printed.partition(" ")[0]) for name, printed in pairs)
    epoch, at, length = int(head[1]), int(head[2]), int(head[3])
    return (Record(metrics.values, epoch * length + at, units=metrics.units),) if metrics.values else None


TIMM = LogFormat("timm", _parse, needles=("Train: ", "Test: [", "Test ("), framework="timm")
