"""`loss`: no views are added; a phone weighs the losses of its photos by the inverse frequency of the class.

King and Zeng, "Logistic Regression in Rare Events Data", 2001, doi:10.1093/oxfordjournals.pan.a004868. With n
photos on the phone, n_c of them of class c, and K classes, the weight is n / (K n_c): all classes of the
phone weigh alike, and the mean over its photos is 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.balancing.base import Balancing
from fer_models.data.augment import ViewPlan, plan_views
from fer_models.data.images import ImageTable


@dataclass(frozen=True)
class InLoss(Balancing):
    """Every photo once; a `balance` above 0 switches the weights on, its value is not used."""

    weighs: ClassVar[bool] = True
    about: ClassVar[str] = (
        "a photo counts in the loss by the inverse frequency of its class among the photos of its phone,"
        " or of the machine that holds all. No views are added"
    )

    def words(self, balance: int) -> str:
        """Whatever `balance` is."""
        return "in the loss of each phone"

    def plan(self, table: ImageTable, balance: int, phone: np.ndarray, *, seed: int) -> ViewPlan:
        """Every photo as it is."""
        return plan_views(table, 0, seed=seed)
