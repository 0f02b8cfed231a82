"""Structured lines after a magic word: MLPerf's mllog and NVIDIA's DLLogger.

    :::MLLOG {"time_ms": 1695795064679, "event_type": "POINT_IN_TIME", "key": "eval_accuracy", "value": 0.49,
              "metadata": {"lineno": 1866, "epoch_num": 449861}}
    :::MLPv0.5.0 resnet 1541670178.906 (main.py:210) eval_accuracy: {"epoch": 4, "value": 0.61}
    DLLL {"timestamp": "1541670178.906", "type": "LOG", "step": [0, 20], "data": {"loss": 5.1}}

Most rows of mllog are configuration. Metrics are points in time that have a step (`step_num`,
`samples_count`, `epoch_num`, `step`), and everything in `tracked_stats`.
Source: mlcommons/logging mlperf_logging/mllog; mlcommons/training_results_v0.5; NVIDIA/dllogger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lensd_log.formats.json_text import decode
from lensd_log.line.numbers import json_number, json_step
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_OLD = re.compile(r":::MLPv[\d.]{1,8} \S{1,60} (\d{9,11}\.\d{1,9}) \(\S{1,300}\) (\w{1,80}): ?(.{0,2000})\Z")
_STEPS = ("step_num", "samples_count", "epoch_num", "epoch", "step")
_INNER = ("value", "accuracy", "result")


def _mllog(entry: Entry, state: State) -> Parsed:
    text = entry.text
    if not entry.complete:
        return None
    old = _OLD.search(text)
    if old:
        fields = decode(old[3])
        if not isinstance(fields, dict):
            return ()
        return _points(old[2], fields, fields, round(float(old[1]) * 1000, 3))
    at = text.find(":::MLLOG ")
    if at < 0:
        return None
    row = decode(text[at + 9 :].strip())
    if not isinstance(row, dict) or row.get("event_type") != "POINT_IN_TIME":
        return ()
    metadata, key = row.get("metadata"), row.get("key")
    if not isinstance(metadata, dict) or not isinstance(key, str):
        return ()
    return _points(key, row.get("value"), metadata, json_number(row.get("time_ms")))


def _points(key: str, value: object, metadata: Mapping[str, object], ts_ms: float | None) -> Parsed:
    values: list[tuple[str, float]] = []
    if isinstance(value, dict):
        pairs = [(key if name in _INNER else name, number) for name, number in value.items()]
        values = [(name, number) for name, item in pairs if (number := json_number(item)) is not None]
        if key != "tracked_stats":
            values = [pair for pair in values if pair[0] == key]
    elif (number := json_number(value)) is not None:
        values = [(key, number)]
    step = _step(metadata)
    if step is None and isinstance(value, dict):
        step = _step(value)
        if step is not None and key == "tracked_stats":
            step += 1  # the summary of all comes behind the last of its parts, at the same count
    if not values or (step is None and key != "tracked_stats"):
        return ()
    return (Record(values, step, ts_ms=ts_ms),)


def _step(fields: Mapping[str, object]) -> int | None:
    for name in _STEPS:
        if name in fields and not isinstance(fields[name], (bool, str)):
            step = json_step(fields[name])
            if step is not None:
                return step
    return None


def _dllogger(entry: Entry, state: State) -> Parsed:
    at = entry.text.find("DLLL {")
    if at < 0 or not entry.complete:
        return None
    row = decode(entry.text[at + 5 :])
    if not isinstance(row, dict) or row.get("type") != "LOG" or not isinstance(row.get("data"), dict):
        return ()
    values = [
        (name, number) for name, item in row["data"].items() if (number := json_number(item)) is not None
    ]
    step = row.get("step")
    place = (
        next((json_step(item) for item in reversed(step)), None)
        if isinstance(step, list)
        else json_step(step)
    )
    try:
        ts_ms = round(float(row.get("timestamp", "")) * 1000, 3)
    except (ValueError, TypeError):
        ts_ms = None
    # The summary at the end has an empty step.
    return (Record(values, place, evaluation=place is None, ts_ms=ts_ms),) if values else ()


MLPERF = LogFormat("mlperf-mllog", _mllog, needles=(":::MLLOG ", ":::MLPv"), framework="mlperf")
DLLOGGER = LogFormat("dllogger", _dllogger, needles=("DLLL {",))
