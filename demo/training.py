"""A small training loop with an ordinary log: the live run of the demo.

Fits a line by gradient descent in plain Python and logs every step, until it is stopped. It does not use
lensd; lensd reads its log file.
"""

from __future__ import annotations

import logging
import random
import sys
import time


def main(path: str) -> None:
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s - %(levelname)s - trainer - %(message)s"
    )
    logging.Formatter.converter = time.gmtime
    chance = random.Random(7)
    weight, bias, rate, total = chance.uniform(-1, 1), 0.0, 0.05, 100_000
    logging.info("starting training, %d steps", total)
    for step in range(1, total + 1):
        batch = [
            (x, 3.0 * x - 1.0 + chance.gauss(0, 0.3)) for x in (chance.uniform(-1, 1) for _ in range(16))
        ]
        errors = [weight * x + bias - y for x, y in batch]
        slope = sum(2 * e * x for e, (x, _) in zip(errors, batch, strict=True)) / len(batch)
        offset = sum(2 * e for e in errors) / len(batch)
        weight, bias = weight - rate * slope, bias - rate * offset
        loss = sum(e * e for e in errors) / len(batch)
        norm = (slope * slope + offset * offset) ** 0.5
        logging.info("step %d/%d | loss: %.6f | grad_norm: %.4f | lr: %.3e", step, total, loss, norm, rate)
        if step % 50 == 0:
            logging.info(
                "eval at step %d: val_loss=%.6f", step, (weight - 3) ** 2 / 3 + (bias + 1) ** 2 + 0.09
            )
        rate = max(1e-4, rate * 0.9995)
        time.sleep(0.25)


if __name__ == "__main__":
    main(sys.argv[1])
