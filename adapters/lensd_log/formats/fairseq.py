"""fairseq, in its `simple` and its `json` log format.

    | epoch 001:    450 / 1891 loss=11.521, ppl=1886.05, num_updates=445, lr=8.9e-05, clip=0%, wall=882
    | epoch 001 | loss 7.157 | nll_loss 0.000 | num_updates 1134 | lr 0.00185
    | epoch 001 | valid on 'valid' subset | loss 8.114 | ppl 118.06 | num_updates 600
    {"epoch": 1, "update": 0.001, "loss": "25.22", "ppl": "3.9e+07", "num_updates": "3", "lr": "6e-05"}

The step is `num_updates`, not the batch. Validation metrics whose names do not begin with `valid` become
`valid/loss`. In JSON, numbers are strings and `update` is a fractional epoch.
Source: facebookresearch/fairseq fairseq/logging/progress_bar.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lensd_log.formats.epochs import step_in_run
from lensd_log.formats.json_text import decode
from lensd_log.formats.pairs import Values, split_pairs
from lensd_log.line.numbers import json_step
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_PROGRESS = re.compile(r"epoch (\d{3,9}):\s{1,12}(\d{1,12}) / (\d{1,12}) (?=[\w.]{1,60}=)")
_SUMMARY = re.compile(r"epoch (\d{3,9}) \| (?=[\w.]{1,60} |valid on )")
#: Other programs print `epoch 100 | loss 0.5` too.
_OWN = ("num_updates", "valid on", "nll_loss", "ppl", "wps", "gnorm")
_STEPS = ("num_updates", "train_num_updates", "valid_num_updates")
_COUNTERS = frozenset(
    ("epoch", "update", "train_epoch", "train_update", "valid_epoch", "valid_update", *_STEPS)
)


def _simple(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    match = _PROGRESS.search(text)
    if match:
        pairs = list(split_pairs(text[match.end() :], ", ", "="))
        step = _printed_step(pairs)
        if step is None:
            step = step_in_run(int(match[2]), int(match[3]), int(match[1]), state, each_epoch=True)
        return _record(pairs, step)
    match = _SUMMARY.search(text)
    if match is None or not any(name in text for name in _OWN):
        return None
    parts = text[match.end() :].split(" | ")
    valid = parts[0].startswith("valid on ")
    pairs = [
        (name, printed) for name, blank, printed in (part.strip().partition(" ") for part in parts) if blank
    ]
    step = _printed_step(pairs)
    # Versions of 2018 print no num_updates: the row belongs to the step before it.
    return _record(pairs, step, valid=valid, evaluation=valid or step is None)


def _json(entry: Entry, state: State) -> Parsed:
    at = entry.text.find('{"epoch": ')
    if at < 0 or not entry.complete:
        return None
    row = decode(entry.text[at:])
    if not isinstance(row, dict) or not any(name in row for name in _STEPS):
        return None
    pairs = [(name, str(value)) for name, value in row.items() if isinstance(value, (str, int, float))]
    return _record(pairs, _printed_step(pairs))


def _printed_step(pairs: Iterable[tuple[str, str]]) -> int | None:
    fields = dict(pairs)
    return next((json_step(fields[name]) for name in _STEPS if name in fields), None)


def _record(
    pairs: Iterable[tuple[str, str]], step: int | None, *, valid: bool = False, evaluation: bool = False
) -> Parsed:
    metrics = Values()
    for name, printed in pairs:
        if name not in _COUNTERS and name != "valid":
            metrics.add(name, printed, "valid/" if valid and not name.startswith("valid") else "")
    if not metrics.values:
        return None
    return (Record(metrics.values, step, evaluation=evaluation, units=metrics.units),)


FAIRSEQ = LogFormat("fairseq", _simple, needles=("epoch : ", "epoch  | "), framework="fairseq")
FAIRSEQ_JSON = LogFormat("fairseq-json", _json, needles=('{"epoch": ',), framework="fairseq")
