"""Ridge regression of the one-hot classes on the features, from first and second moments.

Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", 1970,
doi:10.1080/00401706.1970.10488634. Its penalty is chosen on validation photos, or without any by generalised
cross-validation: Golub, Heath and Wahba, "Generalized Cross-Validation as a Method for Choosing a Good Ridge
Parameter", 1979, doi:10.1080/00401706.1979.10489751. With residuals Y - X W' and `free` degrees of freedom

    GCV = n |Y - X W'|^2 / (n - free)^2

which needs no more than the sums and |Y|^2, which for one-hot classes is the number of views.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fer_models.linear.closed_form import FACTORS, Solved, best, scaled
from fer_models.linear.statistics import Moments

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut

# Penalties to choose from, the strongest first, in units of the features' mean spread: so one grid works for
# any number of views and any scale of the features.
STRENGTHS = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01)


def solve(moments: Moments, penalty: float) -> np.ndarray:
    """The head (C, D + 1), float64, that minimises |Y - X W'|^2 + penalty |W without bias|^2.

    A penalty below the rounding error of X'X, D x 2e-16 of the features' sum of squares, is raised to it: so
    the matrix is never singular, even with duplicate features or more features than views. Uses one Cholesky
    factorisation; nine of them take less time than one eigendecomposition for all penalties.
    """
    from scipy.linalg import cho_factor, cho_solve

    mean, share = moments.xx[-1, :-1] / moments.n, moments.xy[-1] / moments.n
    scatter = moments.xx[:-1, :-1] - np.outer(mean, moments.xx[-1, :-1])  # leaves the bias out of the penalty
    shared = moments.xy[:-1] - np.outer(mean, moments.xy[-1])
    rounding = np.finfo(np.float64).eps * len(mean) * np.trace(moments.xx[:-1, :-1])
    scatter[np.diag_indices(len(mean))] += max(penalty, rounding, np.finfo(np.float64).tiny)
    weight = cho_solve(cho_factor(scatter, lower=True, overwrite_a=True), shared, overwrite_b=True)
    return np.column_stack([weight.T, share - mean @ weight])


def on_validation(sums: Moments, validation: "HeldOut") -> Solved:
    """The head with the best of STRENGTHS, by macro-F1 on validation; ties go to the stronger."""
    heads = ((strength, solve(sums, strength * sums.spread)) for strength in STRENGTHS)
    return best("strength", heads, validation)


def by_gcv(sums: Moments) -> Solved:
    """The head with the best of STRENGTHS, by generalised cross-validation; ties go to the stronger.

    It takes views for independent: with augmented views of a photo among them it finds too weak a penalty.
    """
    freedom = _freedom(sums)
    tried = []
    for strength in STRENGTHS:
        penalty = strength * sums.spread
        left = max(sums.n - freedom(penalty), np.finfo(np.float64).tiny)
        tried.append(sums.n * _residuals(sums, solve(sums, penalty)) / left**2)
    found = fixed(sums, STRENGTHS[int(np.argmin(tried))])
    listed = [{"strength": one, "gcv": value} for one, value in zip(STRENGTHS, tried, strict=True)]
    return Solved(found.head, {**found.chosen, "tried": listed})


def fixed(sums: Moments, strength: float) -> Solved:
    """The head with a penalty of `strength` times the features' mean spread.

    Its scores are multiplied by 1 / s^2, s^2 being the variance of the residuals: the softmax is then the
    probability of each class if the residuals are normal.
    """
    penalty = strength * sums.spread
    head = solve(sums, penalty)
    left = len(head) * max(sums.n - _freedom(sums)(penalty), 1.0)
    tiny = np.finfo(np.float64).tiny
    factor = float(np.clip(left / max(_residuals(sums, head), tiny), *FACTORS))
    return Solved((head * factor).astype(np.float32), {"strength": strength, "factor": factor})


def _residuals(sums: Moments, head: np.ndarray) -> float:
    """|Y - X W'|^2 over the views in `sums`."""
    return max(0.0, float(sums.n - 2 * (head * sums.xy.T).sum() + (head @ sums.xx * head).sum()))


def with_noise(moments: Moments, noise: float, validation: "HeldOut") -> Solved:
    """The head from noisy moments, with noise of this spectral norm in X'X as the penalty, also of the bias.

    Wang 2018, arXiv:1803.02596, without its private estimate of the least eigenvalue. X'X is first made
    positive semidefinite, as it is without noise. Scores are scaled on the validation photos.
    """
    values, vectors = np.linalg.eigh(moments.xx)
    kept = np.maximum(values, 0.0) + max(noise, np.finfo(np.float64).eps * max(values[-1], 1.0))
    head = ((vectors / kept) @ (vectors.T @ moments.xy)).T
    return scaled(head, {"penalty": noise}, validation)


def _freedom(sums: Moments) -> Callable[[float], float]:
    """The degrees of freedom of a fit with a given penalty, the bias included."""
    from scipy.linalg import eigvalsh

    mean = sums.xx[-1, :-1] / sums.n
    sizes = np.maximum(eigvalsh(sums.xx[:-1, :-1] - np.outer(mean, sums.xx[-1, :-1])), 0)
    return lambda penalty: float(1 + (sizes / (sizes + max(penalty, np.finfo(np.float64).tiny))).sum())
