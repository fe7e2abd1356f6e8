"""A phone's moments as one vector of bounded norm, which noise can protect.

Wang, "Revisiting differentially private linear regression", 2018, arXiv:1803.02596 (AdaSSP): noise on the
sufficient statistics of ridge regression, and a penalty that follows from the noise. Here a phone sends the
mean over its views, of features x shortened to a public `radius`, and a constant 1:

    A = mean of x x', B = mean of x y',   |A| <= radius^2 + 1,   |B| <= sqrt(radius^2 + 1)

A is symmetric: its triangle is sent, off the diagonal times sqrt 2, so that the vector is as long as the
matrix. A and B are each divided by their bound, and both by sqrt 2: so the vector has a norm of 1 at most.
"""

import math

import numpy as np

from fer_models.linear.statistics import Moments
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneData


def size(width: int, classes: int) -> int:
    """Numbers in the vector, for features of this width."""
    return (width + 1) * (width + 2) // 2 + (width + 1) * classes


def encoded(features: np.ndarray, labels: np.ndarray, classes: int, radius: float) -> np.ndarray:
    """The vector (N,) float64 of a phone's features (n, D) and labels (n,)."""
    norms = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    short = features * np.minimum(1.0, radius / np.maximum(norms, 1e-300))
    x = np.column_stack([short, np.ones(len(short))])
    xx, xy = x.T @ x / len(x), x.T @ np.eye(classes)[labels] / len(x)
    most = radius**2 + 1
    weights = np.where(np.eye(len(xx), dtype=bool), 1.0, math.sqrt(2))
    triangle = (xx * weights)[np.triu_indices(len(xx))]
    return np.concatenate([triangle / most, xy.ravel() / math.sqrt(most)]) / math.sqrt(2)


def decoded(vector: np.ndarray, width: int, classes: int, radius: float) -> Moments:
    """The moments, of one view on average, of the mean (N,) of phones' vectors, which may have noise."""
    most, rows = radius**2 + 1, width + 1
    split = rows * (rows + 1) // 2
    triangle, rest = vector[:split] * most * math.sqrt(2), vector[split:] * math.sqrt(2 * most)
    xx = np.zeros((rows, rows))
    xx[np.triu_indices(rows)] = triangle
    xx = np.where(np.eye(rows, dtype=bool), xx, (xx + xx.T) / math.sqrt(2))
    return Moments(xy=rest.reshape(rows, classes), xx=xx)


def noise_of_moments(deviation: float, width: int, radius: float) -> float:
    """The expected spectral norm of the noise in A, where the vector's noise has this deviation.

    A symmetric matrix of n rows with independent noise s off the diagonal has one of about 2 s sqrt n.
    """
    return 2 * deviation * (radius**2 + 1) * math.sqrt(width + 1)


def phone_vectors(
    held: PhoneData, phones: np.ndarray, classes: int, radius: float, clip: float
) -> tuple[np.ndarray, int]:
    """The exact sum (1, N) of the vectors of `phones` (k,), each surely within `clip`; how many were before.

    A vector that is not finite counts as zero.
    """
    from threadpoolctl import threadpool_limits

    rows, firsts, lasts = held.of(phones)
    total, inside = np.zeros((1, size(held.features.shape[1], classes))), 0
    nothing = np.zeros_like(total)
    with threadpool_limits(1, user_api="blas"):
        for first, last in zip(firsts, lasts, strict=True):
            own = rows[first:last]
            vector = encoded(np.asarray(held.features[own]), np.asarray(held.labels[own]), classes, radius)
            inside += kernel.add_within(total, vector[None], nothing, clip) <= clip
    return total, int(inside)
