"""Photos sorted by class and cut into pieces: what is usually called the pathological non-IID partition.

McMahan, Moore, Ramage, Hampson and Agüera y Arcas, "Communication-Efficient Learning of Deep Networks from
Decentralized Data", 2017, arXiv:1602.05629, section 3.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from simulations.partitions.base import Partition


@dataclass(frozen=True)
class SortedShards(Partition):
    """Photos sorted by class, cut into phones x `shards_per_phone` shards, that many at random to a phone.

    Shard sizes differ by at most one; with more shards than photos a shard is one photo, and some phones
    get fewer.
    """

    shards_per_phone: Annotated[int, Field(ge=1, le=1_000_000)] = 2

    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """As above."""
        each = self.shards_per_phone
        photos = len(labels)
        mixed = rng.permutation(photos)
        in_order = mixed[np.argsort(labels[mixed], kind="stable")]
        shards = min(phones * each, photos)
        phone = rng.choice(phones * each, shards, replace=False) // each
        owner = np.empty(photos, np.int64)
        owner[in_order] = phone[np.arange(photos) * shards // photos]
        return owner

    @property
    def words(self) -> str:
        """For example: shards on a phone: 2."""
        return f", shards on a phone: {self.shards_per_phone}"
