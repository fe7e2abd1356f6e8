"""Federated averaging with server momentum: past mean updates keep pushing the head.

Hsu, Qi and Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification", 2019, arXiv:1909.06335, section 4.3:

    v <- momentum * v + mean
    head <- head + lr * v

A constant mean update ends up moving the head by lr / (1 - momentum) times itself per round.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Decay, Positive


@dataclass(frozen=True)
class FedAvgM(Algorithm):
    """Momentum over the mean updates; equals FedAvg for momentum 0 and lr 1."""

    mean_only: ClassVar[bool] = True

    lr: Positive = 1.0
    momentum: Decay = 0.9

    def begin(self, head: np.ndarray) -> State:
        """Zero momentum."""
        return {"v": np.zeros(head.shape)}

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The mean update is added to the momentum, which moves the head."""
        v = self.momentum * state["v"] + received.mean
        return moved(head, self.lr * v), {"v": v}
