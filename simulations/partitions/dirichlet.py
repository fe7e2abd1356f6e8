"""Label skew of adjustable strength.

Hsu, Qi and Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification", 2019, arXiv:1909.06335.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from simulations.partitions.base import Partition

_EVEN = 1e12  # an alpha whose shares are even; far larger ones overflow
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
            shares = rng.dirichlet(np.full(phones, min(self.alpha, _EVEN)))
            if not np.isfinite(shares).all():  # a tiny alpha underflows: all to one phone, its limit
                shares = np.eye(phones)[rng.integers(phones)]
            cuts = np.floor(np.cumsum(shares)[:-1] * len(photos) + 0.5).astype(np.int64)
            owner[photos] = np.searchsorted(cuts, np.arange(len(photos)), side="right")
        return owner
