"""Trainers on JAX and Mesh TensorFlow.

    completed step: 2, seconds: 5.658, TFLOP/s/device: 135.158, loss: 11.689           MaxText
    eval metrics after step: 9, loss=10.374, total_weights=196608.0
    [100] loss=1.2, steps_per_sec=3.4                          t5x, PaxML and others through clu
    step, tf_loss[0.00107303483][1000182]                      T5 on Mesh TensorFlow: labels first

MaxText prints its first step before it is done: its seconds are those of the dispatch.
Source: AI-Hypercomputer/maxtext src/maxtext/common/metric_logger.py; google/CommonLoopUtils
clu/metric_writers/logging_writer.py; google-research/text-to-text-transfer-transformer.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, split_pairs
from lensd_log.line.numbers import NUMBER
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_MAXTEXT = re.compile(r"completed step: (\d{1,15}), ")
_MAXTEXT_EVAL = re.compile(r"eval metrics after step: (\d{1,15}), ")
_CLU = re.compile(rf"\[(\d{{1,15}})\] (?=[\w./-]{{1,120}}={NUMBER}(?:,|\Z))")
_MESH = re.compile(rf"step, (\w{{1,60}})\[({NUMBER})\]\[(\d{{1,15}})\]\Z")


def _maxtext(entry: Entry, state: State) -> Parsed:
    match = _MAXTEXT.match(entry.text)
    evaluation = None if match else _MAXTEXT_EVAL.match(entry.text)
    head = match or evaluation
    if head is None or not entry.complete:
        return None
    sign, prefix = (": ", "") if match else ("=", "eval/")
    metrics = Values(split_pairs(entry.text[head.end() :], ", ", sign), prefix)
    if not metrics.values:
        return None
    return (Record(metrics.values, int(head[1]), evaluation=bool(evaluation), units=metrics.units),)


def _clu(entry: Entry, state: State) -> Parsed:
    match = _CLU.match(entry.text)
    if match is None or not entry.complete:
        return None
    metrics = Values(split_pairs(entry.text[match.end() :], ", ", "="))
    return (Record(metrics.values, int(match[1])),) if metrics.values else None


def _mesh(entry: Entry, state: State) -> Parsed:
    match = _MESH.match(entry.text)
    if match is None or not entry.complete:
        return None
    return (Record(Values(((match[1], match[2]),)).values, int(match[3])),)


MAXTEXT = LogFormat(
    "maxtext",
    _maxtext,
    needles=("completed step: ", "metrics after step"),
    framework="maxtext",
    columns=EVERY_LINE,
)
CLU = LogFormat("clu", _clu, needles=("] ",), framework="t5x", columns=EVERY_LINE)
T5_MESH = LogFormat("t5-mesh", _mesh, needles=("step, ",), framework="t5-mesh", columns=EVERY_LINE)
