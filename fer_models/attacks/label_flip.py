"""Malicious phones train on wrong labels, class C - 1 - c for class c, and send the resulting update.

Fang, Cao, Jia and Gong, "Local Model Poisoning Attacks to Byzantine-Robust Federated Learning", 2020,
arXiv:1911.11815, section 4.
"""

from dataclasses import dataclass

import numpy as np

from fer_models.attacks.base import Attack


@dataclass(frozen=True)
class LabelFlip(Attack):
    """Data poisoning: the update has nothing conspicuous about its form."""

    def relabel(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """The first class becomes the last, the second the last but one ..."""
        return classes - 1 - labels
