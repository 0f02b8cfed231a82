"""What stands out in a run, defined once for lists, the page, events and alerts: its main metric, which value
of a metric is best, what a spike is and what a stall."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lensd.model import Floats

#: A spike lies further than this many median absolute deviations from the median of the points before it.
DEVIATIONS = 8.0
#: Finite points before a value that it is compared with, and the fewest that say anything.
BEFORE, FEWEST = 100, 20

_SILENCE_MS, _SILENT_STEPS = 60_000.0, 10
_FIRST = ("loss", "train/loss", "train_loss", "train loss")
_EVALUATION = ("val", "eval", "test", "dev")
_REWARD = ("reward", "return")
_BLOCK = 16  # points that share one sorting of those before them


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


def stall_ms(step_ms: float) -> float:
    """How long a run may be silent before it stalls. step_ms: the median time of a step."""
    return max(_SILENCE_MS, _SILENT_STEPS * step_ms)


def spikes(values: Floats, begin: int = 0) -> npt.NDArray[np.bool_]:
    """Which of consecutive finite values, from the index `begin` on, are spikes. A value is none where most
    of those before it are equal: their median deviation is 0.

    The values before those of one block differ in few places, so that one sorting tells for all of them which
    are too close to the median to be spikes; the others are compared exactly.
    """
    is_spike = np.zeros(len(values), np.bool_)
    for index in _suspects(values, begin):
        before = values[max(0, index - BEFORE) : index]
        median = np.median(before)
        deviation = np.median(np.abs(before - median))
        is_spike[index] = 0 < DEVIATIONS * deviation < abs(values[index] - median)
    return is_spike


def _suspects(values: Floats, begin: int) -> list[int]:
    """The places where a spike may be; all of the first ones, whose values before them are fewer."""
    count = len(values)
    first = list(range(max(begin, FEWEST), min(count, BEFORE)))
    starts = np.arange(max(begin, BEFORE), count, _BLOCK)
    suspects: list[int] = []
    for some in np.array_split(starts, max(1, len(starts) // 4096)):
        if not len(some):
            continue
        windows = np.sort(values[some[:, None] + np.arange(-BEFORE, 0)], axis=1)
        # In a block at most _BLOCK - 1 of the values before change: ranks move by as many at most.
        moved, half = _BLOCK - 1, BEFORE // 2
        low, high = windows[:, half - 1 - moved], windows[:, half + moved]
        kept = half - moved
        deviation = (windows[:, kept - 1 :] - windows[:, : BEFORE - kept + 1]).min(axis=1) / 2
        places = np.minimum(some[:, None] + np.arange(_BLOCK), count - 1)
        inside = values[places]
        margin = DEVIATIONS * deviation[:, None]
        apart = (inside > high[:, None] + margin) | (inside < low[:, None] - margin)
        suspects += np.unique(places[apart]).tolist()
    return first + suspects


def _is_evaluation(name: str) -> bool:
    return any(word in name.lower() for word in _EVALUATION)
