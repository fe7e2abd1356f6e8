"""Label skew of adjustable strength.

Yurochkin, Agarwal, Ghosh, Greenewald, Hoang and Khazaeni, "Bayesian Nonparametric Federated Learning of
Neural Networks", 2019, arXiv:1905.12022, section 4. Sizes are skewed as well. For phones of equal size, each
with its own mix, see dirichlet_clients.py, whose alpha is not comparable.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from simulations.partitions.base import Partition

EVEN = 1e12  # an alpha whose shares are even; far larger ones overflow
Alpha = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Dirichlet(Partition):
    """Each class is split over the phones in proportions sampled from Dirichlet(alpha)."""

    alpha: Alpha = 0.3

    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Class by class."""
        owner = np.empty(len(labels), np.int64)
        for label in np.unique(labels):
            photos = rng.permutation(np.flatnonzero(labels == label))
            shares = rng.dirichlet(np.full(phones, min(self.alpha, EVEN)))
            if not np.isfinite(shares).all():  # a tiny alpha underflows: all to one phone, its limit
                shares = np.eye(phones)[rng.integers(phones)]
            cuts = np.floor(np.cumsum(shares)[:-1] * len(photos) + 0.5).astype(np.int64)
            owner[photos] = np.searchsorted(cuts, np.arange(len(photos)), side="right")
        return owner
