"""FedNova: a phone that takes more steps does not count for more than its views.

Wang, Liu, Liang, Joshi and Poor, "Tackling the Objective Inconsistency Problem in Heterogeneous Federated
Optimization", 2020, arXiv:2007.07481, equation 7, for phones of plain SGD (a_i all ones). With p_i a phone's
share of the views of the round and K_i its steps:

    head <- head + K * sum of p_i * update_i / K_i,   K = sum of p_i * K_i

FedAvg is the same where all phones take equally many steps. The weights views_i * K / K_i go out with the
order, so that what comes back is this sum already.
"""

from dataclasses import dataclass

import numpy as np

from server.strategies.base import PhoneInputs, State
from server.strategies.bounds import Rate
from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class FedNova(FedAvg):
    """The mean of the phones' mean steps, times the mean number of steps."""

    local_lr: Rate = 0.01

    @property
    def sgd_rate(self) -> float:
        """Plain SGD: its steps are what is counted."""
        return self.local_lr

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """Each phone's weight in the sum."""
        return PhoneInputs(weights=views * (np.average(steps, weights=views) / steps))
