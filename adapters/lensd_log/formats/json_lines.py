"""JSON lines: one object per record, as in LLaMA-Factory's `trainer_log.jsonl`, detectron2's `metrics.json`,
DETR's `log.txt`.

    {"current_steps": 10, "total_steps": 3280, "loss": 0.8547, "lr": 5e-05, "epoch": 0.03, "percentage": 0.3}

The step is the first of the usual keys (`global_step`, `step`, `iteration`, ...), else the epoch. Counters
are not metrics. Numbers nested under `metrics`, `data`, `values`, `scalars` and `logs` are read too, and
numbers in strings. A record without any counter is read only if one of its names is one that only training
uses; its step is its ordinal. `proof` keeps examples of data sets out.
"""

from __future__ import annotations

import math
import re

from lensd_log.formats.json_text import decode_row
from lensd_log.formats.origins import origin
from lensd_log.formats.proof import is_example, is_sure, proved, rested, speaks_alone
from lensd_log.line.numbers import json_number, json_step, number
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State
from lensd_log.line.timestamps import parse_iso
from lensd_log.names import (
    COUNTERS,
    EPOCH_KEYS,
    STEP_KEYS,
    TIME_KEYS,
    TOTAL_KEYS,
)
from lensd_log.structure.words import IDENTIFIERS, PHASES, phase_of

#: Fields that may name the phase of a row.
_PHASE_KEYS = ("phase", "split", "mode", "stage", "subset", "set", "event", "type", "kind")
_MOST_NAMES = 512


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.text.endswith("}"):
        return None
    row = decode_row(entry.text)
    if row is None:
        return None
    if is_example(row):
        return ()
    step, _ = _first(row, STEP_KEYS)
    epoch, printed_epoch = _first(row, EPOCH_KEYS)
    evaluation = False
    if step is None:
        # An epoch's row among rows that count steps belongs to the last step before it.
        evaluation = "stepped" in state
        step = None if evaluation else epoch
        epoch_of = None
    else:
        state["stepped"] = True
        epoch_of = None if "global_step" in row else printed_epoch
    ts_ms, printed_time, time_key = _time(row)
    values = []
    for name, printed in row.items():
        if name in COUNTERS or name == time_key:
            continue
        value = json_number(printed)
        if isinstance(printed, str) and not _identifies(name):
            value = number(printed)
        if value is not None:
            values.append((name, value))
    if not values:
        return None
    if step is None and epoch is None and not speaks_alone(row, [name for name, _ in values]):
        return None
    values = _qualified(values, row, state)
    total, _ = _first(row, TOTAL_KEYS)
    elapsed_s = _elapsed(row.get("elapsed_time"))
    record = Record(
        values,
        step,
        evaluation,
        ts_ms=ts_ms,
        printed_time=printed_time,
        elapsed_s=elapsed_s,
        target=total,
        framework=origin(row),
        epoch=epoch_of,
    )
    names = tuple(row)
    return (record,) if step is None or is_sure(names) else proved(record, names, state)


def _qualified(
    values: list[tuple[str, float]], row: dict[str, object], state: State
) -> list[tuple[str, float]]:
    """The values of a row that names its phase (`"split": "val"`): a name that rows of training print too is
    kept apart as `val/loss`. State `trained`: their names."""
    word = next((word for key in _PHASE_KEYS if isinstance(word := row.get(key), str) and phase_of(word)), "")
    phase = phase_of(word) if word else None
    if phase in ("val", "test"):
        prefix = word if word.lower() in PHASES else phase
        return [(f"{prefix}/{name}" if name in state.get("trained", ()) else name, v) for name, v in values]
    if word:
        trained = state.setdefault("trained", [])
        for name, _ in values:
            if name not in trained and len(trained) < _MOST_NAMES:
                trained.append(name)
    return values


def _identifies(name: str) -> bool:
    """Does the name say that a number in a string is none (`"job_id": "123"`, `"date": "20240101"`)?"""
    last = name.lower().rpartition("_")[2]
    return name in TIME_KEYS or name.lower() in IDENTIFIERS or last in ("id", "date", "version")


def _first(row: dict[str, object], keys: tuple[str, ...]) -> tuple[int | None, float | None]:
    """The first counter under these keys, and as it is printed."""
    for key in keys:
        if key in row and not isinstance(row[key], bool) and (step := json_step(row[key])) is not None:
            return step, float(step) if isinstance(row[key], str) else json_number(row[key])
    return None, None


def _time(row: dict[str, object]) -> tuple[float | None, str | None, str]:
    """The record's time, as UTC ms or a string, and its key. A relative time is a metric like any other."""
    for key in TIME_KEYS:
        value = row.get(key)
        if isinstance(value, str):
            if parse_iso(value, None) is not None:
                return None, value, key
        elif (ticks := json_number(value)) is not None and math.isfinite(ticks):
            for scale, low in ((1e-6, 1e17), (1e-3, 1e14), (1.0, 1e11), (1000.0, 1e8)):
                if ticks > low:
                    return round(ticks * scale, 3), None, key
    return None, None, ""


def _elapsed(value: object) -> float | None:
    """Seconds of `H:MM:SS` or `1 day, H:MM:SS`."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    days, _, clock = value.rpartition(", ")
    parts = clock.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return None
    day = days.split(" ")[0] if days else "0"
    if not day.isdecimal():
        return None
    return int(day) * 86_400.0 + int(parts[0]) * 3600 + int(parts[1]) * 60 + int(parts[2])


JSON_LINES = LogFormat("json-lines", _parse, needles=("{",), rest=rested, columns=re.compile(r"\{"))
