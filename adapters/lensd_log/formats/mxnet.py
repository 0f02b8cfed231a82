"""Apache MXNet's Module API, and GluonCV.

    Epoch[0] Batch [50]	Speed: 226.19 samples/sec	Train-accuracy=0.001563
    Epoch[0] Batch [0-20]	Speed: 1076.54 samples/sec	accuracy=0.531250	cross-entropy=1.2
    Epoch[12] Validation-accuracy=0.983280
    Epoch[12] Time cost=1.595

How many batches an epoch has is not printed: epochs follow one another by the longest one seen. A metric on a
line of its own repeats the speed. What is said of an epoch belongs to its last batch; where batches print the
same name it is `Epoch/Train-accuracy`.
Source: apache/mxnet python/mxnet/callback.py `Speedometer`, module/base_module.py `fit`.
"""

from __future__ import annotations

import re

from lensd_log.formats.epochs import step_in_run
from lensd_log.formats.pairs import Values, kept_apart
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
        read = Values((m[1], m[2]) for m in _PAIR.finditer(text, batch.end()))
        if not read.values:
            return None
        kept_apart(read, state, "", trains=True)
        step = step_in_run(int(batch[2]), None, int(batch[1]), state, each_epoch=True)
        return (Record(read.values, step, units=read.units),)
    epoch = _EPOCH.match(text)
    if epoch is None:
        return None
    read = Values((m[1], m[2]) for m in _PAIR.finditer(text, epoch.end()))
    if not read.values:
        return None
    kept_apart(read, state, "Epoch/")
    if "epochs" not in state:
        return (Record(read.values, int(epoch[1]), units=read.units),)
    return (Record(read.values, None, evaluation=True, units=read.units),)


MXNET = LogFormat("mxnet", _parse, needles=("Epoch[", "Iter["), framework="mxnet")
