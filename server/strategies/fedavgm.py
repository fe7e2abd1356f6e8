"""Federated averaging with momentum at the server: past mean updates go on pushing the head.

Hsu, Qi and Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification", 2019, arXiv:1909.06335, section 4.3:

    v <- momentum * v + mean
    head <- head + lr * v

A mean update that stays the same moves the head by lr / (1 - momentum) of it in every round in the end.
"""

from dataclasses import dataclass

import numpy as np

from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Decay, Positive


@dataclass(frozen=True)
class FedAvgM(Algorithm):
    """Momentum of the mean updates; FedAvg where momentum is 0 and lr is 1."""

    lr: Positive = 1.0
    momentum: Decay = 0.9

    def begin(self, head: np.ndarray) -> State:
        """No push yet."""
        return {"v": np.zeros(head.shape)}

    def step(self, head: np.ndarray, came: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The push grows by the mean update and moves the head."""
        v = self.momentum * state["v"] + came.mean
        return moved(head, self.lr * v), {"v": v}
