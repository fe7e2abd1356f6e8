"""The ways to balance by their names in the settings."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fer_models.balancing.base import Balancing
from fer_models.balancing.in_loss import InLoss
from fer_models.balancing.on_phone import OnPhone
from fer_models.balancing.on_server import OnServer
from fer_models.config import DataConfig
from fer_models.data.augment import ViewPlan, plan_views
from fer_models.data.images import ImageTable
from fer_models.pages.registry import Registry

WAYS: dict[str, type[Balancing]] = {"phone": OnPhone, "server": OnServer, "loss": InLoss}
_DEFAULT = DataConfig().balance_on
BALANCINGS: Registry[Balancing] = Registry("data.balance_on", Balancing, WAYS, default=_DEFAULT, own=False)  # type: ignore[type-abstract]


@dataclass(frozen=True)
class Unbalanced(Balancing):
    """What data.balance = 0 makes of every way: each photo once, each loss as it is."""

    about: ClassVar[str] = "data.balance is 0"

    def words(self, balance: int) -> str:
        """Not at all."""
        return "not at all"

    def plan(self, table: ImageTable, balance: int, phone: np.ndarray, *, seed: int) -> ViewPlan:
        """Every photo as it is."""
        return plan_views(table, 0, seed=seed)


def chosen(data: DataConfig) -> Balancing:
    """The way that the settings name."""
    return BALANCINGS.page(data.balance_on)() if data.balance else Unbalanced()


def central_plan(table: ImageTable, data: DataConfig, *, seed: int) -> ViewPlan:
    """The views of a machine that holds all training photos."""
    return chosen(data).plan(table, data.balance, np.zeros(len(table), np.int64), seed=seed)
