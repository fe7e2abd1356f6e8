"""Epsilon of rounds of the Gaussian mechanism.

Without sampling it is exact: T rounds with multiplier z are one with z / sqrt(T) (Balle and Wang,
arXiv:1805.06530). With sampling, the claim is by the distribution of the privacy loss (losses.py), and
Renyi differential privacy (RDP; Mironov et al., arXiv:1908.10530), which is looser, stands beside it.

Only events of adding and removing a phone are composed. That a phone is replaced by another is the same event
with half the multiplier: the sum moves by two clips instead of one. The library's own RDP of replacement
lacks this factor.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from server.mechanisms.accounting.backend import accounting, silent
from server.mechanisms.accounting.losses import FINE, composed, one_round, width_of
from server.mechanisms.accounting.participation import Participation

MOST_EPSILON, _EXACT = 1e5, 1e-9  # of epsilons: the greatest, and how exactly they are found


@dataclass(frozen=True)
class Event:
    """A round as it is accounted: a phone is there with chance `q` or not, the noise is `z` of its clips."""

    z: float
    q: float

    @classmethod
    def of(cls, taking_part: Participation, noise_multiplier: float) -> "Event":
        """Of a round: neighbours that differ by two clips halve the multiplier."""
        return cls(noise_multiplier / taking_part.sensitivity, taking_part.chance)

    @property
    def sampled(self) -> bool:
        """Whether a phone may be absent."""
        return self.q < 1


def epsilon(event: Event, rounds: int, delta: float) -> float:
    """The claim: exact without sampling; with it never too small, and too large by 0.3% at most where the
    chance is 0.001 or more.
    """
    if not event.sampled:
        return float(accounting().get_epsilon_gaussian(event.z / math.sqrt(rounds), delta))
    if rounds * (event.q / (2 * event.z**2) - math.log(2)) > MOST_EPSILON:  # less than the mean loss
        return math.inf
    return epsilon_of(one_round(event.z, event.q), rounds, delta)


def epsilon_either_way(event: Event, rounds: int, delta: float) -> float:
    """The same where the data of a phone replace another's, whichever is the worse in each round."""
    if not event.sampled:
        return epsilon(event, rounds, delta)
    return epsilon_of(one_round(event.z, event.q, either_way=True), rounds, delta)


def epsilon_of_releases(
    event: Event, releases: Mapping[int, int], delta: float, *, either_way: bool
) -> float:
    """Of rounds of which some released several noisy sums of the same phones.

    `releases`: a number of sums -> how many rounds released as many. k sums of the same phones, each with
    noise of its own, are one with multiplier z / sqrt k.
    """
    if not event.sampled:
        return epsilon(event, sum(number * rounds for number, rounds in releases.items()), delta)
    events = {number: Event(event.z / math.sqrt(number), event.q) for number in releases}
    width = max(width_of(one.z, one.q) for one in events.values())
    whole: Any = None
    for number, rounds in releases.items():
        one = events[number]
        losses = one_round(one.z, one.q, either_way=either_way, width=width)
        whole = composed(losses, rounds) if whole is None else whole.compose(composed(losses, rounds))
    return epsilon_of(whole, 1, delta)


def epsilon_rdp_of_releases(event: Event, releases: Mapping[int, int], delta: float) -> float:
    """The same by RDP."""
    parts = [renyi(Event(event.z / math.sqrt(k), event.q), rounds) for k, rounds in releases.items()]
    orders, total = parts[0][0], np.sum([values for _, values in parts], axis=0)
    with silent():
        return float(accounting().rdp.compute_epsilon(orders, total, delta)[0])


def epsilon_of(losses: Any, rounds: int, delta: float) -> float:
    """Of a distribution from `one_round` over so many rounds; infinite if it is far above MOST_EPSILON."""
    all_rounds = composed(losses, rounds)

    def excess(epsilon: float) -> float:
        return float(all_rounds.get_delta_for_epsilon(epsilon)) - delta

    if excess(0.0) <= 0:
        return 0.0
    most = 1.0
    while excess(most) > 0:
        most *= 4
        if most > 4 * MOST_EPSILON:
            return math.inf
    return float(brentq(excess, 0.0, most, xtol=_EXACT / 2, rtol=1e-15)) + _EXACT


def delta_at(event: Event, rounds: int, epsilon: float, points: int = FINE) -> float:
    """The delta with which `epsilon` holds, for sampled phones."""
    all_rounds = composed(one_round(event.z, event.q, points), rounds)
    return float(all_rounds.get_delta_for_epsilon(epsilon))


def epsilon_rdp(event: Event, rounds: int, delta: float) -> float:
    """By RDP, at the library's orders."""
    orders, values = renyi(event, rounds)
    with silent():
        return float(accounting().rdp.compute_epsilon(orders, values, delta)[0])


def renyi(event: Event, rounds: int) -> tuple[Any, Any]:
    """The library's orders, and the Renyi divergence of each; infinite where its series does not converge."""
    dp = accounting()
    gaussian = dp.GaussianDpEvent(event.z)
    one = dp.PoissonSampledDpEvent(event.q, gaussian) if event.sampled else gaussian
    with silent():
        accountant = dp.rdp.RdpAccountant()
        accountant.compose(dp.SelfComposedDpEvent(one, rounds))
    return accountant._orders, accountant._rdp
