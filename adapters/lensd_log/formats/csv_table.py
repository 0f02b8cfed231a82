"""CSV with a header that names a step or an epoch: Lightning's and Keras' `CSVLogger`, ultralytics'
`results.csv`.

    epoch,step,train_loss,val_loss
    0,9,16.27411651611328,

Cells may be empty (nothing was logged), padded or quoted. Semicolons and tabs set them apart as well; between
semicolons a number may have a decimal comma. The header may be repeated (appended runs). The step is the step
column, else the epoch column; `epoch` beside a step is a counter. A `time` column in Unix seconds is the
point's time; a relative one (ultralytics) is a metric and helps to infer times. `proof` keeps data sets out.

    #{"t_start": 1700000000.5, "env_id": "CartPole-v1"}
    r,l,t
    21.0,21,0.52

In Stable-Baselines' `monitor.csv` a row is an episode: its reward, its length, and the seconds since t_start.

Source: Stable-Baselines3 common/monitor.py, Lightning pytorch/loggers/csv_logs.py,
keras/src/callbacks/csv_logger.py, ultralytics engine/trainer.py.
"""

from __future__ import annotations

import csv
import re

from lensd_log.formats.json_text import decode
from lensd_log.formats.origins import origin
from lensd_log.formats.proof import is_example, is_sure, proved, rested
from lensd_log.line.numbers import json_number, number
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State
from lensd_log.line.timestamps import parse_iso
from lensd_log.names import COUNTERS, EPOCH_KEYS, NAMED_BY_FILE, STEP_KEYS, TIME_KEYS

_NAME = re.compile(r"[A-Za-z_][^,:=\"{}]{0,119}\Z")
_WIDEST = 2000
_INDEX = "_index"
_SEPARATORS = (",", ";", "\t")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?\Z")
_MONITOR = ["r", "l", "t"]  # reward, length, seconds since `t_start`
_TENSORBOARD = ["Wall time", "Step", "Value"]  # what its dashboard downloads


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    if text.startswith('#{"t_start"'):
        settings = decode(text[1:])
        start = json_number(settings.get("t_start")) if isinstance(settings, dict) else None
        state.clear()
        if start is not None:
            state["t_start"] = start
        return ()
    if text[:1].isalpha() or text[:1] in '_",;':
        for separator in _SEPARATORS:
            header = _header(text, separator) if separator in text else None
            if header:
                start = state.get("t_start")
                state.clear()
                state["header"] = header
                if start is not None:
                    state["t_start"] = start
                if separator != ",":
                    state["separator"] = separator
                return ()
    names = state.get("header")
    if not names or not entry.complete:
        return None
    separator = state.get("separator", ",")
    cells = _cells(text, separator)
    if len(cells) != len(names):
        return None
    if separator == ";":
        cells = [cell.replace(",", ".") if _DECIMAL_COMMA.match(cell) else cell for cell in cells]
    row = dict(zip(names, cells, strict=True))
    if is_example(row):
        return ()
    if "t_start" in state:
        return _episode(row, state["t_start"])
    step = _whole(row, STEP_KEYS)
    if step is None:
        step = _whole(row, EPOCH_KEYS)
    if step is None:
        return None
    ts_ms, printed, elapsed, time_key = None, None, None, ""
    for key in TIME_KEYS:
        if not row.get(key):
            continue
        seconds = number(row[key])
        if seconds is None:
            printed = row[key] if parse_iso(row[key], None) is not None else None
        elif 1e8 < seconds < 1e11:
            ts_ms = round(seconds * 1000, 3)
        elif key == "time" and seconds >= 0:
            elapsed = seconds
            break
        if ts_ms is not None or printed is not None:
            time_key = key
            break
    values = []
    for name, cell in row.items():
        if (
            cell
            and name not in (time_key, _INDEX)
            and name.rpartition(" - ")[2].lower() not in COUNTERS
            and not _is_bound(name, row)
        ):
            value = number(cell)
            if value is not None:
                values.append((name, value))
    if not values:
        return ()
    framework = origin(row)
    record = Record(values, step, ts_ms=ts_ms, printed_time=printed, elapsed_s=elapsed, framework=framework)
    sure = is_sure(tuple(names)) or NAMED_BY_FILE in names
    return (record,) if sure else proved(record, tuple(names), state)


def _episode(row: dict[str, str], start: float) -> Parsed:
    values = [(name, value) for name, cell in row.items() if (value := number(cell)) is not None]
    seconds = dict(values).get("t")
    ts_ms = None if seconds is None else round((start + seconds) * 1000, 3)
    return (Record(values, ts_ms=ts_ms),)


def _header(text: str, separator: str) -> list[str] | None:
    names = _cells(text, separator)
    if names == _TENSORBOARD:
        return ["time", "step", NAMED_BY_FILE]
    if not names[:1] or not names[0]:  # pandas leaves the name of the index out
        names = [_INDEX, *names[1:]]
    names = [_step_key(name) or name for name in names]
    if len(names) < 2 or len(names) > _WIDEST or len(set(names)) != len(names):
        return None
    if names[:3] != _MONITOR and not any(name in STEP_KEYS or name in EPOCH_KEYS for name in names):
        return None
    return names if all(_NAME.match(name) for name in names) else None


def _step_key(name: str) -> str | None:
    """The usual key for the step columns of W&B's download (`Step`) and Stable-Baselines
    (`time/total_timesteps`)."""
    key = name.removeprefix("time/").lower()
    return key if key in STEP_KEYS else None


def _is_bound(name: str, row: dict[str, str]) -> bool:
    """Is this a bound that W&B's download adds to each column, `NAME__MIN` or `NAME__MAX`?"""
    base, sign, bound = name.rpartition("__")
    return bool(sign) and bound in ("MIN", "MAX") and base in row


def _cells(text: str, separator: str) -> list[str]:
    if '"' in text:
        try:
            return [cell.strip() for cell in next(csv.reader([text], delimiter=separator))]
        except (csv.Error, StopIteration):
            return []
    return [cell.strip() for cell in text.split(separator)]


def _whole(row: dict[str, str], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        value = number(row[key]) if row.get(key) else None
        if value is not None and abs(value) < 2**62:
            return int(value)
    return None


CSV = LogFormat("csv", _parse, needles=_SEPARATORS, rest=rested, columns=re.compile(r"[-+.\d]"))
