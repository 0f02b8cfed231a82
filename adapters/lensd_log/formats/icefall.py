"""icefall (k2): brackets with what is averaged over the batch and over the last hundreds of them.

    Epoch 1, batch 50, loss[loss=0.456, simple_loss=0.51, over 2828.00 frames. ], tot_loss[loss=0.48, over
    34971.47 frames. ], batch size: 4, lr: 2.9e-03, grad_scale: 8.0
    Epoch 0, validation loss=0.9002, over 18067.00 frames.
    Epoch 1, validation: loss=0.2386, simple_loss=0.2764, over 944034.00 frames.

A number within a bracket is `tot_loss.simple_loss`. How many batches an epoch has is not printed: epochs
follow one another by the longest one seen. Source: k2-fsa/icefall egs/*/ASR/*/train.py.
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
        read = Values(((m[1], m[2]) for m in _INNER.finditer(text, valid.end())), f"validation{sign}")
        return (Record(read.values, None, evaluation=True),) if read.values else ()
    found = _BATCH.match(text)
    if found is None:
        return None
    read, end = Values(), found.end()
    for bracket in _BRACKET.finditer(text, found.end()):
        for inner in _INNER.finditer(bracket[2]):
            read.add(inner[1], inner[2], f"{bracket[1]}.")
        end = bracket.end()
    for pair in _TRAILING.finditer(text, end):
        read.add(pair[1], pair[2])
    if not read.values:
        return None
    step = (
        int(found[3]) if found[3] else step_in_run(int(found[2]), None, int(found[1]), state, each_epoch=True)
    )
    return (Record(read.values, step),)


ICEFALL = LogFormat("icefall", _parse, needles=(", batch ", ", validation"), framework="icefall")
