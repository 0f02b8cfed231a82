"""CatBoost.

    1:	learn: 0.6866047	test: 0.6873479	best: 0.6873479 (1)	total: 48.5ms	remaining: 194ms

Iterations count from 0. `total` and `remaining` are clock times, not metrics.
Source: catboost/catboost catboost/libs/logging, library/python/catboost.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, split_pairs
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(r"(\d{1,12}):\s{1,4}(?=(?:learn|test\d{0,3}): )")
_CLOCKS = ("total", "remaining")


def _parse(entry: Entry, state: State) -> Parsed:
    match = _LINE.match(entry.text)
    if match is None or not entry.complete:
        return None
    pairs = split_pairs(entry.text[match.end() :].replace("  ", "\t"), "\t", ":")
    metrics = Values((name, printed) for name, printed in pairs if name.strip() not in _CLOCKS)
    return (Record(metrics.values, int(match[1])),) if metrics.values else None


CATBOOST = LogFormat(
    "catboost", _parse, needles=("learn: ", "test: "), framework="catboost", columns=EVERY_LINE
)
