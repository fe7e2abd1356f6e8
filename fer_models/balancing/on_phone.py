"""`phone`: each phone balances the classes that it holds, with augmented views of its own photos.

A class gets as many views as the phone's largest class has photos, but no more than `balance`; a class with
more photos keeps them all. So a phone has at most (its classes) x (its largest class) views. It counts in the
mean by its photos: what it adds for itself gives it no more weight.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.balancing.base import Balancing
from fer_models.data.augment import ViewPlan, planned
from fer_models.data.images import ImageTable
from fer_models.seeding import stream


@dataclass(frozen=True)
class OnPhone(Balancing):
    """Views of a phone's own photos."""

    own_views: ClassVar[bool] = True
    about: ClassVar[str] = (
        "every class that a phone holds is filled with augmented views of its own photos, and the"
        " phone counts by its photos. A machine that holds all photos does the same"
    )

    def words(self, balance: int) -> str:
        """The number of views."""
        return f"by each phone, up to its largest class and at most {balance:,} views"

    def plan(self, table: ImageTable, balance: int, phone: np.ndarray, *, seed: int) -> ViewPlan:
        """On each phone the photos of a class add views in turn, in a seeded order."""
        training = np.flatnonzero(table.split == 0)
        training = training[np.lexsort((table.labels[training], phone[training]))]
        ends = np.flatnonzero(np.diff(phone[training]) | np.diff(table.labels[training])) + 1
        classes = np.split(training, ends)  # photos of one class on one phone each
        largest: dict[int, int] = {}
        for rows in classes:
            owner = int(phone[rows[0]])
            largest[owner] = max(largest.get(owner, 0), len(rows))
        photos, views = [], []
        for rows in classes:
            owner, name = int(phone[rows[0]]), table.classes[table.labels[rows[0]]]
            own = stream(seed, "balance", name, owner).permutation(rows)
            turn = np.arange(max(len(own), min(largest[owner], balance)))
            photos.append(own[turn % len(own)])
            views.append(turn // len(own))
        return planned(table, np.concatenate(photos), np.concatenate(views))
