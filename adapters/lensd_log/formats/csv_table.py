"""CSV with a header that names a step or an epoch: Lightning's and Keras' `CSVLogger`, ultralytics'
`results.csv`.

    epoch,step,train_loss,val_loss
    0,9,16.27411651611328,

Cells may be empty (nothing was logged), padded or quoted. The header may be repeated (appended runs). The
step is the step column, else the epoch column; `epoch` beside a step is a counter. A `time` column in Unix
seconds is the point's time; a relative one (ultralytics) is a metric and helps to infer times.
Source: Lightning pytorch/loggers/csv_logs.py, keras/src/callbacks/csv_logger.py, ultralytics
engine/trainer.py.
"""

from __future__ import annotations

import csv
import re

from lensd_log.formats.names import COUNTERS, EPOCH_KEYS, STEP_KEYS, TIME_KEYS
from lensd_log.formats.origins import origin
from lensd_log.line.numbers import number
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State
from lensd_log.line.timestamps import parse_iso

_NAME = re.compile(r"[A-Za-z_][^,:=\"{}]{0,119}\Z")
_WIDEST = 2000
_INDEX = "_index"
_TENSORBOARD = ["Wall time", "Step", "Value"]  # what its dashboard downloads


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    if text[:1].isalpha() or text[:1] in '_",':
        header = _header(text)
        if header:
            state.clear()
            state["header"] = header
            return ()
    names = state.get("header")
    if not names or not entry.complete:
        return None
    cells = _cells(text)
    if len(cells) != len(names):
        return None
    row = dict(zip(names, cells, strict=True))
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
            and name.lower() not in COUNTERS
            and not _is_bound(name, row)
        ):
            value = number(cell)
            if value is not None:
                values.append((name, value))
    if not values:
        return ()
    framework = origin(row)
    return (Record(values, step, ts_ms=ts_ms, printed_time=printed, elapsed_s=elapsed, framework=framework),)


def _header(text: str) -> list[str] | None:
    names = _cells(text)
    if names == _TENSORBOARD:
        return ["time", "step", "Value"]
    if not names[:1] or not names[0]:  # pandas leaves the name of the index out
        names = [_INDEX, *names[1:]]
    names = [_step_key(name) or name for name in names]
    if len(names) < 2 or len(names) > _WIDEST or len(set(names)) != len(names):
        return None
    if not any(name in STEP_KEYS or name in EPOCH_KEYS for name in names):
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


def _cells(text: str) -> list[str]:
    if '"' in text:
        try:
            return [cell.strip() for cell in next(csv.reader([text]))]
        except (csv.Error, StopIteration):
            return []
    return [cell.strip() for cell in text.split(",")]


def _whole(row: dict[str, str], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        value = number(row[key]) if row.get(key) else None
        if value is not None and abs(value) < 2**62:
            return int(value)
    return None


CSV = LogFormat("csv", _parse, needles=(",",))
