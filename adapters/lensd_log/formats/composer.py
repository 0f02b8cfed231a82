"""MosaicML Composer and llm-foundry: a header with the batch, then one metric a line.

    [epoch=1][batch=1/100]:
             Train loss/train/total: 10.9736
    [Eval batch=5/9] Eval on eval data:
             Eval metrics/eval/LanguagePerplexity: 812.2

Source: mosaicml/composer composer/loggers/console_logger.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.epochs import step_in_run
from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_HEADER = re.compile(r"(?:\[epoch=(\d{1,9})(?:/\d{1,9})?\])?\[(Eval )?batch=(\d{1,15})(?:/(\d{1,15}))?\]")
_PAIR = re.compile(r"((?:Train|Eval) \S[^:]{0,120}): (\S{1,40})\Z")


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    header = _HEADER.match(text)
    if header:
        state["open"] = "eval" if header[2] else "train"
        if not header[2]:
            batch, length = int(header[3]), int(header[4]) if header[4] else None
            epoch = int(header[1]) if header[1] else None
            state["step"] = (
                batch if epoch is None else step_in_run(batch, length, epoch, state, each_epoch=True)
            )
            state["total"] = length if epoch is None else None
        return ()
    if "open" not in state:
        return None
    match = _PAIR.match(text)
    if match is None or not entry.complete:
        return None
    metrics = Values(((match[1], match[2]),))
    if not metrics.values:
        return ()
    evaluation = match[1].startswith("Eval ")
    target = None if evaluation else state.get("total")
    return (Record(metrics.values, state.get("step"), evaluation, target=target, units=metrics.units),)


COMPOSER = LogFormat("composer", _parse, needles=("batch=", "Train ", "Eval "), framework="composer")
