"""The interface of a server algorithm: from the head of a round and its updates to the next head.

Each algorithm is one page of pure NumPy that reads like its paper: fedavg, fedavgm, adaptive, qfedavg,
median, trimmed_mean, krum, bulyan ... `registry.make` builds the one that the settings name.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from fer_models.local.terms import LocalTerms, PhoneInputs
from fer_models.run_folder.summary import Chosen

State = dict[str, np.ndarray]  # kept between rounds; stored in the checkpoint unchanged


@dataclass(frozen=True)
class RoundUpdates:
    """The updates of a round; the phones are sorted by id."""

    phones: np.ndarray  # (k,) int64, ids
    views: np.ndarray  # (k,) int64, what each counts: its views; its photos if it balances classes itself
    mean: np.ndarray  # (C, D + 1) float64: sum of weight * (head - start) / sum of views; weights are views
    updates: np.ndarray | None = None  # (k, C, D + 1) float32, head - start per phone; if `needs_updates`
    losses: np.ndarray | None = None  # (k,) float64, mean loss of the start on the phone's views; if `losses`
    steps: np.ndarray | None = None  # (k,) int64, optimiser steps of each phone
    share: float = 1.0  # these phones' fraction of the views of all phones
    own: np.ndarray | None = None  # (k, C, D + 1) float32, their personal heads after the round
    measured: Mapping[str, np.ndarray] = field(default_factory=dict)  # (k, ...) each, by name
    rates: np.ndarray | None = None  # (k,) float64, the learning rate of each phone, which is its round's
    output: int = 0  # values of a network's output layer, which are the head's last; 0 for a linear head


@dataclass(frozen=True)
class Algorithm(ABC):
    """One server step, and what it requires of the phones. A page is a frozen dataclass of its options.

    Everything is computed in float64 and rounded to float32 once, in the new head. An algorithm is immutable:
    what it keeps between rounds goes in and out as `State`.
    """

    needs_updates: ClassVar[bool] = False  # whether it needs `RoundUpdates.updates`
    losses: ClassVar[bool] = False  # whether it needs `RoundUpdates.losses`
    measures: ClassVar[tuple[str, ...]] = ()  # what it needs in `RoundUpdates.measured`: local/measures.py
    # Personal heads: none, besides this one, instead of it, or in place of a part of it.
    own: ClassVar[Literal["", "beside", "instead", "partly"]] = ""
    trains: ClassVar[Literal["any", "linear", "network"]] = "any"  # linear heads, whole networks, or both
    # Whether its step reads nothing of a round but the mean, also one over phones that count equally: then a
    # mean that is private serves it. In private runs it gets nothing else.
    mean_only: ClassVar[bool] = False
    closed_form: ClassVar[bool] = False  # whether phones send sums once instead of rounds: closed_form.py
    plain_sgd: ClassVar[bool] = False  # whether its phones must run plain SGD: train.optimizer, or `sgd_rate`
    heads_down: ClassVar[int] = 1  # what a real phone downloads per round, in multiples of a head's bytes
    heads_up: ClassVar[int] = 1  # and uploads

    @property
    def more_than_the_sum(self) -> str:
        """Why the sum of a round's updates is not enough for it, in words; "" if it is."""
        if self.needs_updates:
            return "it reads each phone's update"
        if self.own in ("instead", "partly"):
            return "phones share nothing, or a part of their head"
        if self.measures or self.losses:
            return "phones send more than an update, and it is read one by one"
        return ""

    @property
    def can_be_private(self) -> bool:
        """Whether a private mean serves it; closed forms answer for themselves."""
        return self.mean_only

    @classmethod
    def has_rounds(cls) -> bool:
        """Whether phones train one head together, round after round."""
        return not cls.closed_form and cls.own != "instead"

    def check(self, phones: int) -> None:
        """ValueError, one line that starts with the option, if it cannot work with `phones` per round."""
        return

    @property
    def local(self) -> LocalTerms:
        """What it changes in every phone's local update; default: nothing."""
        return LocalTerms()

    @property
    def local_after(self) -> LocalTerms:
        """The same for local fine-tuning at the end; default: as in the rounds."""
        return self.local

    @property
    def extra_epochs(self) -> int:
        """Epochs of every local update besides `federation.local_epochs`."""
        return 0

    @property
    def sgd_rate(self) -> float | None:
        """The learning rate of plain SGD on the phones, overriding section `train`; None: as `train` says."""
        return None

    @property
    def personal_pull(self) -> float:
        """How strongly personal heads are pulled towards the shared head while they are trained."""
        return 0.0

    @property
    def epochs_after(self) -> int:
        """Epochs of local fine-tuning of the selected head on each phone at the end; 0: none."""
        return 0

    def begin(self, head: np.ndarray) -> State:
        """The state before the first round, for a head of this shape (C, D + 1); default: empty."""
        return {}

    def ask(
        self, head: np.ndarray, phones: np.ndarray, views: np.ndarray, steps: np.ndarray, state: State
    ) -> PhoneInputs:
        """The inputs of `phones` (k,) in a round, besides its head; views, steps (k,) as in RoundUpdates."""
        return PhoneInputs()

    def chosen(self, state: State) -> Chosen:
        """What it chose, for summary.json, from its last state; default: nothing."""
        return {}

    @abstractmethod
    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """From the head (C, D + 1) float32 that phones started from: the next head and the next state."""


def moved(head: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The head (C, D + 1) float32 moved by an update (C, D + 1) float64, rounded once."""
    return np.asarray((head + by).astype(np.float32))
