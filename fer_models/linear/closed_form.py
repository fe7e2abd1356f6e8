"""What heads in closed form have in common: fitting on sums, a choice made on validation, and the scale.

Features and labels in, a linear head (C, D + 1) out, like every other linear head. The methods (ridge.py,
lda.py, ncm.py) only need sums over the views, and sums add up: the owners of views can send them instead.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fer_models.linear.statistics import Kind
from fer_models.metrics import macro_f1
from fer_models.run_folder.summary import Chosen

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut
    from fer_models.local.phone_rows import PhoneRows

FACTORS = (1e-3, 1e4)  # bounds of the factor of the scores


@dataclass(frozen=True)
class Solved:
    """A fitted head, and how it was chosen."""

    head: np.ndarray  # (C, D + 1) float32, already scaled by the factor in `chosen`
    chosen: Chosen


def fit(training: "PhoneRows", kind: type[Kind], classes: int, solve: Callable[[Kind], Solved]) -> Solved:
    """What `solve` makes of the sums over all training views.

    Runs on one thread: ridge regression takes about 0.4 s for 5,000 views of 1,280 features, which more
    threads do not shorten, and the bits do not depend on the number of cores.
    """
    import scipy.linalg  # noqa: F401  # before the limit, which applies to libraries loaded so far
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        return solve(kind.over(training.features, training.labels, training.rows, classes))


def best(name: str, heads: Iterable[tuple[float, np.ndarray]], validation: "HeldOut") -> Solved:
    """The head with the best macro-F1 on validation; ties go to the first.

    `heads`: (C, D + 1) float64, each with its value of what is chosen, called `name`.
    """
    features = validation.features.astype(np.float64)
    found, tried = (-1.0, 0.0, np.empty(0)), []
    for value, head in heads:
        scores = features @ head[:, :-1].T + head[:, -1]
        quality = macro_f1(validation.labels, scores.argmax(axis=1), len(head))
        tried.append({name: value, "macro_f1": quality})
        if quality > found[0]:
            found = (quality, value, head)
    _, value, head = found
    return scaled(head, {name: value}, validation, {"tried": tried})


def scaled(head: np.ndarray, chosen: Chosen, validation: "HeldOut", tried: Chosen | None = None) -> Solved:
    """The head (C, D + 1) float64 times the factor that minimises the cross-entropy on validation.

    So the softmax of its scores gives usable probabilities; no prediction changes.
    """
    scores = validation.features.astype(np.float64) @ head[:, :-1].T + head[:, -1]
    factor = sharpness(scores, validation.labels)
    return Solved((head * factor).astype(np.float32), {**chosen, "factor": factor, **(tried or {})})


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
    found = minimize_scalar(loss, bounds=tuple(np.log(FACTORS)), method="bounded")
    return float(np.exp(found.x))


def majority(counts: np.ndarray) -> np.ndarray:
    """The head (C, 1) float32 that uses no features: its bias is the logarithm of each class's frequency.

    `counts` (C,): training photos of each class before balancing; 0 counts as 1.
    """
    photos = np.maximum(counts, 1)
    return np.asarray(np.log(photos / photos.sum()).astype(np.float32)[:, None])
