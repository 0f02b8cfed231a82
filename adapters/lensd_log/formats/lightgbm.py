"""LightGBM's evaluation lines, rounds counted from 1.

    [10]\\ttraining's l1: 0.457448\\tvalid_1's l2: 0.21641          python; cv: `cv_agg's auc: 0.9 + 0.01`
    [LightGBM] [Info] Iteration:1, valid_1 auc : 0.77191          command line

After `Early stopping, best iteration is:` the row of the best round is printed again; it is not a new point.
Source: microsoft/LightGBM python-package/lightgbm/callback.py `_LogEvaluationCallback`,
src/boosting/gbdt.cpp.
"""

from __future__ import annotations

import re

from lensd_log.line.numbers import NUMBER, to_float
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_ROW = re.compile(r"\[(\d{1,12})\]\s{1,8}(?=[^\t:]{1,100}'s )")
_PAIR = re.compile(rf"([^\t:]{{1,120}}'s [^\t:]{{1,120}}): ({NUMBER})(?: \+ {NUMBER})?\Z")
_CLI = re.compile(rf"\[LightGBM\] \[Info\] Iteration:(\d{{1,12}}), ([^:\n]{{1,160}}?) ?: ({NUMBER})\Z")


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    if text.startswith(("Early stopping, best iteration is", "Did not meet early stopping")):
        state["repeat"] = True
        return ()
    match = _ROW.match(text)
    if match is None:
        if text.startswith("[LightGBM]"):
            cli = _CLI.match(text)
            if cli and entry.complete:
                return (Record(((cli[2], to_float(cli[3])),), int(cli[1])),)
            return ()  # its own notices, `gain: -inf` among them
        return None
    if not entry.complete:
        return ()
    if state.pop("repeat", False):
        return ()
    values = []
    for part in text[match.end() :].split("\t"):
        pair = _PAIR.match(part.strip())
        if pair:
            values.append((pair[1], to_float(pair[2])))
    return (Record(values, int(match[1])),) if values else None


LIGHTGBM = LogFormat(
    "lightgbm",
    _parse,
    needles=("'s ", "[LightGBM]", "arly stopping"),
    framework="lightgbm",
)
