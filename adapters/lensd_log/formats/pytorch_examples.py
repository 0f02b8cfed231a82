"""The training scripts of PyTorch's examples, and the many scripts that began as a copy of one.

    Epoch: [0][  10/1307]	Time  0.779 ( 5.211)	Data  0.0 (0.1)	Loss 2.3915e+01 (1.5221e+01)     imagenet
     * Acc@1 76.130 Acc@5 92.862
    Train Epoch: 1 [640/60000 (1%)]	Loss: 2.213500                                              mnist
    Test set: Average loss: 0.0831, Accuracy: 9727/10000 (97%)

imagenet prints the current value and, in brackets, the average; the first is read, at `epoch * N + i`.
Lines of a running evaluation (`Test: [10/50]`) are averages of a part and ignored. mnist counts samples
from epoch 1.
Source: pytorch/examples imagenet/main.py, mnist/main.py; microsoft/Swin-Transformer main.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, qualify_evaluation
from lensd_log.line.numbers import NUMBER, UNIT
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State
from lensd_log.names import sounds_like_metric

_EPOCH = re.compile(
    r"(?:Epoch|Train): ?\[(\d{1,9})(?:/\d{1,9})?\]\[\s{0,12}(\d{1,12})/(\d{1,12})\]:?\s{1,8}(?=[A-Za-z])"
)
_TEST = re.compile(r"Test: ?\[\s{0,12}\d{1,12}/\d{1,12}\]\s")
_SUMMARY = re.compile(r"\* (?=[A-Za-z][\w@]{0,30} \d{1,6}\.\d)")  # no comment: ` * Returns 0`
_METER = re.compile(
    rf"(?<![\w@/.-])([A-Za-z][\w@/.-]{{0,40}}):?\s{{1,8}}({NUMBER}{UNIT})(?:\s{{1,4}}\(\s{{0,8}}{NUMBER}{UNIT}\s?\))?(?=[\s,]|\Z)"
)
_MNIST = re.compile(
    r"Train Epoch: (\d{1,9}) \[\s{0,12}(\d{1,12})/(\d{1,12}) \(\s{0,3}\d{1,3}(?:\.\d{1,3})?%\)\]\s{1,8}"
)
_TEST_SET = re.compile(r"Test set: (?=[A-Z])")
_RATIO = re.compile(r"\d{1,12}/\d{1,12} \((\d{1,3}(?:\.\d{1,9})?%)\)")  # 9727/10000 (97%)
_PAIR = re.compile(r"(?<![\w@/.-])([A-Za-z][\w ()/-]{0,40}?) ?[:=] {0,4}(\S{1,40}?)(?=[\s,;]|\Z)")


def _imagenet(entry: Entry, state: State) -> Parsed:
    text = entry.text
    match = _EPOCH.match(text)
    if match:
        if not entry.complete:
            return ()
        epoch, at, length = int(match[1]), int(match[2]), int(match[3])
        metrics = Values((m[1], m[2]) for m in _METER.finditer(text, match.end()))
        if not metrics.values:
            return None
        qualify_evaluation(metrics, state, "", trains=True)
        return (Record(metrics.values, epoch * length + at, units=metrics.units),)
    if _TEST.match(text):
        return ()
    match = _SUMMARY.match(text)
    if match is None or not entry.complete:
        return None
    metrics = Values((m[1], m[2]) for m in _METER.finditer(text, match.end()))
    if not any(sounds_like_metric(name) for name, _ in metrics.values):  # a comment: ` * RFC 3066`
        return None
    qualify_evaluation(metrics, state, "Test/")
    return (Record(metrics.values, None, evaluation=True, units=metrics.units),)


def _mnist(entry: Entry, state: State) -> Parsed:
    text = entry.text
    match = _MNIST.match(text)
    test = None if match else _TEST_SET.match(text)
    head = match or test
    if head is None or not entry.complete:
        return None
    pairs = text if match else _RATIO.sub(r"\1", text)
    metrics = Values((m[1], m[2]) for m in _PAIR.finditer(pairs, head.end()))
    if not metrics.values:
        return None
    if test:
        return (Record(metrics.values, None, evaluation=True, units=metrics.units),)
    epoch, seen, length = int(head[1]), int(head[2]), int(head[3])
    # OpenCLIP prints the same line and counts epochs from 0.
    first = state["first"] = min(state.get("first", 1), epoch)
    return (Record(metrics.values, (epoch - first) * length + seen, units=metrics.units),)


IMAGENET = LogFormat(
    "pytorch-imagenet",
    _imagenet,
    needles=("Epoch: [][", "Epoch:[][", "Train: [", "Test: [", "* "),
    framework="pytorch-imagenet",
)
MNIST = LogFormat("pytorch-mnist", _mnist, needles=("Train Epoch: ", "Test set: "), framework="pytorch-mnist")
