"""Own priors: the shared head, its probabilities times a phone's class frequencies over those of all phones.

The floor of personal heads: what knowing a phone's class counts alone gives. Saerens, Latinne and
Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori Probabilities", 2002,
doi:10.1162/089976602753284446. With n_c views of class c among the phone's n, and frequencies p_c among the
views of all phones that have taken part,

    logit of c <- logit of c + log((n_c + smoothing * p_c) / (n + smoothing)) - log p_c

The shared head is FedAvg's. A phone sends its class counts beside its update; it could add the logarithms
itself if it got p_c. As in training, views are counted, including the copies that balance the classes.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.heads import with_added_bias
from server.strategies import personal_heads, phone_state
from server.strategies.base import RoundUpdates, State
from server.strategies.bounds import Positive
from server.strategies.fedavg import FedAvg

_COUNTS = "counts"  # the name of the phones' class counts in the state


@dataclass(frozen=True)
class OwnPrior(FedAvg):
    """FedAvg, plus a bias for each phone; `smoothing` views with the frequencies of all join its own."""

    mean_only: ClassVar[bool] = False

    smoothing: Positive = 10.0
    measures: ClassVar[tuple[str, ...]] = ("class_counts",)

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """FedAvg; every phone known so far has its bias on the new head."""
        head, state = super().step(head, received, state)
        state = phone_state.kept(state, _COUNTS, received.phones, received.measured["class_counts"])
        phones, counts = state[f"{_COUNTS}.phones"], state[f"{_COUNTS}.values"].astype(np.float64)
        own = np.stack([with_added_bias(head, bias) for bias in self.biases(counts)])
        return head, phone_state.kept(state, personal_heads.NAME, phones, own)

    def biases(self, counts: np.ndarray) -> np.ndarray:
        """What each phone adds to its logits, (k, C), from class counts (k, C); 0 where no phone has any."""
        all_phones = counts.sum(axis=0)
        there = all_phones > 0
        frequencies = np.where(there, all_phones, 1) / all_phones.sum()
        smoothed = counts + self.smoothing * frequencies
        ratio = smoothed / (counts.sum(axis=1, keepdims=True) + self.smoothing) / frequencies
        return np.asarray(np.where(there, np.log(ratio), 0.0))
