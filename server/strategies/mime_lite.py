"""MimeLite: phones take SGD steps with the server's momentum, which they do not change.

Karimireddy, Jaggi, Kale, Mohri, Reddi, Stich and Suresh, "Breaking the Centralized Barrier for Cross-Device
Federated Learning", 2021, arXiv:2008.03606, algorithm 1 without the control variates, for SGD with momentum.
With the momentum m of the server and a gradient g at its weights w, a phone's step and the server's are

    w <- w - rate * (g + momentum * m)
    m <- mean of the phones' full gradients at the head + momentum * m
    head <- head + mean update

which is the paper's with rate = (1 - momentum) * its rate and m = its m / (1 - momentum): a constant
gradient moves w by rate / (1 - momentum) times itself. The paper counts phones equally; here they are
weighted by views.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.local.terms import PhoneInputs
from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Decay, Rate


@dataclass(frozen=True)
class MimeLite(Algorithm):
    """FedAvg whose phones imitate centralized SGD with momentum."""

    momentum: Decay = 0.9
    local_lr: Rate | None = None  # None: train.lr
    plain_sgd: ClassVar[bool] = True
    measures: ClassVar[tuple[str, ...]] = ("gradient",)
    heads_down: ClassVar[int] = 2  # the head and m
    heads_up: ClassVar[int] = 2  # the update and the gradient

    @property
    def sgd_rate(self) -> float | None:
        """Plain SGD."""
        return self.local_lr

    def begin(self, head: np.ndarray) -> State:
        """No momentum."""
        return {"m": np.zeros(head.shape)}

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """The momentum is added to each gradient, the same for all phones."""
        added = (self.momentum * state["m"]).astype(np.float32)
        return PhoneInputs(corrections=np.broadcast_to(added, (len(phones), *added.shape)))

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """FedAvg; the momentum follows the gradients at the head that the phones started from."""
        gradient = np.average(
            received.measured["gradient"].astype(np.float64), axis=0, weights=received.views
        )
        return moved(head, received.mean), {"m": gradient + self.momentum * state["m"]}
