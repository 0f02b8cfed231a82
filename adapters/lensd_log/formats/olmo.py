"""AI2's OLMo trainer: a header with the step, `name=value` lines below it.

    [step=1/739328,epoch=0]
        train/CrossEntropyLoss=12.18
        System/Peak GPU Memory (MB)=31,166

Source: allenai/OLMo olmo/train.py `log_metrics_to_console`.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_HEADER = re.compile(r"\[(eval_)?step=(\d{1,15})/(\d{1,15})(?:,epoch=\d{1,9}(?:/\d{1,9})?)?[^\]]{0,40}\]\Z")
_PAIR = re.compile(r"([A-Za-z][\w./() @-]{0,120})=(\S{1,40})\Z")
_LINES = 400  # no block is longer


def _parse(entry: Entry, state: State) -> Parsed:
    header = _HEADER.search(entry.text)
    if header:
        state["evaluation"] = bool(header[1])
        if not header[1]:
            state["step"], state["total"] = int(header[2]), int(header[3])
        state["left"] = _LINES
        return ()
    if not state.get("left"):
        return None
    match = _PAIR.match(entry.text)
    if match is None:
        state["left"] = 0
        return None
    if not entry.complete:
        return ()
    state["left"] -= 1
    metrics = Values(((match[1], match[2]),))
    if not metrics.values:
        return ()
    if state["evaluation"]:
        return (Record(metrics.values, None, evaluation=True, units=metrics.units),)
    return (Record(metrics.values, state["step"], target=state["total"], units=metrics.units),)


OLMO = LogFormat("olmo", _parse, needles=("step=", "="), framework="olmo")
