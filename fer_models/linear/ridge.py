"""Ridge regression of the one-hot classes on the features, from first and second moments.

Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", 1970,
doi:10.1080/00401706.1970.10488634.
"""

from typing import TYPE_CHECKING

import numpy as np

from fer_models.linear.closed_form import Solved, best
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
