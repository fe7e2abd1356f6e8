"""Ditto: besides the shared head, each phone trains a personal head that is pulled towards the shared one.

Li, Hu, Beirami and Smith, "Ditto: Fair and Robust Federated Learning Through Personalization", 2021,
arXiv:2012.04221, algorithm 1. Besides its update of the shared head, a selected phone trains its own v on

    F_i(v) + own_pull / 2 * |v - head|^2

starting from its previous v, or from the shared head the first time. The shared head equals FedAvg's, bit for
bit.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fer_models.local.terms import PhoneInputs
from server.strategies import personal_heads, phone_state
from server.strategies.base import RoundUpdates, State
from server.strategies.bounds import Weight
from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class Ditto(FedAvg):
    """FedAvg, plus a personal head for each phone; own_pull is the paper's lambda."""

    own_pull: Weight = 1.0
    own: ClassVar[Literal["", "beside", "instead"]] = "beside"

    @property
    def personal_pull(self) -> float:
        """The pull of personal heads towards the shared head."""
        return self.own_pull

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """Each phone's personal head."""
        return PhoneInputs(starts=phone_state.of(state, personal_heads.NAME, phones, head))

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """FedAvg; the personal heads are stored."""
        assert received.own is not None
        head, state = super().step(head, received, state)
        return head, phone_state.kept(state, personal_heads.NAME, received.phones, received.own)
