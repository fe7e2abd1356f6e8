"""Lower bounds on epsilon, from what an attack found out: if one is above the claim, the claim is wrong.

Each holds with the stated confidence for a mechanism of any kind, but for the Gaussian one, which takes the
scores of both groups to be normal. Thresholds must not be chosen on the scores that they are applied to.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta, binom, norm

CONFIDENCE = 0.95
_MOST = 100.0


def clopper_pearson(
    true: int, positives: int, false: int, negatives: int, delta: float, confidence: float = CONFIDENCE
) -> float:
    """Of `true` hits among `positives` and `false` alarms among `negatives`, in independent runs or trials.

    Epsilon is at least log((TPR - delta) / FPR), with the least TPR and the greatest FPR that both hold with
    `confidence` (Clopper and Pearson 1934; Jagielski, Ullman and Oprea 2020, arXiv:2006.07709).
    """
    error = (1 - confidence) / 2
    rate = float(beta.ppf(error, true, positives - true + 1)) if true else 0.0
    alarms = float(beta.ppf(1 - error, false + 1, negatives - false)) if false < negatives else 1.0
    return max(0.0, math.log((rate - delta) / alarms)) if rate > delta else 0.0


def one_run(right: int, guesses: int, canaries: int, delta: float, confidence: float = CONFIDENCE) -> float:
    """Of `right` guesses out of `guesses` about `canaries` that were each in or out by a coin, in one run.

    Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training Run", arXiv:2305.08846,
    theorem 5.2 and algorithm in appendix D.
    """

    def excess(epsilon: float) -> float:
        return _chance(right, guesses, canaries, epsilon, delta) - (1 - confidence)

    if right == 0 or excess(0.0) >= 0:
        return 0.0
    return float(brentq(excess, 0.0, _MOST, xtol=1e-9)) if excess(_MOST) > 0 else _MOST


def _chance(right: int, guesses: int, canaries: int, epsilon: float, delta: float) -> float:
    """The greatest chance of so many right guesses under (epsilon, delta)."""
    by_luck = 1 / (1 + math.exp(-epsilon))
    tail = float(binom.sf(right - 1, guesses, by_luck))
    if delta == 0:
        return tail
    sums = np.cumsum(binom.pmf(right - np.arange(1, right + 1), guesses, by_luck))
    most = float((sums / np.arange(1, right + 1)).max())
    return tail + 2 * delta * canaries * most


def gaussian(inside: np.ndarray, outside: np.ndarray, delta: float, confidence: float = CONFIDENCE) -> float:
    """Of the scores of canaries that were in (n,) and out (m,), taken to be normal with one deviation.

    The least separation mu with `confidence`, or 0 where that is negative, is that of a Gaussian mechanism
    (Dong, Roth and Su 2022, arXiv:1905.02383; Nasr et al. 2023, arXiv:2302.07956).
    """
    n, m = len(inside), len(outside)
    spread = math.sqrt(((n - 1) * inside.var(ddof=1) + (m - 1) * outside.var(ddof=1)) / (n + m - 2))
    apart = float(inside.mean() - outside.mean()) / spread
    error = math.sqrt(1 / n + 1 / m + apart**2 / (2 * (n + m)))
    return epsilon_of_separation(max(0.0, apart - float(norm.ppf(confidence)) * error), delta)


def epsilon_of_separation(mu: float, delta: float) -> float:
    """Epsilon of a Gaussian mechanism with sensitivity `mu` and deviation 1 (Balle and Wang 2018)."""

    def excess(epsilon: float) -> float:
        found = norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon + norm.logcdf(-epsilon / mu - mu / 2))
        return float(found) - delta

    if mu == 0 or excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, _MOST + mu * (mu + 50), xtol=1e-9))
