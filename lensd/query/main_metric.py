"""Which metric stands for a run where there is room for one: in lists, sparklines and summaries."""

from __future__ import annotations

from collections.abc import Mapping

_FIRST = ("loss", "train/loss", "train_loss", "train loss")
_EVALUATION = ("val", "eval", "test", "dev")
_REWARD = ("reward", "return")


def main_metric(points: Mapping[str, int]) -> str | None:
    """The main metric of a run. points: metric names, in the order first seen, with their number of points.

    It is the training loss under its usual names, else the loss of no evaluation that has most points, else a
    reward or return, else the metric seen first.
    """
    for name in _FIRST:
        if name in points:
            return name
    losses = [name for name in points if "loss" in name.lower() and not _is_evaluation(name)]
    if losses:
        return max(losses, key=lambda name: points[name])
    rewards = (name for name in points if any(word in name.lower() for word in _REWARD))
    return next(rewards, next(iter(points), None))


def _is_evaluation(name: str) -> bool:
    return any(word in name.lower() for word in _EVALUATION)
