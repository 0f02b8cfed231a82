"""Kaldi's neural networks.

    Average objective function for 'output' for minibatches 40-49 is -35.0044 over 19538 frames.
    Overall average objective function for 'output' is -0.1234 over 1234567 frames.
    Process 100/3161(3.163556%) global average objf: -0.687263 over 573696.0 frames, current batch average
    objf: -0.457086 over 6400 frames, epoch 0                           (one line)          pybind, snowfall

An nnet3 job prints the minibatch; the iteration is only in the name of its log. Lines may be wrapped (by mail
programs), so a sentence may continue in the lines below.
Source: kaldi-asr/kaldi src/nnet3/nnet-training.cc, and egs/aishell of its pybind11 branch; k2-fsa/snowfall.
"""

from __future__ import annotations

import re

from lensd_log.line.numbers import NUMBER, to_float
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_SENTENCE = re.compile(
    rf"((?:Average|Overall average) objective function for '[^']{{1,60}}')"
    rf"(?: for minibatches (\d{{1,12}})-(\d{{1,12}}))? is ({NUMBER}) over {NUMBER}"
)
_BEGUN = re.compile(r"(?:\bnnet-training\.cc:\d{1,5}\) |\A)(?:Average|Overall average)(?: objective|\Z)")
_PROCESS = re.compile(
    rf"Process (\d{{1,12}})/(\d{{1,12}})\([^)]{{1,16}}%\) (global average objf): ({NUMBER}) over {NUMBER}"
    rf" frames, (current batch average objf): ({NUMBER}) over {NUMBER} frames, epoch (\d{{1,9}})"
)
_LINES = 3


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    match = _PROCESS.search(text)
    if match:
        values = [(match[3], to_float(match[4])), (match[5], to_float(match[6]))]
        return (Record(values, int(match[7]) * int(match[2]) + int(match[1])),)
    begun = _BEGUN.search(text)
    if begun:
        state["begun"], state["lines"] = text, 0
    elif "begun" in state:
        state["begun"] += " " + text[:400]
        state["lines"] += 1
    else:
        return None
    sentence = _SENTENCE.search(state["begun"])
    if sentence is None:
        if state["lines"] >= _LINES:
            state.clear()
            return None
        return ()
    state.clear()
    step = int(sentence[3]) if sentence[3] else None
    return (Record([(sentence[1], to_float(sentence[4]))], step, evaluation=step is None),)


KALDI = LogFormat(
    "kaldi",
    _parse,
    needles=("verage", "objective", "minibatches", "frames", "nnet-training.cc"),
    framework="kaldi",
)
