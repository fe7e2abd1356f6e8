"""No federation (the strategy `local`): each phone trains a head of its own and sends nothing.

What phones reach alone is what federated learning has to beat. There is no shared head. The one that is kept
in its place is the mean of all phones' heads, weighted by views (the first head for those that have not
trained yet), which no phone uses: averaging once, at the end, is what it shows.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from server.strategies import personal_heads, phone_state
from server.strategies.base import Algorithm, PhoneInputs, RoundUpdates, State, moved


@dataclass(frozen=True)
class LocalOnly(Algorithm):
    """Heads of the phones' own, and nothing else."""

    own: ClassVar[Literal["", "beside", "instead"]] = "instead"
    heads_down: ClassVar[int] = 0
    heads_up: ClassVar[int] = 0

    def begin(self, head: np.ndarray) -> State:
        """The head that all phones begin with."""
        return {"first": head}

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """Each phone's own head, from which it goes on."""
        return PhoneInputs(starts=phone_state.of(state, personal_heads.NAME, phones, state["first"]))

    def step(self, head: np.ndarray, came: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The own heads are kept; their mean moves by what they moved by."""
        assert came.own is not None
        state = phone_state.kept(state, personal_heads.NAME, came.phones, came.own)
        return moved(head, came.share * came.mean), state
