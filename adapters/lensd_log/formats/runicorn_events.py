"""Runicorn's `events.jsonl`: `{"ts": 1704067200.5, "type": "metrics", "data": {"global_step": 1, "loss":
2.3, "stage": "train"}}`.

Seen with Runicorn SDK 0.5.3 and 0.7.2. The step is `data.global_step`, or `data.step` where that is missing
or null, as an integer. A record without a step holds no point and is counted as unparsed. The time is `ts`,
else `data.time`, absolute or in seconds since the start. NaN and Infinity are values; booleans, null,
strings, lists and objects are not. `image` records are not metrics.
"""

from __future__ import annotations

from lensd_log.formats.json_text import decode
from lensd_log.line.numbers import json_number, json_step
from lensd_log.line.record import UNREADABLE, Entry, LogFormat, Parsed, Record, State

_NOT_METRICS = frozenset({"global_step", "step", "epoch", "time", "stage"})
#: Seconds; a smaller `time` is relative to the start of the run.
_ABSOLUTE = 1e8


def _parse(entry: Entry, state: State) -> Parsed:
    row = decode(entry.text)
    if not isinstance(row, dict) or not isinstance(row.get("type"), str):
        return None
    data = row.get("data")
    if "ts" not in row and not isinstance(data, dict):
        return None
    if row["type"] != "metrics":
        return ()
    if not isinstance(data, dict):
        return UNREADABLE
    ts_ms = _time(row.get("ts"), data.get("time"))
    if ts_ms is None:
        ts_ms = state.get("ts_ms")
    else:
        state["ts_ms"] = ts_ms
    key = data.get("global_step")
    step = json_step(data.get("step") if key is None else key)
    if step is None:
        return UNREADABLE
    values = []
    for name, printed in data.items():
        if name not in _NOT_METRICS and (value := json_number(printed)) is not None:
            values.append((name, value))
    stage = data.get("stage")
    labels = (("stage", str(stage)),) if isinstance(stage, (str, int, float)) else ()
    elapsed_s = _elapsed(data.get("time")) if ts_ms is None else None
    record = Record(values, step, ts_ms=ts_ms, labels=labels, elapsed_s=elapsed_s)
    return (record,) if values or labels else ()


def _elapsed(time: object) -> float | None:
    seconds = json_number(time)
    return seconds if seconds is not None and 0 <= seconds <= _ABSOLUTE else None


def _time(ts: object, time: object) -> float | None:
    for seconds in (ts, time):
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            continue
        if _ABSOLUTE < seconds < 1e11:
            return round(seconds * 1000, 3)
    return None


RUNICORN = LogFormat("runicorn", _parse, needles=('"data"',))
