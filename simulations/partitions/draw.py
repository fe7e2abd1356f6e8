"""Phones that own no photos: each samples its views, always the same ones, whenever it trains
(fer_models/data/draws.py).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from fer_models.data.draws import PoolDraws
from fer_models.local.phone_rows import PhoneRows
from simulations.partitions.base import Partition
from simulations.partitions.dirichlet import Alpha


@dataclass(frozen=True)
class Draw(Partition):
    """Each phone samples from all training views, with its own class mix; phones may outnumber photos."""

    alpha: Alpha = 0.3
    photos_per_phone: Annotated[int, Field(ge=1, le=100_000)] = 40
    owns_rows: ClassVar[bool] = False

    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """All in one pool."""
        return np.zeros(len(labels), np.int64)

    def holdings(
        self, pool: PhoneRows, owner: np.ndarray, *, phones: int, classes: int, seed: int
    ) -> PoolDraws:
        """Phones that sample from the pool."""
        return PoolDraws.of_pool(
            pool.features,
            pool.labels,
            pool.rows,
            phones=phones,
            each=self.photos_per_phone,
            alpha=self.alpha,
            classes=classes,
            seed=seed,
        )

    @property
    def words(self) -> str:
        """For example: alpha 0.3, views each: 40."""
        return f", alpha {self.alpha:g}, views each: {self.photos_per_phone}"
