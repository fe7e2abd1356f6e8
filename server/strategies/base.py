"""What an algorithm of the server is: from the head of a round and what came back to the next head.

Each algorithm is a page of its own, pure NumPy, and reads like its paper: fedavg, fedavgm, adaptive, qfedavg,
median, trimmed_mean, krum, bulyan ... `registry.make` builds the one that the settings name.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fer_models.local.training import LocalTerms

State = dict[str, np.ndarray]  # what is kept between rounds; goes into the checkpoint as it is


@dataclass(frozen=True)
class PhoneInputs:
    """What phones get beside the head, each in the order of the phones; None: nothing."""

    weights: np.ndarray | None = None  # (k,) float64, of each in the sum, instead of its views
    corrections: np.ndarray | None = None  # (k, C, D + 1) float32, added to each of its gradients
    starts: np.ndarray | None = None  # (k, C, D + 1) float32, its own head, where `own` says it has one


@dataclass(frozen=True)
class RoundUpdates:
    """What came back in a round; the phones are sorted by id."""

    phones: np.ndarray  # (k,) int64, ids
    views: np.ndarray  # (k,) int64
    mean: np.ndarray  # (C, D + 1) float64: sum of weight * (head - start) / sum of views; weights are views
    updates: np.ndarray | None = (
        None  # (k, C, D + 1) float32, each phone's head - start; for `needs_updates` ones
    )
    losses: np.ndarray | None = None  # (k,) float64, mean loss of the start on each's views; for `losses`
    steps: np.ndarray | None = None  # (k,) int64, optimiser steps of each
    share: float = 1.0  # of all phones' views, that of these phones
    own: np.ndarray | None = None  # (k, C, D + 1) float32, their own heads after the round


@dataclass(frozen=True)
class Algorithm(ABC):
    """One server step, and what it asks of the phones. A page is a frozen dataclass of its options.

    Everything is computed in float64 and rounded to float32 once, in the new head. An algorithm holds nothing
    that changes: what it keeps goes in and out as `State`.
    """

    needs_updates: ClassVar[bool] = False  # whether it needs `RoundUpdates.updates`
    losses: ClassVar[bool] = False  # whether it needs `RoundUpdates.losses`
    own: ClassVar[Literal["", "beside", "instead"]] = ""  # whether phones train own heads, and this one too
    closed_form: ClassVar[bool] = False  # whether the head follows from sums that phones send once: ridge.py
    heads_down: ClassVar[int] = 1  # heads' worth of bytes that a real phone receives in a round
    heads_up: ClassVar[int] = 1  # and sends

    @classmethod
    def has_rounds(cls) -> bool:
        """Whether phones train one head together, round after round."""
        return not cls.closed_form and cls.own != "instead"

    def check(self, phones: int) -> None:
        """ValueError, a line that begins with the option, where it cannot work with `phones` in a round."""
        return

    @property
    def local(self) -> LocalTerms:
        """What it changes in the local update of every phone."""
        return LocalTerms()

    @property
    def sgd_rate(self) -> float | None:
        """The learning rate of phones that run plain SGD, whatever the settings of training say; or None."""
        return None

    @property
    def personal_pull(self) -> float:
        """How strongly the phones' own heads are pulled towards the shared one, in training beside it."""
        return 0.0

    @property
    def epochs_after(self) -> int:
        """Epochs for which each phone trains the chosen head further for itself at the end; 0: none."""
        return 0

    def begin(self, head: np.ndarray) -> State:
        """The state before the first round, for a head of this shape (C, D + 1); nothing, as it stands."""
        return {}

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """What `phones` (k,) get beside the head of a round; views and steps (k,) are theirs in it."""
        return PhoneInputs()

    @abstractmethod
    def step(self, head: np.ndarray, came: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The head (C, D + 1) float32 that phones started from -> the next one, and the next state."""


def moved(head: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The head (C, D + 1) float32 moved by an update (C, D + 1) float64, rounded once."""
    return np.asarray((head + by).astype(np.float32))
