"""Tables in columns: TSV, and columns separated by blanks (fastai, skorch, spaCy, home-made ones).

    epoch     train_loss  valid_loss  accuracy  time
    0         0.693147    0.612345    0.712345  00:10

    E    #       LOSS TOK2VEC  LOSS NER  ENTS_F  SCORE
    ---  ------  ------------  --------  ------  ------
      0     200        123.45   2012.29   60.12    0.60

A header begins with the name of an epoch or a step, and at least one of its names sounds like a metric. The
step is the step column (spaCy: `#`), else the epoch column. A line with another number of cells ends the
table. Rounds may be those of a championship: they have to count.

Source: fastai/fastai Recorder; skorch-dev/skorch PrintLog; explosion/spaCy console_logger.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.formats.proof import proved, rested
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State
from lensd_log.names import COUNTERS, STEP_KEYS, sounds_like_metric

_BETWEEN = re.compile(r"\t| {2,200}")
_FIRST = frozenset(("epoch", "e", "step", "steps", "iter", "iteration", "round", "update", "global_step"))
_NAME = re.compile(r"[A-Za-z#_][\w #./()@%-]{0,60}\Z")
_RULE = re.compile(r"[-= ]{8,2000}\Z")
_WIDEST = 200
_STEP = re.compile(r"\d{1,15}\Z")


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    if text[:1].isalpha():
        header = _header(text)
        if header:
            state.clear()
            state["names"] = header
            return ()
        state.clear()
        return None
    names = state.get("names")
    if not names or not entry.complete:
        return None
    if _RULE.match(text):
        return ()
    cells = [cell.strip() for cell in _BETWEEN.split(text.strip())]
    if len(cells) != len(names):
        state.clear()
        return None
    row = dict(zip(names, cells, strict=True))
    placed = next((row[name] for name in names if name.lower() in STEP_KEYS or name == "#"), cells[0])
    if not _STEP.match(placed):
        return None
    metrics = Values((name, cell) for name, cell in row.items() if name != "#" and name.lower() not in _FIRST)
    if not metrics.values:
        return None
    record = Record(metrics.values, int(placed), units=metrics.units)
    return proved(record, tuple(names), state) if names[0].lower() == "round" else (record,)


def _header(text: str) -> list[str] | None:
    names = [name.strip() for name in _BETWEEN.split(text.strip())]
    if not 3 <= len(names) <= _WIDEST or len(set(names)) != len(names) or names[0].lower() not in _FIRST:
        return None
    metric_names = [name for name in names if name.lower() not in COUNTERS]
    return names if all(map(_NAME.match, names)) and any(map(sounds_like_metric, metric_names)) else None


TABLES = LogFormat("table", _parse, rest=rested, columns=re.compile(r"\s*\d"))
