"""CatBoost.

    1:	learn: 0.6866047	test: 0.6873479	best: 0.6873479 (1)	total: 48.5ms	remaining: 194ms

The iteration counts from 0. `total` and `remaining` are the clock's.
Source: catboost/catboost catboost/libs/logging, library/python/catboost.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, parted
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(r"(\d{1,12}):\s{1,4}(?=(?:learn|test\d{0,3}): )")
_CLOCKS = ("total", "remaining")


def _parse(entry: Entry, state: State) -> Parsed:
    found = _LINE.match(entry.text)
    if found is None or not entry.complete:
        return None
    pairs = parted(entry.text[found.end() :].replace("  ", "\t"), "\t", ":")
    read = Values((name, printed) for name, printed in pairs if name.strip() not in _CLOCKS)
    return (Record(read.values, int(found[1])),) if read.values else None


CATBOOST = LogFormat(
    "catboost", _parse, needles=("learn: ", "test: "), framework="catboost", columns=EVERY_LINE
)
