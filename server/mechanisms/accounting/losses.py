"""The privacy loss of rounds whose phones are sampled: its distribution (PLD), discretised from above.

A round is the sum of clipped updates with Gaussian noise of z clips, in which a phone takes part with chance
q. With and without that phone the round's worst case is the pair (1 - q) N(0, z^2) + q N(1, z^2) and
N(0, z^2), in one direction (the phone is removed) or the other (it is added). Its hockey-stick divergences
are known in closed form; dp-accounting makes a distribution of losses of them (Connect the Dots,
arXiv:2207.04380), which never understates, and composes it.
"""

import math
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr

from server.mechanisms.accounting.backend import accounting

FINE, COARSE = 20_000, 4_000  # points of a round's distribution, at most: for claims, and while searching
_TAIL = 10.0  # standard deviations of the noise; what lies beyond counts as lost (probability 8e-24)
_WIDTH = 1e-4  # of a step between losses, at most


def width_of(z: float, q: float, points: int = FINE) -> float:
    """The step between losses of `one_round`."""
    low, high = _range(z, q)
    spread = q * math.sqrt(math.expm1(min(1 / z**2, 50.0)))  # near the standard deviation of the loss
    return max(min(_WIDTH, spread / 20), (high - low) / points)


def one_round(
    z: float, q: float, points: int = FINE, *, either_way: bool = False, width: float | None = None
) -> Any:
    """The distribution of the loss of a round with multiplier z > 0 and chance 0 < q < 1. Price: some 20 ms.

    `width`: the step between losses, if it must be that of other distributions.

    `either_way`: one distribution that dominates both directions. Where a phone's data replace another's,
    its updates may make the one direction the worse in one round and the other in the next; then composing
    each by itself can understate (Lebeda et al. 2024, arXiv:2405.20769).
    """
    pld = accounting().pld
    low, high = _range(z, q)
    width = width or width_of(z, q, points)
    first, last = math.floor(low / width), math.ceil(high / width)
    epsilons = np.arange(first, last + 1) * width
    removed, added = removing(epsilons, z, q), adding(epsilons, z, q)

    def made(deltas: np.ndarray) -> Any:
        falling = np.minimum.accumulate(np.clip(deltas, 0, 1))
        return pld.pld_pmf.create_pmf_pessimistic_connect_dots_fixed_gap(width, first, last, falling)

    both = (np.maximum(removed, added),) if either_way else (removed, added)
    return pld.privacy_loss_distribution.PrivacyLossDistribution(*map(made, both))


def composed(losses: Any, rounds: int) -> Any:
    """The distribution over so many rounds. Price: 10 to 200 ms."""
    with np.errstate(all="ignore"):  # powers of tiny probabilities, of which it takes the least bound
        return losses.self_compose(rounds)


def removing(epsilons: np.ndarray, z: float, q: float) -> np.ndarray:
    """Hockey-stick divergence of the mixture from N(0, z^2), at each epsilon."""
    reached = epsilons > math.log1p(-q)  # losses are never lower
    loss = _without_sampling(np.where(reached, epsilons, 0.0), q)
    at = _where(loss, z)
    with np.errstate(under="ignore"):
        found = q * (ndtr(1 / z - at) - np.exp(loss + log_ndtr(-at)))
        return np.asarray(np.where(reached, found, -np.expm1(np.minimum(epsilons, 0.0))))


def adding(epsilons: np.ndarray, z: float, q: float) -> np.ndarray:
    """Hockey-stick divergence of N(0, z^2) from the mixture, at each epsilon."""
    reached = epsilons < -math.log1p(-q)  # losses are never higher
    within = np.where(reached, epsilons, 0.0)
    at = _where(_without_sampling(-within, q), z)
    with np.errstate(under="ignore"):
        ratio = np.exp(within)
        found = (q * ratio - np.expm1(within)) * ndtr(at) - q * ratio * ndtr(at - 1 / z)
    return np.where(reached, found, 0.0)


def _without_sampling(losses: np.ndarray, q: float) -> np.ndarray:
    """The loss of N(1, z^2) against N(0, z^2) where the mixture's is this: log((exp(loss) - 1 + q) / q)."""
    small = np.log((np.expm1(np.minimum(losses, 1.0)) + q) / q)
    large = losses - math.log(q) + np.log1p(-(1 - q) * np.exp(-np.maximum(losses, 1.0)))
    return np.asarray(np.where(losses < 1, small, large))


def _where(losses: np.ndarray, z: float) -> np.ndarray:
    """Where the density ratio of N(1, z^2) to N(0, z^2) is exp(loss), in standard deviations."""
    return losses * z + 1 / (2 * z)


def _range(z: float, q: float) -> tuple[float, float]:
    """The least and greatest loss that matter."""
    up, down = (_TAIL + 1 / (2 * z)) / z, (-_TAIL - 1 / (2 * z)) / z
    greatest = _mixed(up, q)
    return min(-_mixed(up - 1 / z**2, q), _mixed(down, q)), max(greatest, -_mixed(down, q))


def _mixed(loss: float, q: float) -> float:
    """log(1 - q + q exp(loss))"""
    return float(np.logaddexp(math.log1p(-q), math.log(q) + loss))
