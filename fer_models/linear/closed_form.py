"""Heads in closed form, without gradient descent: ridge regression, and the class frequencies alone.

Features and labels in, a linear head (C, D + 1) out, like every other linear head. Ridge (Hoerl and Kennard
1970, doi:10.1080/00401706.1970.10488634) regresses the one-hot classes on the features. It only needs sums
over the views, and sums add up: the owners of views can send the sums instead of the views.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fer_models.local.training import view_weights
from fer_models.metrics import macro_f1

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut
    from fer_models.local.training import PhoneRows

# Penalties to choose from, the strongest first, in units of the features' mean spread: so one grid works for
# any number of views and any scale of the features.
STRENGTHS = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
_CHUNK = 2048  # views in float64 at a time
_FACTORS = (1e-3, 1e4)  # bounds of the factor of the scores


@dataclass(frozen=True)
class Moments:
    """The sums over some views that ridge regression needs; sums of disjoint sets of views add up."""

    xx: np.ndarray  # X'X (D + 1, D + 1) float64; the last feature is the constant 1
    xy: np.ndarray  # X'Y (D + 1, C) float64; Y is one-hot
    n: int  # views

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.xx + other.xx, self.xy + other.xy, self.n + other.n)

    @property
    def spread(self) -> float:
        """Sum over the views of a feature's squared distance from its mean, averaged over the features."""
        squares, sums = np.diag(self.xx)[:-1], self.xx[-1, :-1]
        return max(0.0, float((squares - sums**2 / self.n).mean()))


@dataclass(frozen=True)
class Ridge:
    """A fitted ridge head and how it was chosen."""

    head: np.ndarray  # (C, D + 1) float32, already scaled by `factor`
    strength: float  # one of STRENGTHS
    penalty: float  # added to the diagonal of X'X: strength * spread
    factor: float  # scales the scores, for usable probabilities
    tried: tuple[tuple[float, float], ...]  # each strength and its macro-F1 on validation, in the order tried


def moments(
    features: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    classes: int,
    *,
    weights: np.ndarray | None = None,
    chunk: int = _CHUNK,
) -> Moments:
    """The sums over the views `rows` (n,) of features (m, D) and labels (m,); features may be a memory map.

    `weights` (n,), of mean 1: of each view in the sums. At most `chunk` views are held at a time; the chunk
    size only affects the last bits.
    """
    width = features.shape[1] + 1
    xx, xy = np.zeros((width, width)), np.zeros((width, classes))
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        x = np.ones((len(part), width))
        x[:, :-1] = features[part]
        weighted = x if weights is None else x * weights[start : start + chunk, None]
        xx += weighted.T @ x
        xy += weighted.T @ np.eye(classes)[labels[part]]
    return Moments(xx, xy, len(rows))


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


def ridge(training: "PhoneRows", validation: "HeldOut", classes: int) -> Ridge:
    """The ridge head of all training views, selected and scaled on validation as in `choose`.

    Runs on one thread: about 0.4 s for 5,000 views of 1,280 features, which more threads do not
    shorten, and bits that do not depend on the number of cores.
    """
    import scipy.linalg  # noqa: F401  # before the limit, which applies to libraries loaded so far
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        labels = training.labels
        weights = view_weights(labels[training.rows], classes) if training.weighted else None
        sums = moments(training.features, labels, training.rows, classes, weights=weights)
        return choose(sums, validation)


def choose(sums: Moments, validation: "HeldOut") -> Ridge:
    """The ridge head of the views in `sums`, with the strength from STRENGTHS that has the best macro-F1 on
    validation; ties go to the stronger.

    Regression outputs are close to 0 and 1, too close together for a softmax: all are multiplied by the one
    factor that minimises the cross-entropy on validation. That changes no prediction.
    """
    classes = sums.xy.shape[1]
    features = validation.features.astype(np.float64)
    best, tried = (-1.0, 0.0, np.empty(0), np.empty(0)), []
    for strength in STRENGTHS:
        values = solve(sums, strength * sums.spread)
        scores = features @ values[:, :-1].T + values[:, -1]
        quality = macro_f1(validation.labels, scores.argmax(axis=1), classes)
        tried.append((strength, quality))
        if quality > best[0]:
            best = (quality, strength, values, scores)
    _, strength, values, scores = best
    factor = sharpness(scores, validation.labels)
    head = (values * factor).astype(np.float32)
    return Ridge(head, strength, strength * sums.spread, factor, tuple(tried))


def sharpness(scores: np.ndarray, labels: np.ndarray) -> float:
    """The factor on scores (n, C) that minimises the cross-entropy of their softmax with labels (n,).

    Guo et al. 2017, arXiv:1706.04599 (there its inverse, the temperature). Between 0.001 and 10,000.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    own = scores[np.arange(len(scores)), labels]

    def loss(exponent: float) -> float:
        factor = np.exp(exponent)
        return float((logsumexp(factor * scores, axis=1) - factor * own).mean())

    # The loss is convex in the factor, so it is unimodal in the factor's logarithm.
    found = minimize_scalar(loss, bounds=tuple(np.log(_FACTORS)), method="bounded")
    return float(np.exp(found.x))


def majority(counts: np.ndarray) -> np.ndarray:
    """The head (C, 1) float32 that uses no features: its bias is the logarithm of each class's frequency.

    `counts` (C,): training photos of each class before balancing; 0 counts as 1.
    """
    photos = np.maximum(counts, 1)
    return np.asarray(np.log(photos / photos.sum()).astype(np.float32)[:, None])
