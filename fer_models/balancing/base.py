"""The interface of a way to balance: from photos and their phones to the plan of training views."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.data.augment import ViewPlan
from fer_models.data.images import ImageTable


@dataclass(frozen=True)
class Balancing(ABC):
    """Who balances the classes, and how. `balance` is data.balance, above 0."""

    central_plan: ClassVar[bool] = False  # whether it needs to know all photos of all phones
    own_views: ClassVar[bool] = False  # whether the views of a photo depend on the phone that holds it
    weighs: ClassVar[bool] = False  # whether phones weigh the loss of a photo by its class
    about: ClassVar[str]  # what happens to a class, for reports: ends "Training classes are balanced ...: "

    def photos(self, table: ImageTable, balance: int, *, seed: int) -> np.ndarray:
        """The training photos in use, rows (k,) of the table, sorted; default: all."""
        return np.flatnonzero(table.split == 0)

    @abstractmethod
    def words(self, balance: int) -> str:
        """How classes are balanced, for reports: ends "balanced ..."."""

    @abstractmethod
    def plan(self, table: ImageTable, balance: int, phone: np.ndarray, *, seed: int) -> ViewPlan:
        """The views of these photos, and the held-out photos.

        `phone` (n,) int64: which one holds each photo of the table; a machine that holds all is one phone.
        """
