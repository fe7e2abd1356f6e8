"""MOON: phones keep their representations close to the shared network's, and away from their own of before.

Li, He and Song, "Model-Contrastive Federated Learning", 2021, arXiv:2103.16257, algorithm 1. A phone adds a
contrastive term to its loss (fer_models/networks/contrast.py) that compares what its output layer sees with
what it would see in the network of the round, and in the phone's own network after its last round. The head
moves by the mean update, as in FedAvg. With mu = 0 this is FedAvg; so it is for a phone's first round.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fer_models.local.terms import LocalTerms, PhoneInputs
from server.strategies import phone_state
from server.strategies.base import RoundUpdates, State
from server.strategies.bounds import Positive, Weight
from server.strategies.fedavg import FedAvg

_PREVIOUS = "previous"  # the name of the phones' networks in the state


@dataclass(frozen=True)
class Moon(FedAvg):
    """FedAvg with a contrastive term; mu and temperature as in the paper."""

    mean_only: ClassVar[bool] = False

    mu: Weight = 1.0
    temperature: Positive = 0.5
    needs_updates: ClassVar[bool] = True  # to keep what real phones keep: their own trained network
    trains: ClassVar[Literal["any", "linear", "network"]] = "network"

    @property
    def local(self) -> LocalTerms:
        """The contrastive term."""
        return LocalTerms(contrast=self.mu, temperature=self.temperature)

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """Each phone's network after its last round; the head of this round if it had none."""
        return PhoneInputs(previous=phone_state.of(state, _PREVIOUS, phones, head))

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """FedAvg; the phones' networks are stored."""
        assert received.updates is not None
        state = phone_state.kept(state, _PREVIOUS, received.phones, head + received.updates)
        return super().step(head, received, state)
