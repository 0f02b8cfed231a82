"""The summary of pycocotools, which detection frameworks of all kinds print when they evaluate.

     Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.412

It belongs to the last training step before it. Runs of blanks in a name become one blank.
Source: cocodataset/cocoapi PythonAPI/pycocotools/cocoeval.py `summarize`; faster-coco-eval.
"""

from __future__ import annotations

import re

from lensd_log.line.numbers import NUMBER, to_float
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(
    rf"(Average (?:Precision|Recall)\s{{1,8}}\(A[PR]\) @\[ IoU=[^\]=]{{1,20}}\| area=[^\]=]{{1,12}}\|"
    rf" maxDets=[^\]=]{{1,8}}\]) = ({NUMBER})\Z"
)


def _parse(entry: Entry, state: State) -> Parsed:
    match = _LINE.match(entry.text)
    if match is None or not entry.complete:
        return None
    return (Record([(" ".join(match[1].split()), to_float(match[2]))], None, evaluation=True),)


PYCOCOTOOLS = LogFormat("pycocotools", _parse, needles=("Average Precision", "Average Recall"))
