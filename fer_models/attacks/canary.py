"""Phones that are easy to find: each sends a direction of its own, the same in every round, and very long.

Against the privacy of phones this is the strongest that one phone can do: its update is as long as the clip
allows and, among so many numbers, at a right angle to nearly all others. Andrew, Kairouz, Oh, Oprea, McMahan
and Suriyakumar, "One-shot Empirical Privacy Estimation for Federated Learning", 2024, arXiv:2302.03098.
"""

from dataclasses import dataclass

import numpy as np

from fer_models.attacks.base import Attack, Scale
from fer_models.local.transforms import Context
from fer_models.seeding import stream


@dataclass(frozen=True)
class Canary(Attack):
    """A random direction with a norm of `scale`, in place of the update."""

    scale: Scale = 1000.0

    def corrupt(self, update: np.ndarray, phone: int, context: Context) -> np.ndarray:
        """The phone's own direction."""
        return self.scale * direction(context.seed, phone, update.size).reshape(update.shape)


def direction(seed: int, phone: int, numbers: int) -> np.ndarray:
    """The direction of a phone, (numbers,) float64 with norm 1."""
    found = stream(seed, "canary", phone).standard_normal(numbers)
    return np.asarray(found / np.linalg.norm(found))
