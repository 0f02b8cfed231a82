"""PaddlePaddle's toolkits.

    [Train][Epoch 1/20][Iter: 0/47]lr(PiecewiseDecay): 0.01, top1: 0.1, ips: 13.9 images/sec
    [Eval][Epoch 1][Avg]CELoss: 0.15216, loss: 0.15216, top1: 0.95730                      PaddleClas
    Epoch: [0] [  0/3696] learning_rate: 0.0 loss: 3.1 eta: 1 day, 2:03:04 ips: 3.4 images/s PaddleDetection
    epoch: [1/500], global_step: 10, lr: 0.001, loss: 3.2, avg_batch_cost: 0.2 s           PaddleOCR
    cur metric, acc: 0.71, norm_edit_dis: 0.84, fps: 412.3
    [TRAIN] epoch: 1, iter: 10/1000, loss: 0.5, lr: 0.01, ips: 30.0 samples/sec | ETA 00:01:00   PaddleSeg
    [EVAL] #Images: 500 mIoU: 0.5123 Acc: 0.9 Kappa: 0.8

PaddleClas counts epochs from 1 (`(epoch - 1) * N + i`), PaddleDetection from 0. In a training log,
the running rows of an evaluation are ignored and its averages are `Eval/loss`.
Source: PaddlePaddle/PaddleClas ppcls/engine, PaddleDetection ppdet/engine/callbacks.py, PaddleOCR
tools/program.py, PaddleSeg paddleseg/core.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, qualify_evaluation
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_CLAS = re.compile(
    r"\[(Train|Eval)\]\[Epoch (\d{1,9})(?:/\d{1,9})?\]\[(?:Iter: ?(\d{1,12})/(\d{1,12})|Avg)\]:? ?"
)
_DETECTION = re.compile(r"Epoch: \[(\d{1,9})\] \[\s{0,12}(\d{1,12})/(\d{1,12})\] (?=[a-z])")
_OCR = re.compile(r"epoch: \[\d{1,9}/\d{1,9}\], (?:global_step|iter): (\d{1,15}), ")
_SEG = re.compile(r"(?:\[TRAIN\] )?epoch: ?\d{1,9}, iter: ?(\d{1,15})/(\d{1,15}), ")
# After a level, a tag in brackets has been stripped as a logger's name.
_SCORE = re.compile(r"cur metric, |(?:\[EVAL\] )?(?=#Images: )")
_PAIR = re.compile(
    r"(?<![\w@/.-])#?([A-Za-z_][\w./-]{0,60}(?:\([\w ]{1,40}\))?): ?"
    r"(\S{1,40}?(?: (?:images|samples)/s(?:ec)?)?)(?=[\s,|]|\Z)"
)


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    for reader in (_clas, _plain):
        parsed = reader(text, state)
        if parsed is not None:
            return parsed
    score = _SCORE.match(text)
    if score is None:
        return () if text.startswith("best metric, ") else None
    metrics = _values(text, score.end())
    qualify_evaluation(metrics, state, "Eval/")
    return (Record(metrics.values, None, evaluation=True, units=metrics.units),) if metrics.values else None


def _values(text: str, begin: int) -> Values:
    return Values((m[1], m[2]) for m in _PAIR.finditer(text, begin))


def _clas(text: str, state: State) -> Parsed:
    match = _CLAS.match(text)
    if match is None:
        return None
    metrics = _values(text, match.end())
    training = match[1] == "Train"
    if match[3] is None:
        metrics = Values((), "")
        metrics = Values(((m[1], m[2]) for m in _PAIR.finditer(text, match.end())), f"{match[1]}/")
        return (Record(metrics.values, None, evaluation=True, units=metrics.units),) if metrics.values else ()
    if not training and state.get("trained"):
        return ()
    if training:
        qualify_evaluation(metrics, state, "", trains=True)
    # A stand-alone evaluation counts its epoch from 0.
    epoch = int(match[2]) - 1 if training else int(match[2])
    step = epoch * int(match[4]) + int(match[3])
    return (Record(metrics.values, step, units=metrics.units),) if metrics.values else ()


def _plain(text: str, state: State) -> Parsed:
    target = None
    if match := _DETECTION.match(text):
        step = int(match[1]) * int(match[3]) + int(match[2])
    elif match := _SEG.match(text):
        step, target = int(match[1]), int(match[2])
    elif match := _OCR.match(text):
        step = int(match[1])
    else:
        return None
    metrics = _values(text, match.end())
    qualify_evaluation(metrics, state, "", trains=True)
    return (Record(metrics.values, step, target=target, units=metrics.units),) if metrics.values else ()


PADDLE = LogFormat(
    "paddle",
    _parse,
    needles=("][Epoch ", "Epoch: [] [", "epoch: [/], ", "[TRAIN] ", "[EVAL] ", " metric, "),
    framework="paddle",
)
