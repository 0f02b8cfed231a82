"""Which words are counters and which sound like metrics, for the generic log formats.

Counters (`step`, `epoch`, `rank`) place a point and are not metrics. Generic text becomes metrics only if at
least one name sounds like one: that keeps configuration dumps and prose out.
"""

from __future__ import annotations

import re

#: Keys that hold the step of a record, best first.
STEP_KEYS = tuple(
    "global_step trainer/global_step step _step iteration iter current_steps num_updates global_steps steps"
    " num_steps update batch training_iteration timesteps_total total_timesteps".split()
)
EPOCH_KEYS = ("epoch", "Epoch", "epochs")
TOTAL_KEYS = ("total_steps", "max_steps", "target_iteration", "total_iterations", "max_iters", "train_iters")
TIME_KEYS = tuple("ts time timestamp asctime _timestamp wall_time datetime date @timestamp".split())

#: A metric that only its file names, as `run-a-tag-loss.csv` of TensorBoard's dashboard does.
NAMED_BY_FILE = "<file>"

#: Never metrics, whatever prints them.
COUNTERS = frozenset(
    "total_epochs max_epochs num_epochs percentage rank local_rank world_size pid seed worker node line"
    " lineno port version v_num n_parameters".split()
) | {*STEP_KEYS, *EPOCH_KEYS, *TOTAL_KEYS}

_METRIC = re.compile(
    r"loss|acc\b|acc[_@/\d]|accur|err\b|error|lr\b|_lr|learning.?rate|ppl|perplex|reward|return|grad|norm|f1|auc"
    r"|bleu|rouge|wer\b|cer\b|mse|mae|rmse|score|precision|recall|iou|map\b|map\d|dice|psnr|ssim|fid\b|\bkl"
    r"|entropy|logp|tokens|tok/s|tps|flop|mfu|throughput|per_sec|/s\b|/sec|speed|top-?[15]\b|objective|likelihood"
    r"|nll|bpb|elbo|margin|momentum|cost\b",
    re.IGNORECASE,
)

#: A line that matched no log format although it looks like metrics.
METRIC_LIKE = re.compile(
    r"(?:loss|accuracy|acc|perplexity|ppl|learning_rate|lr|reward|grad_norm)"
    r"[\"' ]{0,2}[:=] {0,8}[-+]?\d+\.\d",
    re.IGNORECASE,
)


def sounds_like_metric(name: str) -> bool:
    """Does the name sound like a quantity that training prints?"""
    return _METRIC.search(name) is not None
