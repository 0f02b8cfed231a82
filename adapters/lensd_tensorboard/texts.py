"""Text summaries as facts of a workload; those that hold JSON objects as its configuration.

Format: the text plugin of TensorBoard 2.21. torch's and tensorboardX's `add_text(TAG, ...)` writes the tag
`TAG/text_summary`. The Hugging Face Trainer writes its arguments as `args`, the model's as `model_config`.
"""

from __future__ import annotations

import json

from lensd.model import Fact
from lensd.wandb.values import config_facts

_ARGUMENTS = "args"
_LONGEST = 1000


def text_facts(tag: str, text: str) -> dict[str, Fact]:
    """`text.TAG`, or `config.NAME` for each value of a JSON object; those of `args` without the tag."""
    tag = tag.removesuffix("/text_summary")
    try:
        settings = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        settings = None
    if isinstance(settings, dict):
        return config_facts(settings, "config." if tag == _ARGUMENTS else f"config.{tag}.")
    return {f"text.{tag}": text[:_LONGEST]}
