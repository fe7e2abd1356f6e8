"""Local training only (the strategy `local`): each phone trains a personal head and sends nothing.

This is the baseline that federated learning has to beat. There is no shared head. Stored in its place is the
mean of all phones' heads, weighted by views (the initial head for phones that have not trained yet). No phone
uses it; it shows what averaging once, at the end, would give.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fer_models.local.terms import PhoneInputs
from server.strategies import personal_heads, phone_state
from server.strategies.base import Algorithm, RoundUpdates, State, moved


@dataclass(frozen=True)
class LocalOnly(Algorithm):
    """Personal heads and nothing else."""

    own: ClassVar[Literal["", "beside", "instead"]] = "instead"
    heads_down: ClassVar[int] = 0
    heads_up: ClassVar[int] = 0

    def begin(self, head: np.ndarray) -> State:
        """The head that all phones start from."""
        return {"first": head}

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """Each phone's personal head, from which it continues."""
        return PhoneInputs(starts=phone_state.of(state, personal_heads.NAME, phones, state["first"]))

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The personal heads are stored; their mean moves by the mean of their updates."""
        assert received.own is not None
        state = phone_state.kept(state, personal_heads.NAME, received.phones, received.own)
        return moved(head, received.share * received.mean), state
