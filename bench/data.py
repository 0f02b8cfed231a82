"""Makes the data that is measured: event files, a Runicorn run, text logs."""

from __future__ import annotations

import json
import math
import random
import struct
from pathlib import Path

import google_crc32c

TAGS, STEPS = 20, 50_000
ROWS, METRICS = 100_000, 10
LINES = 1_000_000


def _masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _frame(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + _masked(length) + payload + _masked(payload)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def event_file(folder: Path, *, tensors: bool) -> Path:
    """1M scalars, one record each, all tags at every step."""
    path = folder / "events.out.tfevents.1795000000.bench.1.0"
    tags = [b"layer%02d/loss" % tag for tag in range(TAGS)]
    with path.open("wb") as file:
        file.write(_frame(b"\x09" + struct.pack("<d", 1_795_000_000.0) + _field(3, b"brain.Event:2")))
        for step in range(STEPS):
            counted = b"\x10" + _varint(step) if step else b""
            block = []
            for number, tag in enumerate(tags):
                raw = struct.pack("<f", math.sin(step / 500 + number) + number)
                if tensors:
                    # metadata comes with the first value of a tag only, as TensorFlow writes it
                    metadata = _field(9, _field(1, _field(1, b"scalars"))) if step == 0 else b""
                    value = (
                        _field(1, tag) + _field(8, b"\x08\x01" + _field(2, b"") + _field(4, raw)) + metadata
                    )
                else:
                    value = _field(1, tag) + b"\x15" + raw
                wall = struct.pack("<d", 1_795_000_000.0 + step * 0.25 + number * 1e-4)
                block.append(_frame(b"\x09" + wall + counted + _field(5, _field(1, value))))
            file.write(b"".join(block))
    return path


def runicorn_run(storage: Path) -> str:
    """A run of 100k rows with ten metrics in Runicorn's own layout; its id."""
    run_id = "20250114_153045_a1b2c3"
    folder = storage / "runs" / "bench" / run_id
    folder.mkdir(parents=True)
    began = 1_736_868_645.0
    meta = {"id": run_id, "path": "bench", "alias": None, "created_at": began, "pid": 1, "hostname": "bench"}
    (folder / "meta.json").write_text(json.dumps(meta))
    (folder / "status.json").write_text(
        json.dumps({"status": "finished", "started_at": began, "ended_at": began + ROWS})
    )
    with (folder / "events.jsonl").open("w") as file:
        for step in range(1, ROWS + 1):
            data = {f"metric{m}": math.sin(step / 700 + m) * 2 + m for m in range(METRICS)}
            row = {
                "ts": began + step,
                "type": "metrics",
                "data": data | {"global_step": step, "time": began + step},
            }
            file.write(json.dumps(row) + "\n")
    return run_id


def text_log(path: Path, kind: str) -> Path:
    """A training log of a million lines: `megatron` with 8 values a line, `hf` dicts with 3, `unlisted` in no
    log format that lensd knows with 3, `json` with 2."""
    dice = random.Random(7)
    line_of = {"megatron": _megatron, "hf": _hf, "unlisted": _unlisted, "json": _json}[kind]
    with open(path, "w") as file:
        for n in range(1, LINES + 1):
            file.write(line_of(n, dice))
    return path


def _unlisted(n: int, dice: random.Random) -> str:
    loss, seconds, use = 4 * dice.random(), 10 + 5 * dice.random(), 3 * dice.random()
    return f"it {n}: loss {loss:.4f}, time {seconds:.2f}ms, util {use:.1f}%\n"


def _json(n: int, dice: random.Random) -> str:
    at = f"2025-04-{n // 86_400 + 1:02d}T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z"
    loss, rate = 4 * dice.random(), 1e-4 * dice.random()
    return f'{{"step": {n}, "loss": {loss:.6f}, "lr": {rate:.2e}, "time": "{at}"}}\n'


def _megatron(n: int, dice: random.Random) -> str:
    seconds = n % 86_400
    day = n // 86_400 + 1
    stamp = f"2025-04-{day:02d} {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return (
        f" [{stamp}] iteration {n:8d}/{LINES:8d} | consumed samples: {16 * n:12d} |"
        f" elapsed time per iteration (ms): {800 + 50 * dice.random():.1f} |"
        f" learning rate: {1e-4 * dice.random():.6E} | global batch size: {16:5d} |"
        f" lm loss: {10 * dice.random():.6E} | loss scale: {131072.0:.1f} |"
        f" grad norm: {5 * dice.random():.3f} | number of skipped iterations: {0:3d} |\n"
    )


def _hf(n: int, dice: random.Random) -> str:
    values = {
        "loss": round(3 * dice.random(), 4),
        "grad_norm": 2 * dice.random(),
        "learning_rate": 5e-5 * (1 - n / LINES),
        "epoch": round(3 * n / LINES, 2),
    }
    return f"{values}\n"
