"""Coqui's trainer (TTS, STT): a header with the step, then one metric a line.

       --> STEP: 24/639 -- GLOBAL_STEP: 25
         | > loss: 1.2345  (1.3012)
         | > current_lr: 0.0001

Of `current (average)`, the current value is read. Source: coqui-ai/Trainer trainer/logging/console_logger.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_HEADER = re.compile(r"--> STEP: \d{1,12}(?:/\d{1,12})? -- GLOBAL_STEP: (\d{1,15})\Z")
# After a logging prefix, `| >` has been stripped with the prefix.
_LINE = re.compile(r"(?:\| > )?([\w./-]{1,80}): {0,4}(\S{1,40})(?: {1,8}\(\S{1,40}\))?\Z")
_LINES = 100  # below a header


def _parse(entry: Entry, state: State) -> Parsed:
    header = _HEADER.match(entry.text)
    if header:
        state["step"], state["left"] = int(header[1]), _LINES
        return ()
    match = _LINE.match(entry.text) if state.get("left") and entry.complete else None
    if match is None:
        return None
    state["left"] -= 1
    metrics = Values(((match[1], match[2]),))
    return (Record(metrics.values, state["step"]),) if metrics.values else ()


COQUI = LogFormat("coqui", _parse, needles=("GLOBAL_STEP: ", ": "), framework="coqui")
