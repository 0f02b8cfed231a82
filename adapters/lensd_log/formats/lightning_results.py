"""The table of results that Lightning prints after `test` and `validate`.

    ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
    ┃        Test metric        ┃       DataLoader 0        ┃
    ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
    │         test_acc          │    0.9811000227928162     │
    └───────────────────────────┴───────────────────────────┘

The old form is a dict below `DATALOADER:0 TEST RESULTS`. Results belong to the last training step. Those of
a second loader are `test_acc/dataloader_idx_1`, as Lightning logs them.
Source: Lightning-AI/pytorch-lightning src/lightning/pytorch/loops/evaluation_loop.py `_print_results`.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_HEADER = re.compile(
    r"[┃|]?\s{0,40}(?:Test|Validate|Validation|Runningstage\.\w{1,20}) metric\s{1,80}[┃|]?\s{0,40}"
    r"DataLoader \d{1,4}(?=[\s┃|]|\Z)"
)
_LOADER = re.compile(r"DataLoader (\d{1,4})")
_RULE = re.compile(r"[─━┡╇┩└┴┘┏┳┓-]{8,400}\Z")
_OLD = re.compile(r"DATALOADER:\d{1,4} (?:TEST|VALIDATE) RESULTS\Z")
_ROWS = 1000
_PAIR = re.compile(r"'([^'\n]{1,100})': ([^,{}'\s]{1,60})")


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    if _HEADER.match(text):
        state["loaders"] = [int(number) for number in _LOADER.findall(text)][:16]
        return ()
    if _OLD.match(text):
        state["dict"] = True
        return ()
    if state.pop("dict", None) and text.startswith("{'"):
        return _record(Values((m[1], m[2]) for m in _PAIR.finditer(text)))
    if "loaders" not in state:
        return None
    if _RULE.match(text):
        rows = state.get("rows")
        if not rows or "└" not in text:
            return ()
        state.clear()
        return (Record([(name, value) for name, value in rows], None, evaluation=True),)
    cells = [cell.strip() for cell in text.strip("│| ").split("│" if "│" in text else "   ") if cell.strip()]
    if len(cells) < 2 or len(cells) > len(state["loaders"]) + 1:
        state.clear()
        return None
    metrics = Values()
    for loader, printed in zip(state["loaders"], cells[1:], strict=False):
        metrics.add(cells[0] if loader == 0 else f"{cells[0]}/dataloader_idx_{loader}", printed)
    rows = state.setdefault("rows", [])
    rows += [list(pair) for pair in metrics.values][: _ROWS - len(rows)]
    return ()


def _record(metrics: Values) -> Parsed:
    return (Record(metrics.values, None, evaluation=True),) if metrics.values else ()


LIGHTNING_RESULTS = LogFormat(
    "lightning-results",
    _parse,
    needles=(" metric ", "│", "──", "━━", "DATALOADER:", "{'"),
    framework="lightning",
)
