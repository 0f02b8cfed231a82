"""XGBoost's evaluation lines: `[500]\\teval-logloss:0.41906\\ttrain-logloss:0.160439`, cv
`train-rmse:0.5+0.01`.

Rounds count from 0. Source: dmlc/xgboost python-package/xgboost/callback.py `EvaluationMonitor`.
"""

from __future__ import annotations

import re

from lensd_log.line.numbers import NUMBER, to_float
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(r"\[(\d{1,12})\]\s{1,8}(?=[\w.@/:-]{1,120}-)")
_PAIR = re.compile(rf"([A-Za-z_][^\s:]{{0,119}}):({NUMBER})(?:\+{NUMBER})?\Z")


def _parse(entry: Entry, state: State) -> Parsed:
    match = _LINE.match(entry.text)
    if match is None or not entry.complete:
        return None
    values = []
    for word in entry.text[match.end() :].split():
        pair = _PAIR.match(word)
        if pair is None or "-" not in pair[1]:
            return None
        values.append((pair[1], to_float(pair[2])))
    return (Record(values, int(match[1])),) if values else None


XGBOOST = LogFormat("xgboost", _parse, needles=("]\t", "] "), framework="xgboost")
