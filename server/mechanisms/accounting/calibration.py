"""The noise that a budget takes: the smallest multiplier with which rounds keep within epsilon."""

import math
from collections.abc import Callable

from scipy.optimize import brentq

from fer_models.errors import InputError
from server.mechanisms.accounting.accountant import Event, delta_at, epsilon_rdp
from server.mechanisms.accounting.backend import accounting
from server.mechanisms.accounting.losses import COARSE, FINE
from server.mechanisms.accounting.participation import LEAST_NOISE, MOST_NOISE, Participation

_DIGITS = 5


def noise_multiplier(taking_part: Participation, epsilon: float, delta: float) -> float:
    """Rounded up to five digits. InputError if none from LEAST_NOISE to MOST_NOISE is the one.

    Price: with sampling some 25 compositions, a few seconds.
    """
    event = Event.of(taking_part, 1.0)
    if not event.sampled:
        z = math.sqrt(taking_part.rounds) * float(accounting().get_sigma_gaussian(epsilon, delta))
    else:
        z = _sampled(event.q, taking_part.rounds, epsilon, delta)
    return _reachable(z * taking_part.sensitivity, epsilon, delta)


def by_rdp(taking_part: Participation, epsilon: float, delta: float) -> float:
    """The same by RDP, which takes more noise."""
    event = Event.of(taking_part, 1.0)

    def excess(log_z: float) -> float:
        found = epsilon_rdp(Event(math.exp(log_z), event.q), taking_part.rounds, delta)
        return math.log(max(found, 1e-300)) - math.log(epsilon)

    z = math.exp(_root(excess, 0.0, 0.3, 1e-6) + 1e-6)
    return _reachable(z * taking_part.sensitivity, epsilon, delta)


def _reachable(z: float, epsilon: float, delta: float) -> float:
    """The multiplier, rounded up; InputError if it is out of range."""
    if not LEAST_NOISE <= z <= MOST_NOISE:
        which, what = ("more than", "larger") if z > MOST_NOISE else ("less than", "smaller")
        limit = MOST_NOISE if z > MOST_NOISE else LEAST_NOISE
        raise InputError(
            f"epsilon {epsilon:g} with delta {delta:.3g} takes a noise multiplier of {which} {limit:,g}; give"
            f" a {what} epsilon"
        )
    return rounded_up(z)


def rounded_up(z: float, digits: int = _DIGITS) -> float:
    """A positive number, to so many digits: the guarantee stays."""
    step = digits - 1 - math.floor(math.log10(z))
    return math.ceil(z * 10.0**step * (1 - 1e-12)) / 10.0**step


def _sampled(q: float, rounds: int, epsilon: float, delta: float) -> float:
    """The multiplier for sampled phones; infinite if it is above MOST_NOISE, 0 if it is below LEAST_NOISE."""

    def excess(points: int) -> Callable[[float], float]:
        def of(log_z: float) -> float:
            found = delta_at(Event(math.exp(log_z), q), rounds, epsilon, points)
            return math.log(max(found, 1e-300)) - math.log(delta)

        return of

    whole = math.sqrt(rounds) * float(accounting().get_sigma_gaussian(epsilon, delta))
    guess = math.log(min(max(q * whole, 0.3), MOST_NOISE))
    near = _root(excess(COARSE), guess, 0.3, 1e-3)
    if not math.isfinite(near):
        return math.exp(near)
    found = _root(excess(FINE), near, 0.003, 1e-5)
    return math.exp(found + 1e-5)


def _root(function: Callable[[float], float], guess: float, step: float, tolerance: float) -> float:
    """Where the falling function is zero, looked for from `guess` on in growing steps; plus or minus
    infinity if that is beyond MOST_NOISE or LEAST_NOISE.
    """
    last, value = guess, function(guess)
    up = value > 0
    while True:
        if (up and last > math.log(2 * MOST_NOISE)) or (not up and last < math.log(LEAST_NOISE / 2)):
            return math.inf if up else -math.inf
        there = last + (step if up else -step)
        value = function(there)
        if (value > 0) != up:
            return float(brentq(function, min(last, there), max(last, there), xtol=tolerance))
        last, step = there, 2 * step
