"""Trains a tiny model with Keras: `keras_fit.py OPTIONS`.

OPTIONS is one JSON object: `folder`, `truth`, `epochs`, `batches`, `unknown` (the data does not tell its
length), `validate`, `verbose`, and `callbacks` (some of `csv`, `tensorboard`, `wandb`). `truth` is the
file for what an epoch logs, one JSON object an epoch, counted from 1 as the header of the epoch does.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

OPTIONS = json.loads(sys.argv[1])
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np  # noqa: E402

try:
    import keras

    VERSION = int(keras.__version__.split(".")[0])
    if VERSION < 3:
        raise ImportError
except ImportError:
    from tensorflow import keras

    VERSION = 2


class Truth(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes what an epoch logs."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        with open(OPTIONS["truth"], "a") as file:
            print(json.dumps({"step": epoch + 1, "values": values}), file=file)


def data() -> Any:
    random = np.random.default_rng(1)
    rows = random.normal(size=(OPTIONS["batches"] * 4, 8)).astype("float32")
    targets = rows.sum(1, keepdims=True)
    if not OPTIONS.get("unknown"):
        return rows, targets
    if VERSION < 3:
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices((rows, targets)).filter(lambda *_: True).batch(4)

    def batches() -> Any:
        for start in range(0, len(rows), 4):
            yield rows[start : start + 4], targets[start : start + 4]

    return batches()


def main() -> None:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.02), loss="mse", metrics=["mae"])
    callbacks: list[Any] = [Truth()]
    wanted = OPTIONS.get("callbacks", [])
    if "csv" in wanted:
        callbacks.append(keras.callbacks.CSVLogger(os.path.join(OPTIONS["folder"], "history.csv")))
    if "tensorboard" in wanted:
        callbacks.append(keras.callbacks.TensorBoard(os.path.join(OPTIONS["folder"], "tb")))
    if "wandb" in wanted:
        import wandb
        from wandb.integration.keras import WandbMetricsLogger

        wandb.init(project="tiny", mode="offline", dir=OPTIONS["folder"])
        callbacks.append(WandbMetricsLogger())
    inputs, targets = data() if not OPTIONS.get("unknown") else (data(), None)
    options: dict[str, Any] = {"batch_size": 4} if targets is not None else {}
    if OPTIONS.get("validate"):
        random = np.random.default_rng(2)
        held = random.normal(size=(12, 8)).astype("float32")
        options["validation_data"] = (held, held.sum(1, keepdims=True))
    model.fit(
        inputs,
        targets,
        epochs=OPTIONS["epochs"],
        verbose=OPTIONS.get("verbose", 1),
        callbacks=callbacks,
        **options,
    )


main()
