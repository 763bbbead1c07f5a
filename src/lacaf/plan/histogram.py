"""Distributions that take the same memory however many values go in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Histogram:
    """How often values occur, or how much weight they have, rounded to a step.

    What lies beyond the ends counts as the ends.
    """

    def __init__(self, low: float, high: float, step: float) -> None:
        self.low, self.step = low, step
        self.weights: NDArray[np.float64] = np.zeros(round((high - low) / step) + 1)

    def add(self, values: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Count values, each once or with its own weight."""
        place = np.rint((np.asarray(values, np.float64).ravel() - self.low) / self.step)
        last = len(self.weights) - 1
        place = place.clip(0, last).astype(np.intp)
        own = None if weights is None else np.asarray(weights).ravel()
        self.weights += np.bincount(place, own, minlength=last + 1)

    @property
    def total(self) -> float:
        """Number, or weight, of all values."""
        return float(self.weights.sum())

    def below(self, value: float) -> float:
        """Fraction of the weight that lies below a value; 0 where there is none at all."""
        count = int(np.clip(np.ceil((value - self.low) / self.step - 1e-6), 0, len(self.weights)))
        return float(self.weights[:count].sum() / self.total) if self.total else 0.0

    def above(self, value: float) -> float:
        """Fraction of the weight that lies above a value; 0 where there is none at all."""
        return 1 - self.below(value + self.step) if self.total else 0.0

    def quantile(self, fraction: float) -> float:
        """The least value that this fraction of the weight does not exceed.

        Raises:
            ValueError: there is nothing in it.
        """
        if not self.total:
            raise ValueError("a histogram without values has no quantiles")
        reached = self.weights.cumsum() >= fraction * self.total * (1 - 1e-12)
        return self.low + self.step * int(np.argmax(reached & (self.weights > 0)))
