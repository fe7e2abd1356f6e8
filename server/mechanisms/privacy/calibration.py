"""The noise that a budget takes: the smallest multiplier with which rounds keep within epsilon."""

import math
from collections.abc import Callable

from scipy.optimize import brentq

from fer_models.errors import InputError
from server.mechanisms.privacy.accountant import Event, delta_at
from server.mechanisms.privacy.backend import accounting
from server.mechanisms.privacy.losses import COARSE, FINE
from server.mechanisms.privacy.participation import Participation

LEAST, MOST = 0.01, 10_000.0  # noise multipliers that are looked at
_DIGITS = 5


def noise_multiplier(taking_part: Participation, epsilon: float, delta: float) -> float:
    """Rounded up to five digits. InputError if none from LEAST to MOST is the one.

    Price: with sampling some 25 compositions, a few seconds.
    """
    event = Event.of(taking_part, 1.0)
    if not event.sampled:
        z = math.sqrt(taking_part.rounds) * float(accounting().get_sigma_gaussian(epsilon, delta))
    else:
        z = _sampled(event.q, taking_part.rounds, epsilon, delta)
    z *= taking_part.sensitivity
    if not LEAST <= z <= MOST:
        which, what = ("more than", "larger") if z > MOST else ("less than", "smaller")
        limit = MOST if z > MOST else LEAST
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
    """The multiplier for sampled phones; infinite if it is above MOST, 0 if it is below LEAST."""

    def excess(points: int) -> Callable[[float], float]:
        def of(log_z: float) -> float:
            found = delta_at(Event(math.exp(log_z), q), rounds, epsilon, points)
            return math.log(max(found, 1e-300)) - math.log(delta)

        return of

    whole = math.sqrt(rounds) * float(accounting().get_sigma_gaussian(epsilon, delta))
    guess = math.log(min(max(q * whole, 0.3), MOST))
    near = _root(excess(COARSE), guess, 0.3, 1e-3)
    if not math.isfinite(near):
        return math.exp(near)
    found = _root(excess(FINE), near, 0.003, 1e-5)
    return math.exp(found + 1e-5)


def _root(function: Callable[[float], float], guess: float, step: float, tolerance: float) -> float:
    """Where the falling function is zero, looked for from `guess` on in growing steps; plus or minus
    infinity if that is beyond MOST or LEAST.
    """
    last, value = guess, function(guess)
    up = value > 0
    while True:
        if (up and last > math.log(2 * MOST)) or (not up and last < math.log(LEAST / 2)):
            return math.inf if up else -math.inf
        there = last + (step if up else -step)
        value = function(there)
        if (value > 0) != up:
            return float(brentq(function, min(last, there), max(last, there), xtol=tolerance))
        last, step = there, 2 * step
