"""What the noise guarantees, or what noise a guarantee takes, with the assumptions on which it stands."""

import math
from dataclasses import dataclass
from typing import Any

from fer_models.errors import InputError
from server.mechanisms.accounting.accountant import MOST_EPSILON, Event, epsilon_either_way, epsilon_rdp
from server.mechanisms.accounting.accountant import epsilon as epsilon_of_rounds
from server.mechanisms.accounting.calibration import by_rdp, rounded_up
from server.mechanisms.accounting.calibration import noise_multiplier as calibrated
from server.mechanisms.accounting.curve import Accountant
from server.mechanisms.accounting.participation import LEAST_NOISE, MOST_NOISE, Participation
from server.mechanisms.accounting.sampling import SAMPLINGS

HEAD = 6_405  # numbers in an update: the default head, 5 classes x (1,280 features and a bias)
LEAST_DELTA = 1e-12  # smaller ones drown in the rounding of the composition

_NEIGHBOURS = {
    "add-remove": "Protected is whether a phone is there at all, with everything on it.",
    "replace": "Protected is what is on a phone, against any other content; that it is there is known.",
}
_ALWAYS = (
    "Every update is clipped to one norm. A round's sum of them gets fresh Gaussian noise, that norm times"
    " the noise multiplier, and is divided by the expected number of phones, never by who came.",
    "Nothing else about the phones is released: no loss, no exact count, no single update, no seed of the"
    " noise.",
    "The server is trusted: it sees the updates before the noise is added.",
)


@dataclass(frozen=True)
class Guarantee:
    """(epsilon, delta)-differential privacy of a phone over all rounds."""

    taking_part: Participation
    noise_multiplier: float  # standard deviation of the noise on the sum of updates, in clips
    delta: float
    epsilon: float  # the claim
    epsilon_either_way: float  # at least the claim, and other only for replaced phones that are sampled
    epsilon_rdp: float  # looser
    accountant: str  # of the claim: "rdp", or "pld" with sampling, "gaussian", which is exact, without
    numbers: int  # in an update

    @property
    def noise_in_clips(self) -> float:
        """Expected norm of the noise on the mean update, in clips; no update's is above 1."""
        return self.noise_multiplier * math.sqrt(self.numbers) / self.taking_part.per_round

    @property
    def assumptions(self) -> tuple[str, ...]:
        """A sentence or two each."""
        sampling = self.taking_part.sampling if self.taking_part.chance < 1 else SAMPLINGS["all"]
        own = (_NEIGHBOURS[self.taking_part.neighbours], sampling.words)
        if self.epsilon_either_way == self.epsilon:
            return (*own, *_ALWAYS)
        turning = (
            "The data that make one round worst make every round worst. Without this, updates that adapt from"
            f" round to round included, epsilon is {rounded_up(self.epsilon_either_way, 4):.4g}."
        )
        return (*own, turning, *_ALWAYS)

    def record(self) -> dict[str, Any]:
        """The object of `fedfer privacy --json`."""
        return {
            "epsilon": self.epsilon,
            "epsilon_rdp": self.epsilon_rdp,
            "delta": self.delta,
            "noise_multiplier": self.noise_multiplier,
            "noise_in_clips": self.noise_in_clips,
            "accountant": self.accountant,
            "neighbours": self.taking_part.neighbours,
            "sampling": self.taking_part.sampling.name,
            "assumptions": list(self.assumptions),
        }


def guarantee(
    taking_part: Participation,
    *,
    epsilon: float | None = None,
    noise_multiplier: float | None = None,
    delta: float | None = None,
    numbers: int = HEAD,
    accountant: Accountant = "pld",
) -> Guarantee:
    """Of exactly one of `epsilon`, a budget, and `noise_multiplier`; `delta` None: phones^-1.1.

    `accountant`: of the claim, and of the noise for a budget. InputError if they cannot be used. Price: a
    second, or a few to find the noise.
    """
    chosen = _delta(taking_part.phones, delta)
    if numbers < 1:
        raise InputError(f"parameters, the numbers in an update, must be at least 1, got {numbers:,}")
    z = _noise(taking_part, epsilon, noise_multiplier, chosen, accountant)
    event = Event.of(taking_part, z)
    rdp = epsilon_rdp(event, taking_part.rounds, chosen)
    claim = rdp if accountant == "rdp" else epsilon_of_rounds(event, taking_part.rounds, chosen)
    if not claim <= MOST_EPSILON:
        raise InputError(
            f"noise multiplier {z:g} over {taking_part.rounds:,} rounds guarantees nothing (epsilon is above"
            f" {MOST_EPSILON:,g}); give a larger noise multiplier or fewer rounds"
        )
    return Guarantee(
        taking_part=taking_part,
        noise_multiplier=z,
        delta=chosen,
        epsilon=claim,
        epsilon_either_way=(
            max(claim, epsilon_either_way(event, taking_part.rounds, chosen))
            if event.sampled and taking_part.neighbours == "replace"
            else claim
        ),
        epsilon_rdp=rdp,
        accountant=accountant if event.sampled or accountant == "rdp" else "gaussian",
        numbers=numbers,
    )


def _noise(
    taking_part: Participation,
    epsilon: float | None,
    given: float | None,
    delta: float,
    accountant: Accountant,
) -> float:
    """The noise multiplier that is given, or that the budget takes."""
    if (epsilon is None) == (given is None):
        got = "neither" if epsilon is None else "both"
        raise InputError(f"give one of epsilon and the noise multiplier, and the other follows; got {got}")
    if epsilon is not None:
        _check("epsilon", epsilon, 0, MOST_EPSILON)
        return (calibrated if accountant == "pld" else by_rdp)(taking_part, epsilon, delta)
    assert given is not None
    _check("noise multiplier", given, LEAST_NOISE, MOST_NOISE)
    return given


def _delta(phones: int, given: float | None) -> float:
    delta = phones**-1.1 if given is None else given
    if not 0 < delta < 1 and given is not None:
        raise InputError(f"delta must be above 0 and below 1, got {delta:g}; the default is phones^-1.1")
    if delta >= 1 / phones:
        raise InputError(
            f"delta is {delta:g}, but must be below 1/phones, {1 / phones:g}: else publishing all"
            " of one phone would pass; give a smaller delta, or more phones"
        )
    if delta < LEAST_DELTA:
        raise InputError(f"delta must be at least {LEAST_DELTA:g}, got {delta:g}; less cannot be computed")
    return delta


def _check(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most and value > 0):
        above = f"above 0 and at most {most:,g}" if not least else f"from {least:g} to {most:,g}"
        raise InputError(f"{name} must be {above}, got {value:g}")
