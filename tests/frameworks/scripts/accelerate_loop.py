"""Trains a tiny model with Accelerate and a tqdm bar of one's own: `accelerate_loop.py OPTIONS`.

OPTIONS is one JSON object: `folder`, `truth`, `trackers` (some of `tensorboard`, `wandb`), `epochs`,
`batches`, `accumulate`, and `show` (`postfix` of the bar, or `logger`). `truth` is the file for what is
shown, one JSON object a step.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings

import torch
from accelerate import Accelerator
from accelerate.logging import get_logger
from tqdm.auto import tqdm

OPTIONS = json.loads(sys.argv[1])


def main() -> None:
    warnings.simplefilter("ignore")
    logging.basicConfig(format="%(asctime)s - %(levelname)s - %(name)s - %(message)s", level=logging.INFO)
    torch.manual_seed(1)
    accelerator = Accelerator(
        cpu=True,
        gradient_accumulation_steps=OPTIONS.get("accumulate", 1),
        log_with=OPTIONS.get("trackers") or None,
        project_dir=OPTIONS["folder"],
    )
    if OPTIONS.get("trackers"):
        accelerator.init_trackers("tiny", config={"lr": 0.05})
    model = torch.nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    rows = torch.randn(OPTIONS["batches"] * 4, 8)
    loader = torch.utils.data.DataLoader(rows, batch_size=4)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    steps = OPTIONS["epochs"] * (OPTIONS["batches"] // OPTIONS.get("accumulate", 1))
    bar = tqdm(range(steps), desc="Steps")
    step = 0
    for epoch in range(OPTIONS["epochs"]):
        for batch in loader:
            with accelerator.accumulate(model):
                loss = (model(batch).squeeze() - batch.sum(1)).pow(2).mean()
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
            if not accelerator.sync_gradients:
                continue
            step += 1
            bar.update(1)
            values = {"loss": loss.item(), "lr": 0.05 / step}
            if OPTIONS.get("show") == "logger":
                get_logger(__name__).info(f"epoch {epoch} step {step}: loss={values['loss']:.6f}")
                del values["lr"]
            else:
                bar.set_postfix(**values)
            with open(OPTIONS["truth"], "a") as file:
                print(json.dumps({"step": step, "values": values}), file=file)
            if OPTIONS.get("trackers"):
                accelerator.log({"train/loss": loss.item()}, step=step)
    accelerator.end_training()


main()
