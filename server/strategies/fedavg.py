"""Federated averaging: the head moves by the mean update, weighted by views.

McMahan, Moore, Ramage, Hampson and Agüera y Arcas, "Communication-Efficient Learning of Deep Networks from
Decentralized Data", 2017, arXiv:1602.05629, algorithm 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from server.strategies.base import Algorithm, RoundUpdates, State, moved


@dataclass(frozen=True)
class FedAvg(Algorithm):
    """head + mean."""

    mean_only: ClassVar[bool] = True

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The mean of the phones' heads."""
        return moved(head, received.mean), state
