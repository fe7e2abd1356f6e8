"""A person's photos stay together, as on real phones."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulations.partitions.base import Partition


@dataclass(frozen=True)
class Subject(Partition):
    """People in seeded order, those with most photos first, each to the phone with fewest photos.

    With at least as many phones as people, each person has their own phone.
    """

    needs_subjects: ClassVar[bool] = True

    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Person by person."""
        assert subjects is not None
        people, person, sizes = np.unique(subjects, return_inverse=True, return_counts=True)
        loads, home = np.zeros(phones), np.empty(len(people), np.int64)
        order = rng.permutation(len(people))
        for one in order[np.argsort(-sizes[order], kind="stable")]:
            home[one] = loads.argmin()
            loads[home[one]] += sizes[one]
        return home[person]
