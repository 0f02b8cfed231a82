"""A run to which everything happens: a spike, a NaN, a warning, and a restart from an earlier step."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

STEPS, SPIKE, NAN, RESTART = 4000, 1500, 2600, 3000


def write_run(path: Path) -> None:
    """A run with a spike, a NaN, and a restart from an earlier step."""
    chance, now = random.Random(3), datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    with path.open("w") as log:
        for step in [*range(1, RESTART), *range(RESTART - 300, STEPS + 1)]:
            now += timedelta(seconds=1.7)
            loss = 0.25 + 2.4 * math.exp(-step / 700) + chance.gauss(0, 0.03)
            if step == SPIKE:
                log.write(f"{now:%Y-%m-%d %H:%M:%S} WARNING gradient overflow, scale reduced to 32768\n")
            loss = 9.4 if step == SPIKE else math.nan if step == NAN else loss
            rate = 3e-4 * min(1.0, step / 300) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS))
            norm = abs(chance.gauss(0.6, 0.15)) * (30 if step == SPIKE else 1)
            speed = 15_400 + chance.gauss(0, 300)
            log.write(
                f"{now:%Y-%m-%d %H:%M:%S} INFO step {step}/{STEPS} | loss: {loss:.4f} | grad_norm: {norm:.3f}"
                f" | lr: {rate:.3e} | tokens/s: {speed:.0f}\n"
            )
            if step % 100 == 0:
                value = 0.3 + 2.3 * math.exp(-step / 650) + chance.gauss(0, 0.02)
                log.write(f"{now:%Y-%m-%d %H:%M:%S} INFO eval at step {step}: val_loss={value:.4f}\n")
