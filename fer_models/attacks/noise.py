"""Malicious phones send noise: a Gaussian vector whose expected squared norm is (scale * |u|)^2.

Blanchard, El Mhamdi, Guerraoui and Stainer, "Machine Learning with Adversaries: Byzantine Tolerant Gradient
Descent", 2017, arXiv:1703.02757, section 6, there with a fixed spread; u is the honest update.
"""

from dataclasses import dataclass

import numpy as np

from fer_models.attacks.base import Attack, Scale
from fer_models.local import kernel
from fer_models.local.transforms import Context
from fer_models.seeding import stream


@dataclass(frozen=True)
class Noise(Attack):
    """Gaussian noise instead of the update."""

    scale: Scale = 50.0

    def corrupt(self, update: np.ndarray, phone: int, context: Context) -> np.ndarray:
        """New noise in every round."""
        rng = stream(context.seed, "attack", context.round, phone)
        spread = self.scale * kernel.norms(update[None])[0] / np.sqrt(update.size)
        return np.asarray(spread * rng.standard_normal(update.shape))
