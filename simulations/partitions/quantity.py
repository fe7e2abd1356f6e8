"""Quantity skew: phones differ in how much they hold, and in their classes only by chance."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from simulations.partitions.base import Partition


@dataclass(frozen=True)
class Quantity(Partition):
    """Sizes in proportion to log-normal samples: exp of sigma times a standard normal."""

    sigma: Annotated[float, Field(ge=0, le=100)] = 1.0

    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Shuffled photos, cut to these sizes."""
        photos = len(labels)
        draws = rng.standard_normal(phones)
        owner = np.empty(photos, np.int64)
        owner[rng.permutation(photos)] = _cut(np.exp(self.sigma * (draws - draws.max())), photos)
        return owner


def _cut(shares: np.ndarray, photos: int) -> np.ndarray:
    """The part that each of `photos` in a row falls into, (photos,) int64; parts are as long as `shares`."""
    ends = np.cumsum(shares)
    cuts = np.floor(ends[:-1] / ends[-1] * photos + 0.5)
    return np.searchsorted(cuts, np.arange(photos), side="right")
