"""Which framework wrote a record in a format that many share, judged by names that only it uses."""

from __future__ import annotations

from collections.abc import Collection

#: A framework, and sets of names: one set must be present in full.
_SIGNS: tuple[tuple[str, tuple[frozenset[str], ...]], ...] = tuple(
    (framework, tuple(frozenset(sign.split()) for sign in signs))
    for framework, signs in (
        ("llama-factory", ("current_steps total_steps percentage",)),
        ("ms-swift", ("global_step/max_steps", "train_speed(iter/s)")),
        ("detectron2", ("iteration data_time eta_seconds", "iteration total_loss data_time")),
        ("mmengine", ("step iter data_time memory", "mode iter data_time memory")),
        ("detr", ("train_loss epoch n_parameters", "train_lr train_loss epoch")),
        ("ultralytics", ("epoch train/box_loss", "epoch lr/pg0")),
        (
            "trl",
            (
                "completion_length reward",
                "completions/mean_length reward",
                "rewards/chosen rewards/rejected",
                "objective/kl episode",
                "mean_token_accuracy num_tokens",
                "reward reward_std kl",
            ),
        ),
        ("lightning", ("epoch step train_loss_step", "epoch step train_loss_epoch", "epoch step val_loss")),
    )
)


def origin(names: Collection[str]) -> str | None:
    """The framework that writes records with these names; None if it is not clear."""
    for framework, signs in _SIGNS:
        for sign in signs:
            if all(name in names for name in sign):
                return framework
    return None
