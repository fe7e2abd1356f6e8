"""Confusion counts that add; every ratio is derived from them at the end.

The ratios follow scikit-learn's definitions (accuracy_score, balanced_accuracy_score, f1_score):
a ratio without a denominator is 0, and balanced accuracy is the mean recall of the classes present.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scores:
    """What is reported of a head on some photos."""

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    weighted_f1: float
    precision: np.ndarray  # (C,)
    recall: np.ndarray  # (C,)
    f1: np.ndarray  # (C,)
    support: np.ndarray  # (C,) photos of each class


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts (C, C), int64: rows are the true classes, columns the predicted ones."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def scores(counts: np.ndarray) -> Scores:
    """Every ratio of the confusion counts (C, C)."""
    hits, support, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    recall, precision = _ratio(hits, support), _ratio(hits, predicted)
    f1 = _ratio(2 * hits, support + predicted)
    present = support > 0
    return Scores(
        accuracy=float(_ratio(hits.sum(), support.sum())),
        balanced_accuracy=float(recall[present].mean()) if present.any() else 0.0,
        macro_f1=float(f1[present | (predicted > 0)].mean()) if counts.any() else 0.0,
        weighted_f1=float(_ratio((f1 * support).sum(), support.sum())),
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
    )


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(np.shape(below)), where=np.asarray(below) > 0)
