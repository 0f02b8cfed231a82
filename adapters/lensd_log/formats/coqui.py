"""Coqui's trainer (TTS, STT): a header with the step, a line for each number.

       --> STEP: 24/639 -- GLOBAL_STEP: 25
         | > loss: 1.2345  (1.3012)
         | > current_lr: 0.0001

Of `current (average)` the current value counts. Source: coqui-ai/Trainer trainer/logging/console_logger.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_HEADER = re.compile(r"--> STEP: \d{1,12}(?:/\d{1,12})? -- GLOBAL_STEP: (\d{1,15})\Z")
# Behind a logging prefix `| >` is taken for a part of that.
_LINE = re.compile(r"(?:\| > )?([\w./-]{1,80}): {0,4}(\S{1,40})(?: {1,8}\(\S{1,40}\))?\Z")
_LINES = 100  # below a header


def _parse(entry: Entry, state: State) -> Parsed:
    header = _HEADER.match(entry.text)
    if header:
        state["step"], state["left"] = int(header[1]), _LINES
        return ()
    found = _LINE.match(entry.text) if state.get("left") and entry.complete else None
    if found is None:
        return None
    state["left"] -= 1
    read = Values(((found[1], found[2]),))
    return (Record(read.values, state["step"]),) if read.values else ()


COQUI = LogFormat("coqui", _parse, needles=("GLOBAL_STEP: ", ": "), framework="coqui")
