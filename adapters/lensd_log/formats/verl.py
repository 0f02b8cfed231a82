"""verl.

    step:34 - global_seqlen/min:419336 - actor/pg_loss:0.0424 - val-core/acc/mean@1:0.508

Source: volcengine/verl verl/utils/logger/aggregate_logger.py `concat_dict_to_str`.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(r"step:(\d{1,15}) - (?=[\w@./-]{1,120}:)")


def _parse(entry: Entry, state: State) -> Parsed:
    match = _LINE.match(entry.text)
    if match is None or not entry.complete:
        return None
    pairs = (part.rpartition(":") for part in entry.text[match.end() :].split(" - "))
    metrics = Values((name, printed) for name, _, printed in pairs)
    return (Record(metrics.values, int(match[1])),) if metrics.values else None


VERL = LogFormat("verl", _parse, needles=("step: - ",), framework="verl", columns=EVERY_LINE)
