"""Trains a tiny model with Lightning: `lightning_fit.py OPTIONS`.

OPTIONS is one JSON object: `folder`, `truth`, `bar` (`tqdm` or `rich`), `refresh_rate`, `logger` (some of
`csv`, `tensorboard`, `wandb`), `batches`, `validate`, `evaluate`, `log` (arguments of `self.log`), and
`arguments` of `Trainer`. `truth` is the file for the metrics of the bar, one JSON object each time that they
change, at the number of batches so far, which is what the bar counts; `hook` says when.
What the CSV logger gets is in a file with `.csv` behind that name.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger

OPTIONS = json.loads(sys.argv[1])
FOLDER = OPTIONS["folder"]


class Model(pl.LightningModule):  # type: ignore[misc]
    """A linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)

    def loss(self, rows: Any) -> Any:
        return (self.layer(rows).squeeze() - rows.sum(1)).pow(2).mean()

    def training_step(self, rows: Any, index: int) -> Any:
        loss = self.loss(rows)
        self.log("train_loss", loss, prog_bar=True, **OPTIONS.get("log", {}))
        return loss

    def validation_step(self, rows: Any, index: int) -> None:
        self.log("val_loss", self.loss(rows), prog_bar=True)

    def test_step(self, rows: Any, index: int) -> None:
        self.log("test_loss", self.loss(rows))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.02)


class Truth(Callback):  # type: ignore[misc]
    """Writes the metrics of the bar, at Lightning's own count of batches."""

    def __init__(self) -> None:
        self.batches = 0

    def write(self, trainer: Any, hook: str) -> None:
        values = {name: float(value) for name, value in trainer.progress_bar_metrics.items()}
        line = {"step": self.batches, "values": values, "hook": hook, "optimizer_step": trainer.global_step}
        with open(OPTIONS["truth"], "a") as file:
            print(json.dumps(line), file=file)

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.batches += 1
        self.write(trainer, "batch")

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        if not trainer.sanity_checking:
            self.write(trainer, "validation")

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        self.write(trainer, "epoch")


class RecordedCSV(CSVLogger):  # type: ignore[misc]
    """Writes what it is given into a file beside `truth`, too."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        values = {name: float(value) for name, value in metrics.items()}
        with open(OPTIONS["truth"] + ".csv", "a") as file:
            print(json.dumps({"step": step, "values": values}), file=file)
        super().log_metrics(metrics, step)


def loader(count: int) -> Any:
    generator = torch.Generator().manual_seed(3)
    return torch.utils.data.DataLoader(torch.randn(count * 4, 8, generator=generator), batch_size=4)


def main() -> None:
    warnings.simplefilter("ignore")
    pl.seed_everything(1)
    loggers: list[Any] = []
    for name in OPTIONS.get("logger", []):
        if name == "csv":
            loggers.append(RecordedCSV(FOLDER))
        elif name == "tensorboard":
            loggers.append(TensorBoardLogger(FOLDER))
        else:
            loggers.append(WandbLogger(save_dir=FOLDER, project="tiny", offline=True))
    rate = OPTIONS.get("refresh_rate", 1)
    bar = (
        RichProgressBar(refresh_rate=rate) if OPTIONS["bar"] == "rich" else TQDMProgressBar(refresh_rate=rate)
    )
    # Truth comes last: the bar has been drawn when it is asked.
    trainer = pl.Trainer(
        default_root_dir=FOLDER, accelerator="cpu", logger=loggers, callbacks=[bar, Truth()],
        enable_checkpointing=False, **OPTIONS["arguments"],
    )  # fmt: skip
    model = Model()
    trainer.fit(model, loader(OPTIONS["batches"]), loader(3) if OPTIONS.get("validate") else None)
    if OPTIONS.get("evaluate"):
        trainer.test(model, loader(3))


main()
