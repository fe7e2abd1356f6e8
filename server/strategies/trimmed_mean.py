"""The coordinate-wise trimmed mean: the smallest and largest values of each coordinate are left out.

Yin, Chen, Ramchandran and Bartlett, "Byzantine-Robust Distributed Learning: Towards Optimal Statistical
Rates", 2018, arXiv:1803.01498, algorithm 1, option II. Phones count equally: a weight would be a phone's
own claim.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.coordinates import each


@dataclass(frozen=True)
class TrimmedMean(Algorithm):
    """The mean of the middle values; `trim`, below 0.5, is the fraction left out on either side."""

    trim: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    needs_updates: ClassVar[bool] = True

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """Moves the head by the trimmed mean of the updates, coordinate by coordinate."""
        assert received.updates is not None
        return moved(head, each(received.updates, self.mean)), state

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The trimmed mean of each row of values (p, k), ascending along k: (p,) float64."""
        k = values.shape[1]
        cut = int(self.trim * k + 1e-9)  # rounded down, but 0.29 * 100 is 29
        return np.asarray(values[:, cut : k - cut].mean(axis=1, dtype=np.float64))
