"""Epsilon after each round of a run, from a few compositions made before the first round.

A composition takes up to half a second, so none is made inside a round: epsilon is known at 25 rounds at
most, and the rounds between two of them have the epsilon of the later.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from server.mechanisms.accounting.accountant import Event, epsilon, epsilon_of, epsilon_rdp
from server.mechanisms.accounting.losses import one_round
from server.mechanisms.accounting.participation import Participation

POINTS = 25
Accountant = Literal["pld", "rdp"]


@dataclass(frozen=True)
class Curve:
    """Epsilon of the first rounds of a run."""

    rounds: tuple[int, ...]  # rising; the last one is the last of the run
    epsilons: tuple[float, ...]  # of each

    def after(self, round: int) -> float:
        """Of the rounds up to this one, which is counted from 1; never too small, and 0 before the first."""
        if round < 1:
            return 0.0
        if round > self.rounds[-1]:
            raise ValueError(f"the curve ends at round {self.rounds[-1]}, got {round}")
        return self.epsilons[bisect_left(self.rounds, round)]


def curve(
    taking_part: Participation,
    noise_multiplier: float,
    delta: float,
    accountant: Accountant = "pld",
    *,
    either_way: bool = False,
) -> Curve:
    """Its points are dense at the start: epsilon grows about as the square root of the rounds.

    `either_way`: as `losses.one_round` takes it.
    """
    rounds = points(taking_part.rounds)
    event = Event.of(taking_part, noise_multiplier)
    if event.sampled and accountant == "pld":
        losses = one_round(event.z, event.q, either_way=either_way)
        found = [epsilon_of(losses, r, delta) for r in rounds]
    else:
        find = epsilon_rdp if accountant == "rdp" else epsilon
        found = [find(event, r, delta) for r in rounds]
    return Curve(rounds, tuple(found))


def points(rounds: int) -> tuple[int, ...]:
    """The rounds at which epsilon is computed: all, or 25 that end with the last."""
    if rounds <= POINTS:
        return tuple(range(1, rounds + 1))
    return tuple(sorted({max(k, math.ceil(rounds * (k / POINTS) ** 2)) for k in range(1, POINTS + 1)}))
