"""A model on photos that nobody trained on, and the rule that picks the state of it to report.

The rule is one for phones and baselines, so that neither is favoured.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from fer_models.heads import Classifier, cross_entropy
from fer_models.metrics import Scores, confusion, scores

Trained = TypeVar("Trained")


@dataclass(frozen=True)
class HeldOut:
    """Photos held out of training: what the model reads of them, one row each, and labels (n,) int64."""

    features: np.ndarray
    labels: np.ndarray


def evaluate(classifier: Classifier, held_out: HeldOut) -> tuple[Scores, float]:
    """The scores of a classifier on held-out photos, and its mean cross-entropy."""
    return judge(classifier.probabilities(held_out.features), held_out.labels)


def judge(chances: np.ndarray, labels: np.ndarray) -> tuple[Scores, float]:
    """The scores of class probabilities (n, C) for photos with labels (n,), and the mean cross-entropy."""
    counts = confusion(labels, chances.argmax(axis=1), chances.shape[1])
    return scores(counts), cross_entropy(chances, labels)


@dataclass(frozen=True)
class Selection(Generic[Trained]):
    """What to report: the last state, or the one best on validation by macro-F1, the earliest of equals."""

    rule: str  # "last" or "best"
    head: Trained
    number: int = 0  # the round, or epoch, it comes from
    macro_f1: float = -1.0

    def after(self, head: Trained, number: int, macro_f1: float | None) -> "Selection[Trained]":
        """The choice once round or epoch `number` is over; macro_f1 is None where it was not judged."""
        if self.rule == "last" or (macro_f1 is not None and macro_f1 > self.macro_f1):
            return Selection(self.rule, head, number, -1.0 if macro_f1 is None else macro_f1)
        return self
