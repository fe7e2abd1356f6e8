"""Malicious phones push in the opposite direction: instead of the honest update u they send -scale * u.

Li, Xu, Chen, Giannakis and Ling, "RSA: Byzantine-Robust Stochastic Aggregation Methods for Distributed
Learning from Heterogeneous Datasets", 2019, arXiv:1811.03761, section 4.
"""

from dataclasses import dataclass

import numpy as np

from fer_models.attacks.base import Attack, Scale
from fer_models.local.transforms import Context


@dataclass(frozen=True)
class SignFlip(Attack):
    """The update, reversed."""

    scale: Scale = 4.0

    def corrupt(self, update: np.ndarray, phone: int, context: Context) -> np.ndarray:
        """Against the direction of the honest update."""
        return -self.scale * update
