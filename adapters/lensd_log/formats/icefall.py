"""icefall (k2): brackets with averages over the batch and over the last few hundred batches.

    Epoch 1, batch 50, loss[loss=0.456, simple_loss=0.51, over 2828.00 frames. ], tot_loss[loss=0.48, over
    34971.47 frames. ], batch size: 4, lr: 2.9e-03, grad_scale: 8.0
    Epoch 0, validation loss=0.9002, over 18067.00 frames.
    Epoch 1, validation: loss=0.2386, simple_loss=0.2764, over 944034.00 frames.

A number within a bracket is named `tot_loss.simple_loss`. The length of an epoch is not printed: the longest
one seen stands for it. Source: k2-fsa/icefall egs/*/ASR/*/train.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.epochs import step_in_run
from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_BATCH = re.compile(r"Epoch (\d{1,9}), batch (\d{1,12}), (?:global[ _]batch[ _]idx: (\d{1,15}), )?")
_BRACKET = re.compile(r"(?<![\w@/.-])([A-Za-z]\w{0,40})\[([^\]\[]{1,2000})\]")
_INNER = re.compile(r"(?<![\w@/.-])([A-Za-z][\w.-]{0,60})=([^\s,]{1,40})")
_TRAILING = re.compile(r"(?:\A|, )([A-Za-z][\w.]{0,40}): ([^\s,]{1,40})")
_VALID = re.compile(r"Epoch \d{1,9}, (validation)(?=:? [a-z]\w{0,40}=)")


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    valid = _VALID.match(text)
    if valid:
        sign = "." if text[valid.end()] == ":" else " "
        metrics = Values(((m[1], m[2]) for m in _INNER.finditer(text, valid.end())), f"validation{sign}")
        return (Record(metrics.values, None, evaluation=True),) if metrics.values else ()
    match = _BATCH.match(text)
    if match is None:
        return None
    metrics, end = Values(), match.end()
    for bracket in _BRACKET.finditer(text, match.end()):
        for inner in _INNER.finditer(bracket[2]):
            metrics.add(inner[1], inner[2], f"{bracket[1]}.")
        end = bracket.end()
    for pair in _TRAILING.finditer(text, end):
        metrics.add(pair[1], pair[2])
    if not metrics.values:
        return None
    step = (
        int(match[3]) if match[3] else step_in_run(int(match[2]), None, int(match[1]), state, each_epoch=True)
    )
    return (Record(metrics.values, step),)


ICEFALL = LogFormat("icefall", _parse, needles=(", batch ", ", validation"), framework="icefall")
