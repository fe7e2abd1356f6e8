"""The coordinate-wise median: no minority of phones can pull a coordinate beyond the others' values.

Yin, Chen, Ramchandran and Bartlett, "Byzantine-Robust Distributed Learning: Towards Optimal Statistical
Rates", 2018, arXiv:1803.01498, algorithm 1, option I. Phones count equally: a weight would be a phone's own
claim.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.coordinates import each, middle


@dataclass(frozen=True)
class Median(Algorithm):
    """The median of the updates, coordinate by coordinate."""

    needs_updates: ClassVar[bool] = True

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """Moves the head by the median; with an even number of phones, the mean of the two middle values."""
        assert received.updates is not None
        return moved(head, each(received.updates, middle)), state
