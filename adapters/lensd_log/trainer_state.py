"""`trainer_state.json` of the Hugging Face Trainer: one JSON document, rewritten at each save.

Within a run its `log_history` only grows: `[{"epoch": 0.02, "loss": 4.283, "step": 10}, ...]`.
Records have no time; they get that of the file. Source: huggingface/transformers trainer_callback.py
`TrainerState.save_to_json`.
"""

from __future__ import annotations

import hashlib
import json
import os

import msgspec

from lensd.adapter import Budget, InputGone, RetryAfter
from lensd.model import Batch, Input, Points, SeriesBuilder
from lensd.wandb.values import config_facts
from lensd_log.line.numbers import json_number, json_step
from lensd_log.names import COUNTERS

_LIMIT = 256 << 20
#: Fields that configure the training; `trial_params` are those of a hyperparameter search.
_SETTINGS = (
    "eval_steps", "logging_steps", "max_steps", "num_train_epochs", "save_steps", "train_batch_size",
    "trial_name", "trial_params",
)  # fmt: skip


class _State(msgspec.Struct):
    """The fields that are read."""

    log_history: list[dict[str, object]]
    max_steps: int = 0
    settings: dict[str, object] = {}


def read(input: Input, cursor: bytes | None, budget: Budget) -> Batch:
    """The records that are new since `cursor`. Raises InputGone, RetryAfter."""
    done, before = _position(cursor)
    document, mtime_ms, size = _load(input)
    restart = done > 0 and _digest(document.log_history[:done]) != before
    if restart:
        done = 0
    now = budget.now_ms
    ts_ms = min(mtime_ms, now) if now > 0 else mtime_ms
    series, targets = SeriesBuilder(), []
    batch = Batch(cursor=b"", restart=restart, log_format="hf-trainer-state", time_inferred=done == 0)
    at = done
    for row in document.log_history[done:]:
        at += 1
        step = json_step(row.get("step"))
        batch.counts.records += 1
        if step is None:
            batch.counts.unparsed += 1
            continue
        index = series.next_row()
        before_points = series.points
        for name, printed in row.items():
            value = json_number(printed)
            if name not in COUNTERS and name != "total_flos" and value is not None:
                series.add(name, step, ts_ms, value)
        batch.counts.matched += series.points > before_points
        if document.max_steps > 0:
            targets.append((step, ts_ms, float(document.max_steps), index))
        if budget.spent(0, series.points):
            break
    batch.series = series.build(input.prefix)
    if targets:
        batch.targets = Points.of(*zip(*targets, strict=True))
    batch.more = at < len(document.log_history)
    batch.counts.bytes = size if at > done else 0
    batch.facts = {"framework": "huggingface", **config_facts(document.settings)}
    if document.max_steps > 0:
        batch.facts["target_iteration"] = document.max_steps
    batch.cursor = json.dumps({"v": 1, "done": at, "digest": _digest(document.log_history[:at])}).encode()
    return batch


def _load(input: Input) -> tuple[_State, float, int]:
    try:
        status = os.stat(input.path)
        with open(input.path, "rb") as file:
            data = file.read(_LIMIT)
    except FileNotFoundError:
        raise InputGone(f"{input.name}: the file is not there any more") from None
    except OSError as error:
        raise RetryAfter(f"{input.name}: {error.strerror or error}", 5.0) from None
    try:
        # json.loads takes the bare NaN that Python writes.
        loaded = json.loads(data or b'{"log_history": []}')
        document = msgspec.convert(loaded, _State)
        document.settings = {name: loaded[name] for name in _SETTINGS if loaded.get(name) is not None}
    except (ValueError, RecursionError):
        raise RetryAfter(f"{input.name}: not a trainer state, or just being written", 2.0) from None
    return document, status.st_mtime_ns / 1e6, status.st_size


def _position(cursor: bytes | None) -> tuple[int, str]:
    try:
        value = json.loads(cursor or b"{}")
        return int(value.get("done", 0)), str(value.get("digest", ""))
    except (ValueError, TypeError, AttributeError):
        return 0, ""


def _digest(rows: list[dict[str, object]]) -> str:
    return hashlib.blake2s(json.dumps(rows, sort_keys=True).encode(), digest_size=8).hexdigest()
