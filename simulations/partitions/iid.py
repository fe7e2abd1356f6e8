"""Independent and identically distributed: every phone has the same class mix, up to chance."""

from dataclasses import dataclass

import numpy as np

from simulations.partitions.base import Partition


@dataclass(frozen=True)
class Iid(Partition):
    """Photos shuffled and dealt one by one: sizes differ by at most one."""

    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """As dealt."""
        owner = np.empty(len(labels), np.int64)
        owner[rng.permutation(len(labels))] = np.arange(len(labels)) % phones
        return owner
