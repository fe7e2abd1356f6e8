"""What a strategy changes in the local update: numbers for all phones, and arrays with a row for each.

Both travel to the nodes as they are: a new field here is read where it is computed (kernel.py for linear
heads, networks/phones.py for networks), and named nowhere in between.
"""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class LocalTerms:
    """What a strategy changes in every phone's local update; default: nothing."""

    pull: float = 0.0  # towards the head of the round: pull * (w - head) is added to every gradient
    margin: float = 0.0  # margin * n^(-1/4) is subtracted from a class's logits; n: the phone's views of it
    prior: float = 0.0  # prior * log n is added to them; with either, classes without views leave the softmax
    # Of a network: how many epochs train its output layer alone, the first ones; the others train all but it.
    # -1: every epoch trains all layers.
    output_epochs: int = -1
    contrast: float = 0.0  # of a network: the strength of its contrastive term (networks/contrast.py)
    temperature: float = 0.5  # of that term


@dataclass(frozen=True)
class PhoneInputs:
    """What phones receive besides the head, one row per phone, in their order; None: nothing."""

    weights: np.ndarray | None = None  # (k,) float64, its weight in the sum; default: what it counts
    corrections: np.ndarray | None = None  # (k, C, D + 1) float32, added to each of its gradients
    previous: np.ndarray | None = None  # (k, 1, P) float32, its network of before, for `LocalTerms.contrast`
    starts: np.ndarray | None = None  # (k, C, D + 1) float32, heads that phones start from instead

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Those that are given, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in found.items() if array is not None}

    def of(self, places: np.ndarray) -> "PhoneInputs":
        """Those of the phones at `places` (j,)."""
        return PhoneInputs(**{name: array[places] for name, array in self.arrays.items()})
