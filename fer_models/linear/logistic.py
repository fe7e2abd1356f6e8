"""`logistic`: multinomial logistic regression with an L2 penalty, the tuned ceiling of every linear head.

The loss that phones and baselines minimise in steps is minimised to the end here, by L-BFGS (Byrd, Lu,
Nocedal and Zhu 1995, doi:10.1137/0916069) in scikit-learn, and its penalty is chosen on validation: what
rounds or epochs of the same head can hardly be expected to beat.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fer_models.heads import LinearHead
from fer_models.local.training import view_weights
from fer_models.metrics import macro_f1
from fer_models.model import Fitted
from fer_models.run_folder.summary import Chosen

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut
    from fer_models.local.phone_rows import PhoneRows

# Of scikit-learn's C, the inverse of the penalty on the sum of the losses: a small one is a strong penalty.
CHOICES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
_ITERATIONS = 2000  # at most; 5,000 views of real faces take up to 300


@dataclass(frozen=True)
class LogisticHead(Fitted):
    """`logistic`: the head of `mobilenet`, trained to the end, its penalty chosen on validation."""

    about: ClassVar[str] = "MobileNetV2, frozen; a linear head by logistic regression, penalty tuned"
    reads: ClassVar[Literal["features"]] = "features"

    def fit(
        self, pooled: "PhoneRows", validation: "HeldOut", photos: np.ndarray
    ) -> tuple[LinearHead, Chosen]:
        """Logistic regression on all training views."""
        return fit(pooled, validation, len(photos), choices=CHOICES)


def fit(
    training: "PhoneRows",
    validation: "HeldOut",
    classes: int,
    *,
    choices: tuple[float, ...],
    iterations: int = _ITERATIONS,
) -> tuple[LinearHead, Chosen]:
    """Multinomial logistic regression on all training views, and how it was chosen.

    Its C is the value of `choices`, sorted, with the best macro-F1 on validation; ties go to the smallest.
    Each fit starts from the previous one and records whether it converged within `iterations`. Runs on one
    thread, so that the bits do not depend on the number of cores. ValueError if a class has no view.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    rows, labels = training.features[training.rows], training.labels[training.rows]
    if len(np.unique(labels)) != classes:
        raise ValueError(f"every one of the {classes} classes needs a view, got {np.unique(labels)}")
    weights = view_weights(labels, classes) if training.weighted else None
    model = LogisticRegression(max_iter=iterations, warm_start=True)
    best, best_f1, found = np.empty(0), -1.0, dict[str, float]()
    tried: list[dict[str, float]] = []
    with threadpool_limits(1, user_api="blas"):
        for choice in choices:
            model.set_params(C=choice)
            converged = _fitted(model, rows, labels, weights)
            head = _head(model)
            answers = (validation.features @ head[:, :-1].T + head[:, -1]).argmax(axis=1)
            score, taken = macro_f1(validation.labels, answers, classes), int(model.n_iter_[0])
            tried.append({"C": choice, "macro_f1": score, "iterations": taken, "converged": converged})
            if score > best_f1:
                best, best_f1, found = head, score, {"C": choice, "converged": converged}
    return LinearHead(best), {**found, "tried": tried}


def _fitted(model: Any, rows: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> bool:
    """Fits the model; returns whether it converged, which only scikit-learn's warning reports in full."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(rows, labels, sample_weight=weights)
    late = [one for one in caught if issubclass(one.category, ConvergenceWarning)]
    for other in (one for one in caught if one not in late):
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return not late


def _head(model: Any) -> np.ndarray:
    """The linear head (C, D + 1), float32. For two classes scikit-learn only stores the difference."""
    values = np.column_stack([model.coef_, model.intercept_])
    if len(values) == 1:
        values = np.concatenate([-values / 2, values / 2])
    return values.astype(np.float32)
