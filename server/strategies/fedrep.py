"""FedRep: phones share all layers of a network but the output layer, of which each phone has its own.

Collins, Hassani, Mokhtari and Shakkottai, "Exploiting Shared Representations for Personalized Federated
Learning", 2021, arXiv:2102.07078, algorithm 1. A selected phone starts from the shared layers and its own
output layer, and

    trains its output layer for `output_epochs`, then all other layers for `federation.local_epochs`

The shared layers move by their mean update, as in FedAvg; output layers stay on phones. The shared network
has the mean of all of them, weighted by views, which new phones start from and no other phone uses.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from fer_models.local.terms import LocalTerms, PhoneInputs
from server.strategies import personal_heads, phone_state
from server.strategies.base import Algorithm, RoundUpdates, State, moved


@dataclass(frozen=True)
class FedRep(Algorithm):
    """A shared representation, and personal output layers."""

    output_epochs: Annotated[int, Field(ge=1, le=10_000)] = 5
    own: ClassVar[Literal["", "beside", "instead", "partly"]] = "partly"
    trains: ClassVar[Literal["any", "linear", "network"]] = "network"

    @property
    def local(self) -> LocalTerms:
        """The output layer first, alone."""
        return LocalTerms(output_epochs=self.output_epochs)

    @property
    def extra_epochs(self) -> int:
        """Those of the output layer."""
        return self.output_epochs

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """Each phone's network: the shared layers with its own output layer."""
        return PhoneInputs(starts=phone_state.of(state, personal_heads.NAME, phones, head))

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """FedAvg of the shared layers, which all phones' networks then have."""
        assert received.own is not None
        shared, by = head.size - received.output, received.mean.flatten()
        by[shared:] *= received.share  # as the mean over all phones moves, of which the others keep theirs
        head = moved(head, by.reshape(head.shape))
        state = phone_state.kept(state, personal_heads.NAME, received.phones, received.own)
        networks = state[f"{personal_heads.NAME}.values"]
        networks.reshape(len(networks), -1)[:, :shared] = head.reshape(-1)[:shared]
        return head, state
