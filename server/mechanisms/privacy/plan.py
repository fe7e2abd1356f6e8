"""What is known of a private run before its first round: its noise, and epsilon after each round."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from fer_models.errors import InputError
from fer_models.local.kernel import EXACT_BELOW, QUANTUM
from server.mechanisms.accounting.accountant import Event, epsilon_of_releases, epsilon_rdp_of_releases
from server.mechanisms.accounting.calibration import rounded_up
from server.mechanisms.accounting.curve import Curve, curve
from server.mechanisms.accounting.guarantee import Guarantee, guarantee
from server.mechanisms.accounting.participation import Participation, participation
from server.mechanisms.privacy.config import PrivacyConfig
from server.mechanisms.privacy.discrete_gaussian import LEAST_SIGMA as SMALLEST_SIGMA
from server.mechanisms.privacy.discrete_gaussian import MOST_SIGMA
from server.mechanisms.privacy.lattice import LEAST_SIGMA, MOST_EPSILON, Lattice

LEAST_CLIP = 2.0**-8  # of adaptive clipping, unless it begins below
_COUNTS = 20  # noise on the count of updates within the clip, as a share of the cohort (arXiv:1905.03871)


@dataclass(frozen=True)
class PrivatePlan:
    """A private run, as far as its settings tell."""

    config: PrivacyConfig
    phones: int  # simulated
    per_round: int  # simulated phones expected in a round
    guarantee: Guarantee  # of all rounds
    curve: Curve  # epsilon after each of them, the lattice's share included
    lattice: Lattice
    noise: float  # multiplier of the noise on updates, once the count within the clip has its share

    @property
    def rounds(self) -> int:
        """Of the run."""
        return self.guarantee.taking_part.rounds

    @property
    def lattice_extra(self) -> float:
        """What discrete noise adds to epsilon over all rounds."""
        return self.lattice.extra(self.rounds)

    @property
    def scale(self) -> float:
        """Simulated phones in a round for each one of the deployment's."""
        return self.per_round / self.guarantee.taking_part.per_round

    @property
    def budget(self) -> float | None:
        """The epsilon that must not be exceeded, if there is one."""
        return None if self.config.epsilon == "auto" else self.config.epsilon

    @property
    def clips(self) -> tuple[float, float]:
        """The least and the greatest clip that adaptive clipping may arrive at."""
        exact = EXACT_BELOW / (2 * (self.per_round + 20 * math.sqrt(self.per_round) + 100))
        drawn = MOST_SIGMA * QUANTUM / (self.noise * max(self.scale, 1.0))
        return min(LEAST_CLIP, self.config.clip), min(exact, drawn)

    def epsilon_of(self, rounds: int, repeated: Mapping[int, int] = MappingProxyType({})) -> float:
        """Of the first rounds; `repeated`: those that have released several different sums, and how many."""
        if not repeated and rounds <= self.rounds:
            return self.curve.after(rounds)
        taking, sums = self.guarantee.taking_part, rounds - len(repeated) + sum(repeated.values())
        releases = Counter({1: rounds - len(repeated)}) + Counter(repeated.values())
        event = Event.of(taking, self.guarantee.noise_multiplier)
        left = self.lattice.left(sums, self.guarantee.delta)
        if self.config.accountant == "rdp":
            found = epsilon_rdp_of_releases(event, releases, left)
        else:
            found = epsilon_of_releases(event, releases, left, either_way=either_way(taking))
        return found + self.lattice.extra(sums)

    def within_budget(self, rounds: int, repeated: Mapping[int, int] = MappingProxyType({})) -> bool:
        """Whether these releases keep within the budget."""
        return self.budget is None or self.epsilon_of(rounds, repeated) <= self.budget


def either_way(taking: Participation) -> bool:
    """Whether replacing a phone may be worst in one direction now and in the other then. A run's updates do
    adapt from round to round, so it claims what holds whatever they do: losses.one_round.
    """
    return taking.neighbours == "replace" and taking.chance < 1


@lru_cache(maxsize=8)
def planned(config: PrivacyConfig, *, phones: int, per_round: int, rounds: int, numbers: int) -> PrivatePlan:
    """The plan of a run; `per_round` 0: all phones. InputError if it cannot be.

    `numbers`: in an update, at most. With a budget and a noise multiplier the plan ends with the last round
    within the budget. Price: a second, or a few to find the noise; once.
    """
    taking = _taking_part(config, phones, per_round, rounds)
    known = _Known(config, taking, numbers, (per_round or phones) / taking.per_round)
    found = known.found()
    if config.on_budget == "stop" and config.noise_multiplier != "auto":
        known, found = known.stopped(found)
    points = known.curve(found)
    if points.epsilons[-1] > MOST_EPSILON:
        raise InputError(
            f"privacy: epsilon is {points.epsilons[-1]:,.0f}; above {MOST_EPSILON:g} nothing is protected:"
            " give more noise or fewer rounds"
        )
    plan = PrivatePlan(
        config=config,
        phones=phones,
        per_round=per_round or phones,
        guarantee=replace(found, epsilon=points.epsilons[-1], epsilon_either_way=points.epsilons[-1]),
        curve=points,
        lattice=known.lattice(found),
        noise=_split(config, found, known.taking),
    )
    if config.clip > plan.clips[1]:
        raise InputError(
            f"privacy.clip must be at most {plan.clips[1]:.4g} for {plan.per_round:,} phones per round, whose"
            f" sum is exact below {EXACT_BELOW:,.0f}, got {config.clip:g}; lower it"
        )
    return plan


@dataclass(frozen=True)
class _Known:
    """What the accountant is given."""

    config: PrivacyConfig
    taking: Participation
    numbers: int
    scale: float = 1.0  # `PrivatePlan.scale`

    def found(self) -> Guarantee:
        """The guarantee, without the lattice's share: that is taken from the budget, if there is one."""
        config = self.config
        if config.noise_multiplier != "auto":
            return self._guarantee(None, config.noise_multiplier)
        assert config.epsilon != "auto"
        found = self._guarantee(config.epsilon)
        if self.curve(found).epsilons[-1] <= config.epsilon:
            return found
        on, rounds = self.lattice(found), self.taking.rounds
        if (extra := on.extra(rounds)) >= config.epsilon:
            raise InputError(
                f"privacy.epsilon = {config.epsilon:g} is less than what discrete noise costs, {extra:.2g};"
                " raise it, or privacy.clip"
            )
        less = config.model_copy(update={"delta": on.left(rounds, found.delta)})
        again = replace(self, config=less)._guarantee(config.epsilon - extra)
        return self._enough(replace(again, delta=found.delta))

    def _enough(self, found: Guarantee) -> Guarantee:
        """With as much more noise as the claim of a run takes, where that is more than the accountant's."""
        budget, step = self.config.epsilon, 0.02
        assert budget != "auto"
        while self.curve(found).epsilons[-1] > budget:
            found = self._guarantee(None, rounded_up(found.noise_multiplier * (1 + step)))
        if not either_way(self.taking):
            return found
        low = found.noise_multiplier / (1 + step)  # too little
        for _ in range(6):
            between = self._guarantee(None, rounded_up((low + found.noise_multiplier) / 2))
            if self.curve(between).epsilons[-1] > budget:
                low = between.noise_multiplier
            else:
                found = between
        return found

    def stopped(self, found: Guarantee) -> "tuple[_Known, Guarantee]":
        """The same for the rounds that keep within the budget."""
        assert self.config.epsilon != "auto"
        budget, on = self.config.epsilon, self.lattice(found)
        event, adapts = Event.of(self.taking, found.noise_multiplier), either_way(self.taking)

        def after(rounds: int) -> float:
            left = on.left(rounds, found.delta)
            if self.config.accountant == "rdp":
                return epsilon_rdp_of_releases(event, {1: rounds}, left) + on.extra(rounds)
            return epsilon_of_releases(event, {1: rounds}, left, either_way=adapts) + on.extra(rounds)

        within = bisect_right(range(1, self.taking.rounds + 1), budget, key=after)
        if not within:
            raise InputError(
                f"privacy.epsilon = {budget:g} is spent before the first round, which takes {after(1):.4g};"
                " raise it, or the noise"
            )
        known = replace(self, taking=replace(self.taking, rounds=within))
        return known, known.found()

    def _guarantee(self, epsilon: float | None, noise_multiplier: float | None = None) -> Guarantee:
        delta = None if self.config.delta == "auto" else self.config.delta
        return guarantee(
            self.taking, epsilon=epsilon, noise_multiplier=noise_multiplier, delta=delta,
            numbers=self.numbers, accountant=self.config.accountant,
        )  # fmt: skip

    def lattice(self, found: Guarantee) -> Lattice:
        """InputError if the noise is too little, or too much, for it."""
        config, z, adaptive = self.config, found.noise_multiplier, self.config.clipping == "adaptive"
        least = min(LEAST_CLIP, config.clip) if adaptive else config.clip
        on, this = Lattice(self.numbers + adaptive, z * least / QUANTUM), f"privacy.clip = {config.clip:g}"
        if on.sigma < LEAST_SIGMA or on.extra(self.taking.rounds) > 1:
            raise InputError(
                f"{this} with a noise multiplier of {z:g} is too fine for the lattice of exact sums,"
                f" multiples of {QUANTUM:.2g}; raise it"
            )
        if (drawn := on.sigma * self.scale) < SMALLEST_SIGMA:
            raise InputError(
                f"privacy.cohort = {self.taking.per_round:,} leaves the simulated phones noise of {drawn:.2g}"
                " quanta, too little to draw; simulate more phones per round, or raise privacy.clip"
            )
        if z * config.clip / QUANTUM > MOST_SIGMA:
            raise InputError(
                f"{this} with a noise multiplier of {z:g} is too much noise for exact sums; lower the clip"
            )
        return on

    def curve(self, found: Guarantee) -> Curve:
        """With the lattice's share."""
        on, rounds = self.lattice(found), self.taking.rounds
        left = on.left(rounds, found.delta)
        points = curve(
            self.taking, found.noise_multiplier, left, self.config.accountant,
            either_way=either_way(self.taking),
        )  # fmt: skip
        each = zip(points.rounds, points.epsilons, strict=True)
        return Curve(points.rounds, tuple(epsilon + on.extra(r) for r, epsilon in each))


def _taking_part(config: PrivacyConfig, phones: int, per_round: int, rounds: int) -> Participation:
    if config.cohort and config.cohort < (simulated := per_round or phones):
        raise InputError(
            f"privacy.cohort must be at least the {simulated:,} phones simulated in a round, got"
            f" {config.cohort:,}; raise it, or lower federation.phones_per_round"
        )
    everybody = config.population or phones, config.cohort or per_round
    neighbours = None if config.sampling == "fixed" else config.neighbours
    taking = participation(*everybody, rounds, config.sampling, neighbours)
    if config.accountant == "rdp" and either_way(taking):
        raise InputError(
            'privacy.accountant = "rdp" has no proven bound for phones that are replaced and sampled; leave'
            ' it out, or set privacy.neighbours = "add-remove" and another privacy.sampling'
        )
    return taking


def _split(config: PrivacyConfig, found: Guarantee, taking: Participation) -> float:
    """The multiplier of the noise on updates. With adaptive clipping it is larger: the count of those within
    the clip takes its share, so that both together are as private as the one multiplier says.
    """
    z, counts = found.noise_multiplier, 2 * taking.per_round / _COUNTS
    if config.clipping == "fixed":
        return z
    if z >= counts:
        raise InputError(
            f"privacy.clipping = adaptive needs a noise multiplier below a tenth of the {taking.per_round:,}"
            f" phones per round, got {z:g}; take more phones, or a fixed clip"
        )
    return split(z, taking.per_round)


def split(z: float, per_round: int) -> float:
    """Andrew, Thakkar, McMahan and Ramaswamy 2021, arXiv:1905.03871, theorem 1, for a count with noise of a
    twentieth of the cohort, of which a phone is plus or minus a half.
    """
    return float((z**-2 - (2 * per_round / _COUNTS) ** -2) ** -0.5)
