"""FedExP: the more the phones' updates disagree, the longer the server's step.

Jhunjhunwala, Wang and Joshi, "FedExP: Speeding Up Federated Averaging via Extrapolation", 2023,
arXiv:2301.09604, algorithm 1. With p_i a phone's share of the views of the round, and the mean over them,

    eta = max(1, sum of p_i |update_i|^2 / (2 (|mean|^2 + epsilon)))
    head <- head + eta * mean

The paper counts phones equally, with 1 / M for p_i. It reports the mean of the last two heads, as their loss
oscillates; here that is left to `evaluation.select`. A real phone would send its update and one number.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Weight


@dataclass(frozen=True)
class FedExP(Algorithm):
    """FedAvg with a step of its own length in each round; FedAvg where updates agree."""

    epsilon: Weight = 0.001
    needs_updates: ClassVar[bool] = True

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The mean update, extrapolated."""
        assert received.updates is not None
        squares = np.array([float((update.astype(np.float64) ** 2).sum()) for update in received.updates])
        below = 2 * (float((received.mean**2).sum()) + self.epsilon)
        eta = max(1.0, float(np.average(squares, weights=received.views)) / below) if below else 1.0
        return moved(head, eta * received.mean), state
