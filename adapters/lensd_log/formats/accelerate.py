"""The example scripts of accelerate: the metrics of an epoch as a Python dict.

    epoch 0: {'accuracy': 0.7303921568627451, 'f1': 0.8286604361370716}

The step is the epoch, or the step where the script prints one.
Source: huggingface/accelerate examples/nlp_example.py, huggingface/notebooks simple_nlp_example.ipynb.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(r"(?:epoch|step) (\d{1,12}): \{(?=')")
_PAIR = re.compile(r"'([^'\n]{1,100})': ([^,{}'\s][^,{}']{0,60})")


def _parse(entry: Entry, state: State) -> Parsed:
    match = _LINE.match(entry.text)
    if match is None or not entry.complete:
        return None
    metrics = Values((m[1], m[2]) for m in _PAIR.finditer(entry.text, match.end()))
    return (Record(metrics.values, int(match[1])),) if metrics.values else None


ACCELERATE = LogFormat("accelerate", _parse, needles=(": {'",), framework="accelerate")
