"""TensorBoard's exponential moving average, over any number of points, piece by piece."""

from __future__ import annotations

import numpy as np

from lensd.model import Floats, Ints

_ROW = 64  # points that one matrix product smooths


class Smoother:
    """Smooths the finite values of a series: `s = weight * s + (1 - weight) * value`, with 0 <= weight < 1.

    As in TensorBoard's front end, `s` is divided by `1 - weight ** n`, so that it does not begin near zero.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._average = 0.0
        self._count = 0
        powers = weight ** np.arange(_ROW + 1)
        self._powers = powers[1:]
        # Row i: what each value of a row adds to the average after its value i.
        distance = np.subtract.outer(np.arange(_ROW), np.arange(_ROW))
        self._mix = np.where(distance >= 0, (1 - weight) * powers[np.maximum(distance, 0)], 0.0)

    def feed(self, value: Floats) -> Floats:
        """The smoothed values of the next piece, NaN where the value is not finite."""
        finite = np.isfinite(value)
        smoothed = np.full(len(value), np.nan)
        smoothed[finite] = self._finite(value[finite])
        return smoothed

    def feed_means(self, mean: Floats, count: Ints) -> Floats:
        """The average in the middle of each of the next stretches of points, from the mean and the number of
        the finite values in it; NaN where there are none."""
        smoothed = np.full(len(mean), np.nan)
        filled = np.flatnonzero(count > 0)
        decays = (self._weight ** count[filled].astype(np.float64)).tolist()
        total = self._count + np.cumsum(count[filled])
        debias = (1.0 - self._weight ** total.astype(np.float64)).tolist()
        shown = self._average / (1.0 - self._weight**self._count) if self._count else None
        for index, value, decay, share in zip(
            filled.tolist(), mean[filled].tolist(), decays, debias, strict=True
        ):
            self._average = decay * self._average + (1.0 - decay) * value
            before, shown = shown, self._average / share
            smoothed[index] = shown if before is None else (before + shown) / 2
        if len(total):
            self._count = int(total[-1])
        return smoothed

    def _finite(self, value: Floats) -> Floats:
        count = len(value)
        rows = -(-count // _ROW)
        padded = np.zeros(rows * _ROW)
        padded[:count] = value
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            average = padded.reshape(rows, _ROW) @ self._mix.T
            for row in range(rows):
                average[row] += self._powers * self._average
                last = min(_ROW, count - row * _ROW) - 1
                self._average = float(average[row, last])
            index = np.arange(self._count + 1, self._count + count + 1)
            self._count += count
            return average.reshape(-1)[:count] / (1.0 - self._weight**index)
