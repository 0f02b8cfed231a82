"""Trains a tiny causal language model with `Trainer`, or with `SFTTrainer` of TRL: `hf_trainer.py OPTIONS`.

OPTIONS is one JSON object: `folder` of the output, `truth`, `trainer` (`hf` or `trl`), `rows` of the data,
`resume` (a checkpoint), `evaluate` (once more at the end), and `arguments` of `TrainingArguments`. `truth` is
the file for what was logged: one JSON object a record, with the trainer's own `global_step` and the values.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments, set_seed

OPTIONS = json.loads(sys.argv[1])
WORDS = 48


class Truth(TrainerCallback):  # type: ignore[misc]
    """Writes what the trainer logs, at its own step."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        with open(OPTIONS["truth"], "a") as file:
            print(json.dumps({"step": state.global_step, "values": logs}), file=file)


class Rows(torch.utils.data.Dataset):  # type: ignore[misc]
    """Rows of counting words, the same ones each time."""

    def __init__(self, count: int) -> None:
        self.rows = [[(row + i) % WORDS for i in range(12)] for row in range(count)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = torch.tensor(self.rows[index])
        return {"input_ids": row, "labels": row}


def arguments() -> dict[str, Any]:
    fixed = {"output_dir": OPTIONS["folder"], "use_cpu": True, "learning_rate": 3e-3, "seed": 1}
    return {"report_to": "none", "save_strategy": "no", **fixed, **OPTIONS["arguments"]}


def trl_trainer(model: Any) -> Any:
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    words = {f"w{i}": i for i in range(WORDS - 2)} | {"<pad>": WORDS - 2, "</s>": WORDS - 1}
    raw = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="</s>")

    def texts(count: int) -> Any:
        rows = [" ".join(f"w{(row + i) % (WORDS - 2)}" for i in range(12)) for row in range(count)]
        return Dataset.from_dict({"text": rows})

    config = SFTConfig(**arguments())
    config.dataset_text_field = "text"
    options = {
        "model": model,
        "args": config,
        "train_dataset": texts(OPTIONS["rows"]),
        "eval_dataset": texts(32),
    }
    try:
        return SFTTrainer(**options, processing_class=tokenizer)
    except TypeError:
        return SFTTrainer(**options, tokenizer=tokenizer, max_seq_length=32)


def main() -> None:
    warnings.simplefilter("ignore")
    set_seed(1)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=WORDS, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
        )
    )
    if OPTIONS.get("trainer") == "trl":
        trainer = trl_trainer(model)
    else:
        trainer = Trainer(model, TrainingArguments(**arguments()), None, Rows(OPTIONS["rows"]), Rows(32))
    trainer.add_callback(Truth())
    trainer.train(resume_from_checkpoint=OPTIONS.get("resume"))
    if OPTIONS.get("evaluate"):
        print(trainer.evaluate())


main()
