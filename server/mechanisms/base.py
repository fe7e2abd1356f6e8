"""What a mechanism on the server's sum is: (sum, context) -> (sum, metrics). They compose as a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fer_models.local.training import Update


@dataclass(frozen=True)
class SumContext:
    """What a mechanism knows beside the sum."""

    round: int
    seed: int  # of the run, for `fer_models.seeding.stream`
    asked: int  # phones that were asked to train in this round
    head: np.ndarray  # (C, D + 1) float32, from which they started


class Mechanism(Protocol):
    """One change of the sum."""

    def __call__(self, update: Update, context: SumContext) -> tuple[Update, dict[str, float]]:
        """The sum as it goes on, and numbers by name for the round's line in rounds.jsonl.

        The strategy reads `total / views`: what changes the one may have to change the other.
        """


def applied(
    mechanisms: Sequence[Mechanism], update: Update, context: SumContext
) -> tuple[Update, dict[str, float]]:
    """The sum after all mechanisms, one after another, and all their numbers."""
    metrics: dict[str, float] = {}
    for mechanism in mechanisms:
        update, found = mechanism(update, context)
        metrics |= found
    return update, metrics
