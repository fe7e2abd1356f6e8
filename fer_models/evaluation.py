"""A head on photos that nobody trained on, and the rule that picks the head to report.

The rule is one for phones and baselines, so that neither is favoured.
"""

from dataclasses import dataclass

import numpy as np

from fer_models.heads import probabilities
from fer_models.metrics import Scores, confusion, scores


@dataclass(frozen=True)
class HeldOut:
    """Photos held out of training: features (n, D) float32 and labels (n,) int64."""

    features: np.ndarray
    labels: np.ndarray


def evaluate(head: np.ndarray, held_out: HeldOut) -> Scores:
    """The scores of a head (C, D + 1) on held-out photos."""
    predicted = probabilities(head, held_out.features).argmax(axis=1)
    return scores(confusion(held_out.labels, predicted, len(head)))


@dataclass(frozen=True)
class Selection:
    """The head to report: the last one, or the one best on validation by macro-F1, the earliest of equals."""

    rule: str  # "last" or "best"
    head: np.ndarray
    number: int = 0  # the round, or epoch, it comes from
    macro_f1: float = -1.0

    def after(self, head: np.ndarray, number: int, macro_f1: float | None) -> "Selection":
        """The choice once round or epoch `number` is over; macro_f1 is None where it was not judged."""
        if self.rule == "last" or (macro_f1 is not None and macro_f1 > self.macro_f1):
            return Selection(self.rule, head, number, -1.0 if macro_f1 is None else macro_f1)
        return self
