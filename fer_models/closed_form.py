"""Heads that have a formula and need no gradient descent: ridge regression, and the class shares alone.

Features and labels in, a linear head (C, D + 1) out, as every other linear head. Ridge (Hoerl and Kennard
1970, doi:10.1080/00401706.1970.10488634) regresses the classes, written as 0 and 1, on the features. It needs
nothing but sums over the views, which add up: whoever owns views can send the sums instead of the views.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fer_models.metrics import macro_f1

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut
    from fer_models.local.training import PhoneRows

# Penalties to choose from, the strongest first, in units of the features' mean spread: so one grid does for
# any number of views and any scale of the features.
STRENGTHS = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
_CHUNK = 2048  # views in float64 at a time
_FACTORS = (1e-3, 1e4)  # the factor of the scores lies between them


@dataclass(frozen=True)
class Moments:
    """The sums of some views that ridge regression needs; those of all views are the sum of their parts'."""

    xx: np.ndarray  # X'X (D + 1, D + 1) float64; the last feature is the constant 1
    xy: np.ndarray  # X'Y (D + 1, C) float64; Y is 1 for a view's own class and 0 for the others
    n: int  # views

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.xx + other.xx, self.xy + other.xy, self.n + other.n)

    @property
    def spread(self) -> float:
        """Sum over the views of a feature's squared distance from its mean, the mean over the features."""
        squares, sums = np.diag(self.xx)[:-1], self.xx[-1, :-1]
        return max(0.0, float((squares - sums**2 / self.n).mean()))


@dataclass(frozen=True)
class Ridge:
    """A fitted ridge head and how it was chosen."""

    head: np.ndarray  # (C, D + 1) float32, its scores times `factor` already
    strength: float  # of STRENGTHS
    penalty: float  # what was added to the diagonal of X'X: strength * spread
    factor: float  # of the scores, for usable probabilities
    tried: tuple[tuple[float, float], ...]  # each strength and its macro-F1 on validation, in the order tried


def moments(
    features: np.ndarray, labels: np.ndarray, rows: np.ndarray, classes: int, *, chunk: int = _CHUNK
) -> Moments:
    """The sums over the views `rows` (n,) of features (m, D) and labels (m,); features may be a memory map.

    No more than `chunk` views are held at a time; its size changes nothing but the last bits.
    """
    width = features.shape[1] + 1
    xx, xy = np.zeros((width, width)), np.zeros((width, classes))
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        x = np.ones((len(part), width))
        x[:, :-1] = features[part]
        xx += x.T @ x
        xy += x.T @ np.eye(classes)[labels[part]]
    return Moments(xx, xy, len(rows))


def solve(moments: Moments, penalty: float) -> np.ndarray:
    """The head (C, D + 1), float64, that minimises |Y - X W'|^2 + penalty |W without bias|^2.

    A penalty below the rounding of X'X, D x 2e-16 of the features' sum of squares, is lifted to it: so the
    matrix is never singular, not with copied features, nor with more features than views. One Cholesky
    factor; nine of them take less time than one eigendecomposition for all penalties.
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
    """The ridge head of all training views, chosen and scaled on validation: `choose` says how.

    All on one thread: some 0.4 s for 5,000 views of 1,280 features, which more
    threads do not shorten, and bits that do not depend on the number of cores.
    """
    import scipy.linalg  # noqa: F401  # before the limit, which holds for the libraries that are loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        sums = moments(training.features, training.labels, training.rows, classes)
        return choose(sums, validation)


def choose(sums: Moments, validation: "HeldOut") -> Ridge:
    """The ridge head of the views in `sums`, its strength the one of STRENGTHS best on validation by
    macro-F1, the stronger of equals.

    What regression answers lies about 0 and 1, too close for a softmax: all of it is multiplied by the one
    factor that minimises the cross-entropy on validation. That changes no answer.
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
    """The factor of scores (n, C) by which their softmax has the least cross-entropy with labels (n,).

    Guo et al. 2017, arXiv:1706.04599 (there its inverse, the temperature). Between 0.001 and 10,000.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    own = scores[np.arange(len(scores)), labels]

    def loss(exponent: float) -> float:
        factor = np.exp(exponent)
        return float((logsumexp(factor * scores, axis=1) - factor * own).mean())

    # The loss is convex in the factor, so along its logarithm it has one valley.
    found = minimize_scalar(loss, bounds=tuple(np.log(_FACTORS)), method="bounded")
    return float(np.exp(found.x))


def majority(counts: np.ndarray) -> np.ndarray:
    """The head (C, 1) float32 that looks at nothing: its bias is the logarithm of each class's share.

    `counts` (C,): training photos of each class before balancing; none counts as one.
    """
    photos = np.maximum(counts, 1)
    return np.asarray(np.log(photos / photos.sum()).astype(np.float32)[:, None])
