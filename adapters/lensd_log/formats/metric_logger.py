"""torchvision's MetricLogger: its reference scripts, DETR, DeiT, MAE, DINO, RF-DETR and their kin.

    Epoch: [0]  [10/65]  eta: 0:00:52  lr: 0.000100  loss: 6.3589 (6.2773)  time: 0.8048  max mem: 9462
    Test:  [0/4]  eta: 0:00:12  loss: 50.3396 (50.3396)  time: 3.2  data: 2.9  max mem: 9462
    Averaged stats: class_error: 100.00  loss: 48.81 (49.60)
    * Acc@1 76.130 Acc@5 92.862 loss 0.951

Of `median (average)` the median counts while training, the average in the summary of an evaluation; what is
printed while an evaluation runs is a part of that.
Source: pytorch/vision references/classification/utils.py `MetricLogger.log_every`; facebookresearch/detr,
deit, mae, dino; roboflow/rf-detr.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, averaged, parted
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_EPOCH = re.compile(
    r"(?:Train(?:ing)? )?Epoch: \[(\d{1,9})(?:/\d{1,9})?\]:? {1,4}\[\s{0,12}(\d{1,12})/(\d{1,12})\] {2}"
)
_TEST = re.compile(
    r"(?:[\w ]{0,40}?\b)?(?:Test|Val|Validation|Eval)(?: \w{1,20})?: {1,4}\[\s{0,12}\d{1,12}/\d{1,12}\] {2}"
)
_BLANKS = re.compile(r" {2,}")


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    found = _EPOCH.match(text)
    if found:
        state["testing"] = False
        if not entry.complete:
            return ()
        read = Values(parted("\n".join(_BLANKS.split(text[found.end() :])), "\n", ": "))
        epoch, at, length = int(found[1]), int(found[2]), int(found[3])
        return (Record(read.values, epoch * length + at, units=read.units),) if read.values else ()
    if _TEST.match(text):
        state["testing"] = True
        return ()
    if not state or not entry.complete:
        return None
    if text.startswith("Averaged stats: "):
        if not state["testing"]:
            return ()
        pairs = parted("\n".join(_BLANKS.split(text[16:])), "\n", ": ")
        read = Values(((name, averaged(printed)) for name, printed in pairs), "Test/")
        return (Record(read.values, None, evaluation=True, units=read.units),) if read.values else ()
    return None


METRIC_LOGGER = LogFormat(
    "torchvision-metriclogger",
    _parse,
    needles=("Epoch: [", "/]  eta", "/]  ", "Averaged stats: "),
    framework="torchvision-metriclogger",
)
