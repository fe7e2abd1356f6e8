"""Linear discriminant analysis: normal classes, each with its mean, and one shrunken covariance for all.

Fisher, "The Use of Multiple Measurements in Taxonomic Problems", 1936,
doi:10.1111/j.1469-1809.1936.tb02137.x; shrinkage as in Friedman, "Regularized Discriminant Analysis", 1989,
doi:10.1080/01621459.1989.10478752. With class means m_c, the pooled covariance S about them and class
frequencies p_c, the score of class c is

    x' V^-1 m_c - m_c' V^-1 m_c / 2 + prior * log p_c,   V = (1 - shrinkage) S + shrinkage * trace(S) / D * I

X'X less the sum of n_c m_c m_c' is n S: the sums are those of ridge regression. A covariance per class, or
one that weights the classes equally, would take X'X of every class.

The shrinkage is chosen on validation photos, or without any by the oracle approximating estimator, which
expects the least squared error of a normal covariance and only needs S and n: Chen, Wiesel, Eldar and Hero,
"Shrinkage Algorithms for MMSE Covariance Estimation", 2010, arXiv:0907.4698.
"""

from typing import TYPE_CHECKING

import numpy as np

from fer_models.linear.closed_form import Solved, best
from fer_models.linear.ncm import absent_last, class_means
from fer_models.linear.statistics import Moments

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut

# Shrinkages to choose from, the strongest first; 1 makes all features independent and of one variance.
SHRINKAGES = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, 0.03, 0.01, 0.003)


def pooled(sums: Moments) -> np.ndarray:
    """The covariance (D, D) float64 of the views about their class means, divided by the number of views."""
    means, middle, counts = class_means(sums)
    around = sums.xx[:-1, :-1] - np.outer(middle, sums.xx[-1, :-1])
    between = (means * counts[:, None]).T @ means
    return np.asarray((around - between) / sums.n)


def solve(sums: Moments, covariance: np.ndarray, shrinkage: float, prior: float = 1.0) -> np.ndarray:
    """The head (C, D + 1) float64; `covariance` (D, D) is `pooled(sums)`, `prior` the weight of log p_c.

    A shrinkage so small that the matrix would be singular to rounding is raised.
    """
    from scipy.linalg import cho_factor, cho_solve

    means, middle, counts = class_means(sums)
    width, rounding = len(middle), np.finfo(np.float64).eps * np.trace(sums.xx[:-1, :-1]) / sums.n
    shared = (1 - shrinkage) * covariance
    shared[np.diag_indices(width)] += max(
        shrinkage * np.trace(covariance) / width, width * rounding, np.finfo(np.float64).tiny
    )
    weight = cho_solve(cho_factor(shared, lower=True, overwrite_a=True), means.T).T
    bias = -(means * weight).sum(axis=1) / 2 - weight @ middle
    bias += prior * np.log(np.maximum(counts, 1) / sums.n)
    return absent_last(np.column_stack([weight, bias]), counts)


def on_validation(sums: Moments, validation: "HeldOut", prior: float = 1.0) -> Solved:
    """The head with the best of SHRINKAGES, by macro-F1 on validation; ties go to the stronger."""
    covariance = pooled(sums)
    heads = ((shrinkage, solve(sums, covariance, shrinkage, prior)) for shrinkage in SHRINKAGES)
    return best("shrinkage", heads, validation)


def by_oas(sums: Moments, prior: float = 1.0) -> Solved:
    """The head with the oracle approximating shrinkage.

    It takes views for independent, and does not look at the classification: expect too weak a shrinkage.
    """
    return fixed(sums, oas(pooled(sums), sums.n), prior)


def fixed(sums: Moments, shrinkage: float, prior: float = 1.0) -> Solved:
    """The head with this shrinkage; the softmax of its scores is the probability of normal classes."""
    head = solve(sums, pooled(sums), shrinkage, prior)
    return Solved(head.astype(np.float32), {"shrinkage": shrinkage, "factor": 1.0})


def oas(covariance: np.ndarray, n: int) -> float:
    """The oracle approximating shrinkage of a covariance (D, D) of n views: equation 23 of the paper."""
    width = len(covariance)
    mean = np.trace(covariance) / width
    square = float((covariance**2).mean())
    below = (n + 1) * (square - mean**2 / width)
    return min(1.0, float((square + mean**2) / below)) if below > 0 else 1.0
