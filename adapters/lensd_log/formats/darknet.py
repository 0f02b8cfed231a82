"""Darknet, where YOLO began.

     5045: 0.872799, 0.996185 avg loss, 0.000261 rate, 0.466129 seconds, 242160 images, 0.144395 hours left
     mean average precision (mAP@0.50) = 0.890200, or 89.02 %

The first number is the loss of the batch. The result of the last evaluation, repeated on every iteration, is
ignored. Source: AlexeyAB/darknet src/detector.c `train_detector`, `validate_detector_map`; pjreddie/darknet.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.numbers import NUMBER, to_float
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(rf"(\d{{1,12}}): ({NUMBER}), (?={NUMBER} avg)")
_PART = re.compile(rf"({NUMBER}) ([a-z][a-z ]{{0,20}})\Z")
_MAP = re.compile(rf"mean average precision \((mAP@[\d.]{{1,6}})\) = ({NUMBER})")


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    match = _LINE.match(text)
    if match is None:
        score = _MAP.match(text)
        if score is None:
            return None
        return (Record([(score[1], to_float(score[2]))], None, evaluation=True),)
    metrics = Values((("loss", match[2]),))
    for part in text[match.end() :].split(", "):
        pair = _PART.match(part)
        if pair:
            metrics.add(pair[2], pair[1])
    return (Record(metrics.values, int(match[1])),)


DARKNET = LogFormat(
    "darknet", _parse, needles=(" avg", "mean average precision"), framework="darknet", columns=EVERY_LINE
)
