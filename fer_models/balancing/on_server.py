"""`server`: a central plan over all photos, before they are on phones. No phone could make it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.balancing.base import Balancing
from fer_models.data.augment import ViewPlan, plan_views
from fer_models.data.images import ImageTable


@dataclass(frozen=True)
class OnServer(Balancing):
    """`balance` views of each class; a phone counts by its views, so a rare photo by several."""

    central_plan: ClassVar[bool] = True
    about: ClassVar[str] = (
        "a class with fewer photos is filled with augmented views of its own photos, a class with more"
        " keeps a seeded subset. It is a plan over all photos, made before they are on phones"
    )

    def photos(self, table: ImageTable, balance: int, *, seed: int) -> np.ndarray:
        """Of a class with more than `balance` photos a seeded subset."""
        used = self.plan(table, balance, np.zeros(0), seed=seed).photos
        return np.unique(used[table.split[used] == 0])

    def words(self, balance: int) -> str:
        """The number of views."""
        return f"to {balance:,} views a class"

    def plan(self, table: ImageTable, balance: int, phone: np.ndarray, *, seed: int) -> ViewPlan:
        """The same whoever holds the photos."""
        return plan_views(table, balance, seed=seed)
