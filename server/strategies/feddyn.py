"""FedDyn: each phone's loss is adjusted round by round until the phones' optima coincide.

Acar, Zhao, Matas Navarro, Mattina, Whatmough and Saligrama, "Federated Learning Based on Dynamic
Regularization", 2021, arXiv:2111.04263, algorithm 1. Phone i minimises

    F_i(w) - <h_i, w> + alpha / 2 * |w - head|^2,   then   h_i <- h_i - alpha * (w - head)

and the server

    h <- h - alpha * share * mean update,   head <- head + mean update - h / alpha

The paper counts phones equally. Here they are weighted by views: h is then the mean of all h_i, weighted so,
and at a fixed point h_i is the gradient of F_i and h = 0: the gradients, weighted by views, sum to 0, which
is the optimum that FedAvg aims for. `share` is the round's fraction of all views (the paper's |P| / m). The
phones run plain SGD, because the h_i estimate its gradients.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.local.terms import LocalTerms, PhoneInputs
from server.strategies import phone_state
from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Positive, Rate

_OWN = "bend"  # the name of the h_i in the state


@dataclass(frozen=True)
class FedDyn(Algorithm):
    """Dynamic regularisation of the phones' losses."""

    alpha: Positive = 0.3
    local_lr: Rate | None = None  # None: train.lr
    plain_sgd: ClassVar[bool] = True
    needs_updates: ClassVar[bool] = True

    @property
    def local(self) -> LocalTerms:
        """The pull towards the head."""
        return LocalTerms(pull=self.alpha)

    @property
    def sgd_rate(self) -> float | None:
        """Plain SGD."""
        return self.local_lr

    def begin(self, head: np.ndarray) -> State:
        """The server's h starts at 0."""
        return {"h": np.zeros(head.shape)}

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """-h_i is added to each gradient."""
        return PhoneInputs(corrections=-phone_state.of(state, _OWN, phones, np.zeros(head.shape)))

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """Updates the phones' h_i, the server's h and the head."""
        assert received.updates is not None
        own = (
            phone_state.of(state, _OWN, received.phones, np.zeros(head.shape)) - self.alpha * received.updates
        )
        h = state["h"] - self.alpha * received.share * received.mean
        state = phone_state.kept(state, _OWN, received.phones, own) | {"h": h}
        return moved(head, received.mean - h / self.alpha), state
