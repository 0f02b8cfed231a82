"""torchtitan.

    step: 14  loss:  3.24405  grad_norm:  0.8319  memory:  9.46GiB(64.99%)  tps: 7,282  mfu: 0.17%
    validate step: 20  loss:  7.2160  memory:  1.41GiB(1.79%)  tps: 193,831

Fields differ between its versions (`wps` for `tps`, no `grad_norm`, `mfu: N/A`).
Source: pytorch/torchtitan torchtitan/components/metrics.py `MetricsProcessor.log`.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(r"(validate )?step:\s{1,8}(\d{1,15})\s{2,8}(?=[a-z_]{1,40}:)")
_PAIR = re.compile(r"(?<![\w@/.-])([A-Za-z_][\w/.() -]{0,60}?):\s{1,12}(\S{1,40})(?=\s{2}|\s*\Z)")


def _parse(entry: Entry, state: State) -> Parsed:
    match = _LINE.match(entry.text)
    if match is None or not entry.complete:
        return None
    prefix = "validate/" if match[1] else ""
    metrics = Values(((m[1], m[2]) for m in _PAIR.finditer(entry.text, match.end())), prefix)
    if not metrics.values:
        return None
    return (Record(metrics.values, int(match[2]), evaluation=bool(match[1]), units=metrics.units),)


TORCHTITAN = LogFormat("torchtitan", _parse, needles=("step:",), framework="torchtitan", columns=EVERY_LINE)
