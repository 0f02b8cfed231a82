"""Megatron-LM and projects that print like it: Megatron-DeepSpeed, Primus with either back end.

    iteration       20/    1000 | consumed samples:      320 | elapsed time per iteration (ms): 820.7 | ...
    validation loss at iteration 100 | lm loss value: 7.48E+00 | lm loss PPL: 1.78E+03 |

Source: NVIDIA/Megatron-LM megatron/training/training.py `training_log`, `evaluate_and_print_results`;
Megatron-DeepSpeed megatron/training.py (adds `samples per second`, `TFLOPs`; forks print seconds);
AMD-AGI/Primus print_rank_last_patches.py (`current/average` pairs: the first number is read).
"""

from __future__ import annotations

import re

from lensd_log.line.numbers import leading
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_TRAIN = re.compile(r"\biteration\s{1,20}(\d{1,15})\s{0,20}/\s{0,20}(\d{1,15}) ?\|")
_EVAL = re.compile(r"\b(?:validation|test) loss at (?:iteration (\d{1,15})|[^|]{1,120}?) ?\|")


def _fields(text: str) -> list[tuple[str, float]]:
    values = []
    for part in text.split("|"):
        name, colon, printed = part.partition(":")
        name = name.strip()
        if colon and name and (value := leading(printed)) is not None:
            values.append((name, value))
    return values


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    # NeMo prints `Training epoch 0, iteration 1/99 | ...`, where that iteration starts over with each epoch.
    # GPT-NeoX prints its speed before the iteration.
    whole = "consumed samples" in text or "elapsed time per iteration" in text
    train = _TRAIN.search(text) if whole else _TRAIN.match(text)
    if train is None:
        match = _EVAL.search(text)
        if match is None:
            return None
        if not entry.complete:
            return ()
        step = int(match[1]) if match[1] else None
        return (Record(_fields(text[match.end() :]), step, evaluation=True),)
    if not entry.complete:
        return ()
    values = _fields(text[train.end() :])
    before = text[: train.start()]
    if before.endswith("| ") and "[" not in before:
        values = [*_fields(before), *values]
    if not values:
        return None
    step_ms = None
    for name, value in values:
        if name.startswith("elapsed time per iteration"):
            step_ms = value * 1000 if name.endswith("(s)") else value
    framework = "megatron-deepspeed" if "samples per second" in text or "consumed tokens" in text else None
    primus = "hip mem" in text or "rocm mem" in text or "tokens/s/GPU" in text
    return (
        Record(
            values,
            int(train[1]),
            step_ms=step_ms,
            target=int(train[2]),
            framework="primus" if primus else framework,
        ),
    )


MEGATRON = LogFormat(
    "megatron", _parse, needles=("iteration", " loss at "), framework="megatron", columns=EVERY_LINE
)
