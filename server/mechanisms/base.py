"""Interface of mechanisms on the server's sum: (sum, context) -> (sum, metrics). They compose as a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fer_models.errors import RunError
from fer_models.local.training import Update


class SpentError(RunError):
    """The privacy budget does not last for the next release."""


@dataclass(frozen=True)
class SumContext:
    """What a mechanism knows besides the sum."""

    round: int
    seed: int  # of the run, for `fer_models.seeding.stream`
    selected: int  # phones selected for this round
    head: np.ndarray  # (C, D + 1) float32, from which they started


class Mechanism(Protocol):
    """One change of the sum."""

    def __call__(self, update: Update, context: SumContext) -> tuple[Update, dict[str, float]]:
        """The sum to pass on, and numbers by name for the round's line in rounds.jsonl.

        The strategy reads `total / views`: a mechanism that changes one may have to change the other.
        """


def applied(
    mechanisms: Sequence[Mechanism], update: Update, context: SumContext
) -> tuple[Update, dict[str, float]]:
    """The sum after all mechanisms, applied in order, and all their metrics."""
    metrics: dict[str, float] = {}
    for mechanism in mechanisms:
        update, found = mechanism(update, context)
        metrics |= found
    return update, metrics
