"""OpenMMLab: mmengine, and mmcv before it (mmdetection, mmsegmentation, mmpretrain, ...).

    Epoch(train)  [1][ 10/196]  lr: 3.3333e-04  eta: 0:13:14  time: 0.4073  memory: 970  loss: 6.1887
    Epoch(val) [1][51/51]    coco/bbox_mAP: 0.4110  data_time: 0.0335  time: 0.0611
    Iter(train) [  100/80000]  base_lr: 1.0000e-02 lr: 1.0000e-02  eta: 1 day, 2:03:04  loss: 2.9
    Epoch [3][50/1749]	lr: 2.000e-02, eta: 0:52:33, time: 1.899, loss: 0.7339                       mmcv

Epochs and batches count from 1: `(epoch - 1) * N + i`. A running evaluation prints only its speed; its
results belong to the last training step.
Source: open-mmlab/mmengine mmengine/hooks/logger_hook.py, runner/log_processor.py; mmcv 1
mmcv/runner/hooks/logger/text.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, qualify_evaluation
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_HEAD = re.compile(
    r"(Epoch|Iter)(?:\((train|val|test)\))?\s{1,4}(?:\[\s{0,8}(\d{1,9})\])?"
    r"\[\s{0,12}(\d{1,12})(?:/\s{0,12}(\d{1,12}))?\]:?\s{1,8}(?=[A-Za-z])"
)
_PAIR = re.compile(r"(?<![\w@/.-])([A-Za-z_][\w./@()-]{0,80}): {1,4}(\S{1,40}?)(?=,|\s|\Z)")


def _parse(entry: Entry, state: State) -> Parsed:
    match = _HEAD.match(entry.text)
    if match is None:
        return None
    if not entry.complete:
        return ()
    text = entry.text
    pairs = [(m[1], m[2]) for m in _PAIR.finditer(text, match.end()) if not m[1].endswith("_copypaste")]
    metrics = Values(pairs)
    framework = "mmcv" if "," in text[match.end() :].partition("eta")[0] else None
    place, length = int(match[4]), int(match[5]) if match[5] else None
    if match[2] in ("val", "test"):
        if length is not None and place < length:
            return ()
        qualify_evaluation(metrics, state, f"{match[2]}/")
        return (Record(metrics.values, None, evaluation=True, units=metrics.units),) if metrics.values else ()
    if not metrics.values:
        return None
    qualify_evaluation(metrics, state, "", trains=True)
    if match[1] == "Iter":
        return (Record(metrics.values, place, target=length, units=metrics.units, framework=framework),)
    step = place if match[3] is None or length is None else (int(match[3]) - 1) * length + place
    return (Record(metrics.values, step, units=metrics.units, framework=framework),)


OPENMMLAB = LogFormat("mmengine", _parse, needles=("Epoch", "Iter"), framework="mmengine")
