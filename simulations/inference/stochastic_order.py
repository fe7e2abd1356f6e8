"""Almost stochastic order: whether one arm's scores are above another's at nearly every quantile.

Del Barrio, Cuesta-Albertos and Matran, "An optimal transportation approach for assessing almost stochastic
order", 2018, arXiv:1705.01788; Dror, Shlomov and Reichart, "Deep Dominance", ACL 2019; Ulmer, Hardmeier and
Frellsen, "deep-significance", 2022, arXiv:2204.06815. The violation ratio is 0 if every quantile of the first
arm is at least that of the second, 1 if none is; its upper confidence bound, epsilon, below 0.5 says that the
first is better more often than not, and below 0.2 that it is with few false alarms (Ulmer and others, section
4). It takes scores as independent: with folds it ranks many arms at a glance, and proves nothing
(comparison.py tests).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer_models.seeding import stream

THRESHOLD = 0.2
RESAMPLES = 1000
CONFIDENCE = 0.95


def violation_ratio(first: np.ndarray, second: np.ndarray) -> float:
    """Share of the squared distance between the quantiles of scores (n,) and (m,) where the first are lower.

    0.5 if the scores have the same quantiles.
    """
    return float(_ratios(np.sort(first)[None], np.sort(second)[None])[0])


def almost_stochastic_order(
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
    *,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> float:
    """Epsilon: the upper bound, in [0, 1], on how much the first scores violate being above the second.

    The bound is the measured ratio plus the normal quantile times its bootstrap standard deviation.
    ValueError for fewer than two scores.
    """
    from scipy.stats import norm

    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if min(len(one), len(two)) < 2:
        raise ValueError(f"at least 2 scores of each arm, got {len(one)} and {len(two)}")
    rng = stream(seed, "inference", "stochastic order")
    drawn = [np.sort(rng.choice(scores, (RESAMPLES, len(scores)))) for scores in (one, two)]
    spread = float(np.std(_ratios(drawn[0], drawn[1])))
    return float(np.clip(violation_ratio(one, two) + spread * norm.ppf(confidence), 0, 1))


def _ratios(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Violation ratios (b,) of sorted scores (b, n) and (b, m), exactly: quantile functions are steps."""
    edges = np.unique(
        np.concatenate([np.arange(len(side[0]) + 1) / len(side[0]) for side in (first, second)])
    )
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    gaps = np.stack([side[:, (middles * side.shape[1]).astype(int)] for side in (first, second)])
    squares = (gaps[0] - gaps[1]) ** 2 * widths
    whole, lower = squares.sum(axis=1), (squares * (gaps[0] < gaps[1])).sum(axis=1)
    return np.asarray(np.divide(lower, whole, out=np.full(len(whole), 0.5), where=whole > 0))


@dataclass(frozen=True)
class Rank:
    """An arm's place among others.

    Fields:
        place: 1 for the best; arms that dominate as many others share a place.
        above: the arms it dominates. epsilons: by other arm, the bound on how much it violates being above.
    """

    arm: str
    place: int
    above: tuple[str, ...]
    epsilons: Mapping[str, float]


def ranking(
    scores: Mapping[str, Sequence[float] | np.ndarray], *, confidence: float = CONFIDENCE, seed: int = 0
) -> tuple[Rank, ...]:
    """The arms by how many others they dominate (epsilon below THRESHOLD), best first, then by mean score.

    The confidence holds for all ordered pairs together (Bonferroni).
    """
    each = 1 - (1 - confidence) / max(1, len(scores) * (len(scores) - 1))
    bounds = {
        arm: {other: almost_stochastic_order(scores[arm], scores[other], confidence=each, seed=seed)
              for other in scores if other != arm}
        for arm in scores
    }  # fmt: skip
    above = {
        arm: tuple(o for o, epsilon in row.items() if epsilon < THRESHOLD) for arm, row in bounds.items()
    }
    order = sorted(scores, key=lambda arm: (-len(above[arm]), -float(np.mean(scores[arm]))))
    return tuple(
        Rank(arm, 1 + sum(len(above[other]) > len(above[arm]) for other in scores), above[arm], bounds[arm])
        for arm in order
    )
