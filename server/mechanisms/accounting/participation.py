"""How phones take part in a run: the numbers on which its privacy depends, beside the noise."""

from dataclasses import dataclass

from fer_models.errors import InputError
from server.mechanisms.accounting.sampling import Neighbours, Sampling, neighbours_of, sampling_named

LEAST_NOISE, MOST_NOISE = 0.01, 10_000.0  # multipliers
MOST_PHONES = 10**10
MOST_ROUNDS = 10**5


@dataclass(frozen=True)
class Participation:
    """Checked; made by `participation`."""

    phones: int
    per_round: int  # expected, or exact, by the sampling
    rounds: int
    sampling: Sampling
    neighbours: Neighbours

    @property
    def chance(self) -> float:
        """Of a phone to take part in a round."""
        return self.per_round / self.phones

    @property
    def sensitivity(self) -> int:
        """Of a round's sum, in clips: a phone is there or not, or one update stands in for its opposite."""
        return 2 if self.neighbours == "replace" else 1


def participation(
    phones: int, per_round: int, rounds: int, sampling: str = "poisson", neighbours: str | None = None
) -> Participation:
    """`per_round` 0: all phones. InputError if the numbers do not fit together."""
    _check("phones", phones, 1, MOST_PHONES)
    _check("rounds", rounds, 1, MOST_ROUNDS)
    _check("phones per round", per_round, 0, MOST_PHONES)
    if per_round > phones:
        raise InputError(
            f"phones per round is {per_round:,} of only {phones:,} phones; set it to {phones:,} or less"
        )
    way = sampling_named(sampling)
    if way.everybody and per_round not in (0, phones):
        raise InputError(
            f"phones per round is {per_round:,} of {phones:,}, but sampling {way.name} takes all of them in"
            ' every round; leave it out, or sample by "poisson" or "fixed"'
        )
    return Participation(phones, per_round or phones, rounds, way, neighbours_of(way, neighbours))


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InputError(f"{name} must be from {least:,} to {most:,}, got {value:,}")
