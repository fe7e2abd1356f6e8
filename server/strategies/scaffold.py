"""SCAFFOLD: control variates correct each phone's gradients for that phone's drift.

Karimireddy, Kale, Mohri, Reddi, Stich and Suresh, "SCAFFOLD: Stochastic Controlled Averaging for Federated
Learning", 2020, arXiv:1910.06378, algorithm 1, option II. For phone i with K_i steps of size rate:

    each step   w <- w - rate * (g_i(w) - c_i + c)
    after       c_i <- c_i - c + (head - w) / (K_i * rate)
    server      head <- head + lr * mean update,  c <- c + share * mean change of c_i

The paper counts phones equally. Here, as in FedAvg, they are weighted by views, so c is the mean of all
phones' c_i weighted by views; `share` is the round's fraction of all views (the paper's |S| / N). The phones
run plain SGD: with another optimiser their update divided by K_i * rate would not be a mean gradient.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.local.terms import PhoneInputs
from server.strategies import phone_state
from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Positive, Rate

_OWN = "control"  # the name of the c_i in the state


@dataclass(frozen=True)
class Scaffold(Algorithm):
    """FedAvg with drift-corrected phones."""

    lr: Positive = 1.0
    local_lr: Rate | None = None  # None: train.lr
    plain_sgd: ClassVar[bool] = True
    needs_updates: ClassVar[bool] = True
    heads_down: ClassVar[int] = 2  # the head and c
    heads_up: ClassVar[int] = 2  # the update and the change of c_i

    @property
    def sgd_rate(self) -> float | None:
        """Plain SGD."""
        return self.local_lr

    def begin(self, head: np.ndarray) -> State:
        """Control variates start at 0, on the server and on the phones."""
        return {"c": np.zeros(head.shape)}

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """The correction c - c_i, added to each gradient."""
        own = phone_state.of(state, _OWN, phones, np.zeros(head.shape))
        return PhoneInputs(corrections=(state["c"] - own).astype(np.float32))

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """Moves the head by the mean update, and c by the mean change of the phones' control variates."""
        assert received.updates is not None
        assert received.steps is not None
        assert received.rates is not None
        before = phone_state.of(state, _OWN, received.phones, np.zeros(head.shape))
        way = received.updates / (received.steps * received.rates)[:, None, None]
        after = (before - state["c"] - way).astype(np.float32)
        change = np.average(after.astype(np.float64) - before, axis=0, weights=received.views)
        state = phone_state.kept(state, _OWN, received.phones, after) | {
            "c": state["c"] + received.share * change
        }
        return moved(head, self.lr * received.mean), state
