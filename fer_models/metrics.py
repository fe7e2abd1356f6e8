"""Metrics as confusion counts that add; every ratio is derived from them at the end.

The ratios follow scikit-learn's definitions (accuracy_score, balanced_accuracy_score, f1_score):
a ratio with denominator 0 is 0, and balanced accuracy is the mean recall of the classes present. Macro-F1 has
one definition, `ratios`: the mean over the classes that occur in the labels or the predictions, as f1_score
has it. A class that occurs in neither cannot be told right from wrong: 0 would punish every model for photos
that were not there, 1 would reward it. What a run reports of the test photos comes from scikit-learn itself
(`report`); the counts are for frequent evaluation and for sums over phones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer_models.run_folder.quality import ClassQuality, Quality


@dataclass(frozen=True)
class Scores:
    """The scores of a head on some photos."""

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
    """All scores from confusion counts (C, C)."""
    hits, support, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    recall, precision = ratio(hits, support), ratio(hits, predicted)
    f1 = ratio(2 * hits, support + predicted)
    present = support > 0
    both = ratios(hits, support, predicted)
    return Scores(
        accuracy=float(both["accuracy"]),
        balanced_accuracy=float(recall[present].mean()) if present.any() else 0.0,
        macro_f1=float(both["macro_f1"]),
        weighted_f1=float(ratio((f1 * support).sum(), support.sum())),
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
    )


def ratios(hits: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy and macro-F1 from counts (..., C) by class: correct photos, photos, predictions.

    Counts may be weighted. Without any photos both are 0.
    """
    either = support + predicted
    return {
        "accuracy": ratio(hits.sum(axis=-1), support.sum(axis=-1)),
        "macro_f1": ratio(ratio(2 * hits, either).sum(axis=-1), (either > 0).sum(axis=-1)),
    }


def macro_f1(labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """The mean F1 over the classes for labels (n,) and predicted (n,)."""
    return scores(confusion(labels, predicted, classes)).macro_f1


def report(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> tuple[Quality, str]:
    """Quality of predicted (n,) against labels (n,), both indices into `classes`, by scikit-learn.

    Also returns the text of `classification_report`. Ratios with denominator 0 are 0. Classes that occur in
    neither are left out of the means and of the text, all without photos out of balanced accuracy. ValueError
    without photos.
    """
    from sklearn.metrics import accuracy_score, classification_report, recall_score

    if not len(labels):
        raise ValueError("no photos to report on")
    present = np.unique(labels)  # their mean recall is balanced_accuracy_score, without its warnings
    either = np.union1d(labels, predicted).tolist()
    options = {"labels": either, "zero_division": 0, "digits": 3}
    # The class names are inserted afterwards: one could be called "accuracy" or "macro avg".
    table = classification_report(labels, predicted, **options, output_dict=True)
    text = classification_report(labels, predicted, **options, target_names=[classes[c] for c in either])
    macro, weighted = table["macro avg"], table["weighted avg"]
    quality = Quality(
        accuracy=float(accuracy_score(labels, predicted)),
        balanced_accuracy=float(
            recall_score(labels, predicted, labels=present, average="macro", zero_division=0)
        ),
        macro_precision=float(macro["precision"]),
        macro_recall=float(macro["recall"]),
        macro_f1=float(macro["f1-score"]),
        weighted_precision=float(weighted["precision"]),
        weighted_recall=float(weighted["recall"]),
        weighted_f1=float(weighted["f1-score"]),
        per_class={name: _of_class(table.get(str(c), _ABSENT)) for c, name in enumerate(classes)},
        confusion=tuple(map(tuple, confusion(labels, predicted, len(classes)).tolist())),
    )
    return quality, text


_ABSENT = {"precision": 0.0, "recall": 0.0, "f1-score": 0.0, "support": 0}


def _of_class(row: Mapping[str, float]) -> ClassQuality:
    """A class's row of scikit-learn's table."""
    precision, recall, f1 = (float(row[name]) for name in ("precision", "recall", "f1-score"))
    return ClassQuality(precision, recall, f1, support=int(row["support"]))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`above` / `below`, and 0 where `below` is 0."""
    out = np.zeros(np.broadcast_shapes(np.shape(above), np.shape(below)))
    return np.asarray(np.divide(above, below, out=out, where=np.asarray(below) > 0))
