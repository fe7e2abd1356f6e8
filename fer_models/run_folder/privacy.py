"""The privacy of a run: a part of summary.json."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PrivacyFacts:
    """(epsilon, delta)-differential privacy, and what it rests on."""

    mechanism: str  # privacy.mechanism
    unit: str  # what is protected, with everything on it: "phone"
    neighbours: str  # "add-remove": whether the unit is there; "replace": what it holds
    epsilon: float  # spent by the rounds that were trained, and by repeats that released something else
    delta: float
    noise_multiplier: float  # standard deviation of the noise on a round's sum, in clips
    accountant: str  # of epsilon: "pld", "rdp", or "gaussian", which is exact
    sampling: str  # privacy.sampling
    phones: int  # to which the guarantee is given: those of the deployment, if there is one
    per_round: int  # of these, expected in a round
    simulated_per_round: int  # simulated phones expected in a round
    rounds: int  # that were trained
    population: int | None  # privacy.population; None: the simulated phones stand for themselves
    randomness: str  # privacy.randomness
    clipping: str  # privacy.clipping
    assumptions: tuple[str, ...]
