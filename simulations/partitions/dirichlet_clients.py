"""Label skew of adjustable strength on phones of equal size: each phone has a class mix of its own.

Hsu, Qi and Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification", 2019, arXiv:1909.06335, section 3.
"""

from dataclasses import dataclass

import numpy as np

from simulations.partitions.base import Partition
from simulations.partitions.dirichlet import EVEN, Alpha

_ONE_SIDED = 1e-9  # an alpha below which a mix is a single class


@dataclass(frozen=True)
class DirichletClients(Partition):
    """A phone's mix is sampled from Dirichlet(alpha x class shares), its photos without replacement by it.

    Sizes differ by at most one. Phones are filled one after another, in random order; where a class has run
    out, a phone goes on with the rest of its mix, and where that has run out, with what is left.
    """

    alpha: Alpha = 0.3

    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Phone by phone."""
        _, label, left = np.unique(labels, return_inverse=True, return_counts=True)
        photos = [rng.permutation(np.flatnonzero(label == c)) for c in range(len(left))]
        prior, owner = left / len(labels), np.empty(len(labels), np.int64)
        for turn, phone in enumerate(rng.permutation(phones)):
            size = len(labels) // phones + (turn < len(labels) % phones)
            taken = _take(self._mix(prior, rng), left, size, rng)
            for c in np.flatnonzero(taken):
                owner[photos[c][left[c] - taken[c] : left[c]]] = phone
            left -= taken
        return owner

    def _mix(self, prior: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The shares of the classes on one phone, (C,)."""
        if self.alpha < _ONE_SIDED:
            only: np.ndarray = np.eye(len(prior))[rng.choice(len(prior), p=prior)]
            return only
        return np.asarray(rng.dirichlet(min(self.alpha, EVEN) * prior))


def _take(mix: np.ndarray, left: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """How many photos of each class, (C,) int64, a phone of `size` takes of those `left`, by its mix."""
    taken = np.zeros_like(left)
    while (missing := size - int(taken.sum())) > 0:
        free = left - taken
        weights = mix * (free > 0)
        if not weights.any():
            weights = free.astype(float)
        taken += np.minimum(rng.multinomial(missing, weights / weights.sum()), free)
    return taken
