"""FedNova: a phone that takes more steps gets no more weight than its views.

Wang, Liu, Liang, Joshi and Poor, "Tackling the Objective Inconsistency Problem in Heterogeneous Federated
Optimization", 2020, arXiv:2007.07481, equation 7, for phones of plain SGD (a_i all ones). With p_i a phone's
share of the views of the round and K_i its steps, over the phones whose updates are folded:

    head <- head + K * sum of p_i * update_i / K_i,   K = sum of p_i * K_i

This equals FedAvg if all phones take the same number of steps. The weights views_i / K_i go out with the
order; K is only known when the replies are in, and multiplies their mean.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fer_models.local.terms import PhoneInputs
from server.strategies.base import RoundUpdates, State
from server.strategies.bounds import Rate
from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class FedNova(FedAvg):
    """The mean over phones of the update per step, times the mean number of steps."""

    mean_only: ClassVar[bool] = False

    local_lr: Rate | None = None  # None: train.lr
    plain_sgd: ClassVar[bool] = True

    @property
    def sgd_rate(self) -> float | None:
        """Plain SGD, since the method normalises by its number of steps."""
        return self.local_lr

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """Each phone's weight in the sum; one without views takes no step and weighs 0."""
        return PhoneInputs(weights=views / np.maximum(steps, 1))

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """FedAvg with the mean step, times the mean number of steps."""
        assert received.steps is not None
        effective = np.average(received.steps, weights=received.views)
        return super().step(head, replace(received, mean=effective * received.mean), state)
