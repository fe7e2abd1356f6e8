"""Evaluation of a model on held-out photos, and the rule that selects the head to report.

Federated runs and baselines share one rule, so that neither is favoured.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from fer_models.heads import Classifier, cross_entropy
from fer_models.metrics import Scores, confusion, scores

Trained = TypeVar("Trained")


@dataclass(frozen=True)
class HeldOut:
    """Photos held out of training: the model's inputs, one row per photo, and labels (n,) int64."""

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
    """The head to report: the last one, or the one with the best macro-F1 on validation, earliest on ties."""

    rule: str  # "last" or "best"
    head: Trained
    number: int = 0  # its round, or epoch
    macro_f1: float = -1.0

    def after(self, head: Trained, number: int, macro_f1: float | None) -> "Selection[Trained]":
        """The selection after round or epoch `number`; macro_f1 is None if it was not evaluated."""
        if self.rule == "last" or (macro_f1 is not None and macro_f1 > self.macro_f1):
            return Selection(self.rule, head, number, -1.0 if macro_f1 is None else macro_f1)
        return self
