"""Caffe.

    Iteration 500 (1.2 iter/s, 40s/50 iters), loss = 8.89619
        Train net output #2: center_loss = 1.39872 (* 0.008 = 0.0111898 loss)
    Iteration 500, lr = 0.1
    Iteration 500, Testing net (#0)
        Test net output #0: accuracy = 0.0546875

Outputs belong to the iteration above them. Their names keep the words before `#`; the weighted value in
brackets is ignored. Source: BVLC/caffe src/caffe/solver.cpp, solvers/sgd_solver.cpp.
"""

from __future__ import annotations

import re

from lensd_log.line.numbers import NUMBER, to_float
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_ITERATION = re.compile(
    r"Iteration (\d{1,15})(?: \([^)]{1,60}\))?, (?:(\w{1,40}) = (\S{1,40})\Z|Testing net)"
)
_OUTPUT = re.compile(rf"((Train|Test) net output) #\d{{1,6}}: ([^=]{{1,80}}?) = ({NUMBER})")


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    match = _ITERATION.match(entry.text)
    if match:
        state["step"] = step = int(match[1])
        if match[2] is None:
            return ()
        try:
            value = float(match[3])
        except ValueError:
            return ()
        return (Record([(match[2], value)], step),)
    output = _OUTPUT.match(entry.text)
    if output is None:
        return None
    values = [(f"{output[1]}: {output[3]}", to_float(output[4]))]
    return (Record(values, state.get("step"), evaluation=output[2] == "Test"),)


CAFFE = LogFormat("caffe", _parse, needles=("Iteration ", " net output #"), framework="caffe")
