"""torchvision's MetricLogger: its reference scripts, DETR, DeiT, MAE, DINO, RF-DETR and others.

    Epoch: [0]  [10/65]  eta: 0:00:52  lr: 0.000100  loss: 6.3589 (6.2773)  time: 0.8048  max mem: 9462
    Test:  [0/4]  eta: 0:00:12  loss: 50.3396 (50.3396)  time: 3.2  data: 2.9  max mem: 9462
    Averaged stats: class_error: 100.00  loss: 48.81 (49.60)
    * Acc@1 76.130 Acc@5 92.862 loss 0.951

Of `median (average)`, the median is read while training and the average in an evaluation's summary. Lines of
a running evaluation are averages of a part and ignored.
Source: pytorch/vision references/classification/utils.py `MetricLogger.log_every`; facebookresearch/detr,
deit, mae, dino; roboflow/rf-detr.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, average_of, split_pairs
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
    match = _EPOCH.match(text)
    if match:
        state["testing"] = False
        if not entry.complete:
            return ()
        metrics = Values(split_pairs("\n".join(_BLANKS.split(text[match.end() :])), "\n", ": "))
        epoch, at, length = int(match[1]), int(match[2]), int(match[3])
        return (Record(metrics.values, epoch * length + at, units=metrics.units),) if metrics.values else ()
    if _TEST.match(text):
        state["testing"] = True
        return ()
    if not state or not entry.complete:
        return None
    if text.startswith("Averaged stats: "):
        if not state["testing"]:
            return ()
        pairs = split_pairs("\n".join(_BLANKS.split(text[16:])), "\n", ": ")
        metrics = Values(((name, average_of(printed)) for name, printed in pairs), "Test/")
        return (Record(metrics.values, None, evaluation=True, units=metrics.units),) if metrics.values else ()
    return None


METRIC_LOGGER = LogFormat(
    "torchvision-metriclogger",
    _parse,
    needles=("Epoch: [", "/]  eta", "/]  ", "Averaged stats: "),
    framework="torchvision-metriclogger",
)
