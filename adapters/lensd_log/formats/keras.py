"""Keras `fit`: progress bars of Keras 1 to 3, and `verbose=2`.

    Epoch 1/20
    25000/25000 [==============================] - 3s - loss: 0.4594 - acc: 0.8188 - val_loss: 0.3429
    50/50 ━━━━━━━━━━━━━━━━━━━━ 0s 2ms/step - accuracy: 0.8938 - loss: 0.3363
    74s - loss: 0.4465 - acc: 0.7810

The step is the epoch as printed. During an epoch the values are running means, so only the last state is
read: the bar at n/n, or the line without a bar. A later bar of another length is `evaluate()`, not training.
Source: keras-team/keras keras/src/utils/progbar.py; keras 2 `generic_utils.Progbar`.
"""

from __future__ import annotations

import re

from lensd_log.line.numbers import NUMBER, to_float
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_EPOCH = re.compile(r"Epoch (\d{1,9})(?:/(\d{1,9}))?\s*\Z")
_BAR = re.compile(r"\s{0,12}(\d{1,12})/(\d{1,12}|Unknown) (?:\[[=>.]{3,200}\]|━[━\s]{2,80}| ?- (?=\d{1,6}s))")
_PLAIN = re.compile(r"\s{0,4}\d{1,9}s(?: \d{1,9}[mu]?s/(?:step|sample|epoch))? - (?=[A-Za-z_])")
_TOOK = re.compile(r"(?:^|[\s-])(\d{1,9})s(?=[\s-])")
_PAIR = re.compile(rf"\s*([A-Za-z_][\w./@ -]{{0,99}}?): ({NUMBER})\s*\Z")


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    header = _EPOCH.match(text)
    if header:
        state.clear()
        state["epoch"] = int(header[1])
        state["epochs"] = int(header[2]) if header[2] else None
        return ()
    bar = _BAR.match(text)
    plain = None if bar else _PLAIN.match(text)
    match = bar or plain
    if match is None or (plain and "epoch" not in state):
        return None
    if not entry.complete:
        return ()
    if bar:
        if bar[1] != bar[2] or state.get("length", bar[2]) != bar[2]:
            return ()
        state["length"] = bar[2]
    printed: dict[str, float] = state.setdefault("given", {})
    values = []
    for part in text[match.end() :].split(" - "):
        pair = _PAIR.match(part)
        if pair is None or pair[1] == "ETA":
            continue
        value = to_float(pair[2])
        if printed.get(pair[1]) != value:
            printed[pair[1]] = value
            values.append((pair[1], value))
    if not values:
        return ()
    took = _TOOK.search(text[: match.end() + 24])
    return (
        Record(
            values,
            state.get("epoch", 1),  # one epoch alone has no header
            step_ms=int(took[1]) * 1000.0 if took else None,
            target=state.get("epochs"),
        ),
    )


KERAS = LogFormat("keras", _parse, needles=("Epoch ", " - "), framework="keras")
