"""Apache MXNet's Module API, and GluonCV.

    Epoch[0] Batch [50]	Speed: 226.19 samples/sec	Train-accuracy=0.001563
    Epoch[0] Batch [0-20]	Speed: 1076.54 samples/sec	accuracy=0.531250	cross-entropy=1.2
    Epoch[12] Validation-accuracy=0.983280
    Epoch[12] Time cost=1.595

The length of an epoch is not printed: the longest one seen stands for it. A metric on a line of its own
repeats the speed. Metrics of an epoch belong to its last batch; where batches print the same name, the
epoch's is `Epoch/Train-accuracy`.
Source: apache/mxnet python/mxnet/callback.py `Speedometer`, module/base_module.py `fit`.
"""

from __future__ import annotations

import re

from lensd_log.formats.epochs import step_in_run
from lensd_log.formats.pairs import Values, qualify_evaluation
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_BATCH = re.compile(
    r"(?:Node\[\d{1,5}\] )?(?:Epoch|Iter)\[(\d{1,9})\] Batch ?\[(?:\d{1,12}-)?(\d{1,12})\]"
    r"(?:/\d{1,12})?,?\s{1,8}"
)
_EPOCH = re.compile(r"(?:Node\[\d{1,5}\] )?Epoch\[(\d{1,9})\] (?=(?:[\w .@-]{1,60}=))")
_PAIR = re.compile(
    r"(?<![\w@/.-])([A-Za-z][\w.@/-]{0,60}(?: cost)?)(?:=|: )(\S{1,40}(?: samples/sec)?)(?=[\s,]|\Z)"
)


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    batch = _BATCH.match(text)
    if batch:
        metrics = Values((m[1], m[2]) for m in _PAIR.finditer(text, batch.end()))
        if not metrics.values:
            return None
        qualify_evaluation(metrics, state, "", trains=True)
        step = step_in_run(int(batch[2]), None, int(batch[1]), state, each_epoch=True)
        return (Record(metrics.values, step, units=metrics.units),)
    epoch = _EPOCH.match(text)
    if epoch is None:
        return None
    metrics = Values((m[1], m[2]) for m in _PAIR.finditer(text, epoch.end()))
    if not metrics.values:
        return None
    qualify_evaluation(metrics, state, "Epoch/")
    if "epochs" not in state:
        return (Record(metrics.values, int(epoch[1]), units=metrics.units),)
    return (Record(metrics.values, None, evaluation=True, units=metrics.units),)


MXNET = LogFormat("mxnet", _parse, needles=("Epoch[", "Iter["), framework="mxnet")
