"""TensorFlow's Estimator.

    loss = 1.2207099, step = 600 (5.2 sec)
    global_step/sec: 18.9
    Saving dict for global step 500: accuracy = 0.91, global_step = 500, loss = 0.31

A rate belongs to the step before it. An evaluation metric whose name training prints too becomes
`eval/loss`. Source: tensorflow/estimator tensorflow_estimator/python/estimator/estimator.py; tensorflow
python/training/basic_session_run_hooks.py `LoggingTensorHook`, `StepCounterHook`.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, qualify_evaluation, split_pairs
from lensd_log.line.numbers import NUMBER, to_float
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_STEP = re.compile(r"(?:, |\A)(?:global_)?step = (\d{1,15})(?=,| \(|\Z)")
_PAIRS = re.compile(rf"(?:[\w./:-]{{1,80}} = {NUMBER}(?:, |(?= \(|\Z))){{2,40}}")
_TOOK = re.compile(r" \(\d{1,9}\.\d{1,9} sec\)\Z")
_RATE = re.compile(rf"((?:global_step|examples|steps)/sec): ({NUMBER})\Z")
_SAVED = re.compile(r"Saving dict for global step (\d{1,15}): ")


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    rate = _RATE.match(text)
    if rate:
        return (Record([(rate[1], to_float(rate[2]))], state.get("step")),)
    saved = _SAVED.match(text)
    if saved:
        metrics = Values(split_pairs(text[saved.end() :], ", ", " = "))
        qualify_evaluation(metrics, state, "eval/")
        return (Record(metrics.values, int(saved[1]), evaluation=True),) if metrics.values else ()
    match = _STEP.search(text)
    if match is None or not _PAIRS.match(text):
        return None
    metrics = Values(split_pairs(_TOOK.sub("", text), ", ", " = "))
    if not metrics.values:
        return None
    qualify_evaluation(metrics, state, "", trains=True)
    state["step"] = int(match[1])
    return (Record(metrics.values, int(match[1])),)


TF_ESTIMATOR = LogFormat(
    "tf-estimator",
    _parse,
    needles=("step = ", "/sec: ", "Saving dict for global step"),
    framework="tf-estimator",
)
