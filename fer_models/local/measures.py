"""What phones report besides their update, one array a phone, for strategies that name it.

It is measured at the head of the round on all views of the phone, without dropout. To add a measure, write a
function and a line in MEASURES.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fer_models.heads import probabilities
from fer_models.local.phone_rows import PhoneData
from fer_models.local.training import view_weights

# Of the mean loss: inputs, labels, head and weights of the losses in, an array of the shape of the head out.
Gradient = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]


@dataclass(frozen=True)
class Views:
    """The views of one phone, and the head of the round."""

    held: PhoneData
    rows: np.ndarray  # (n,) int64 into it
    head: np.ndarray  # (C, D + 1) float32, or a network's row (1, P)
    classes: int
    gradient: Gradient

    @property
    def inputs(self) -> np.ndarray:
        """Model inputs (n, ...), features (n, D) for a linear head."""
        return np.asarray(self.held.features[self.rows])

    @property
    def labels(self) -> np.ndarray:
        """Classes (n,) int64."""
        return np.asarray(self.held.labels[self.rows])


def class_counts(views: Views) -> np.ndarray:
    """Views of each class, (classes,) float64."""
    return np.bincount(views.labels, minlength=views.classes).astype(np.float64)


def gradient(views: Views) -> np.ndarray:
    """The gradient of the mean loss at the head, float32, of the head's shape."""
    weights = view_weights(views.labels, views.classes) if views.held.weighted else None
    found: np.ndarray = views.gradient(views.inputs, views.labels, views.head, weights).astype(np.float32)
    return found


def class_means(views: Views) -> np.ndarray:
    """The sum of each class's features over all views, and the class's frequency, (C, D + 1) float32."""
    x = np.column_stack([views.inputs.astype(np.float64), np.ones(len(views.rows))])
    return np.asarray((np.eye(views.classes)[views.labels].T @ x / len(x)).astype(np.float32), np.float32)


def squares(views: Views) -> np.ndarray:
    """The mean squared norm of the features, () float64."""
    return np.asarray((views.inputs.astype(np.float64) ** 2).sum(axis=1).mean())


MEASURES: dict[str, Callable[[Views], np.ndarray]] = {
    "class_counts": class_counts,
    "gradient": gradient,
    "class_means": class_means,
    "squares": squares,
}


def linear_gradient(
    features: np.ndarray, labels: np.ndarray, head: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """The gradient (C, D + 1) float64 of the mean cross-entropy, times `weights` (n,), of a linear head."""
    wrong = probabilities(head, features)
    wrong[np.arange(len(labels)), labels] -= 1
    if weights is not None:
        wrong = wrong * weights[:, None]
    return np.column_stack([wrong.T @ features.astype(np.float64), wrong.sum(axis=0)]) / len(labels)


def measured(
    names: tuple[str, ...],
    held: PhoneData,
    phones: np.ndarray,
    head: np.ndarray,
    classes: int,
    gradient: Gradient = linear_gradient,
) -> dict[str, np.ndarray]:
    """What `names` says of each of `phones` (k,): arrays (k, ...) by name.

    On one thread, so that a phone's bits do not depend on the number of cores.
    """
    if not names:  # looking up the threads of BLAS would cost a small round a tenth of its time
        return {}
    from threadpoolctl import threadpool_limits

    rows, firsts, lasts = held.of(phones)
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    with threadpool_limits(1, user_api="blas"):
        for first, last in zip(firsts, lasts, strict=True):
            views = Views(held, rows[first:last], head, classes, gradient)
            for name in names:
                found[name].append(MEASURES[name](views))
    return {name: np.array(values) for name, values in found.items()}
