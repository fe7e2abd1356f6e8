"""Central privacy of phones: the server, which sees the sum of clipped updates, adds noise before it is used.

McMahan, Ramage, Talwar and Zhang, "Learning Differentially Private Recurrent Language Models", 2018,
arXiv:1710.06963, with phones that all count equally: the sum of the clipped updates of a round's phones, and
Gaussian noise of `noise_multiplier` clips on each number, divided by the expected number of phones. With
adaptive clipping the clip follows a quantile of the updates' norms (Andrew, Thakkar, McMahan and
Ramaswamy 2021, arXiv:1905.03871, algorithm 1), of which a noisy count is released besides.

Sums are whole multiples of QUANTUM, and so is the noise: nothing is rounded, and no attack on floating-point
noise applies (Mironov 2012).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from fer_models.local.kernel import QUANTUM
from fer_models.local.training import Update
from server.mechanisms.base import SpentError
from server.mechanisms.privacy.coins import Bits, Coins, uniform
from server.mechanisms.privacy.discrete_gaussian import discrete_gaussian
from server.mechanisms.privacy.plan import PrivatePlan

State = dict[str, np.ndarray]  # kept between rounds

_CLIP = "clip"  # in the state
_UNIT = 2.0**-20  # of counts


class Ledger(Protocol):
    """Where releases are noted before they are used."""

    @property
    def last(self) -> int:
        """The last round that has released a sum; all before it have. 0: none has."""

    @property
    def repeated(self) -> Mapping[int, int]:
        """The rounds that have released several different sums, and how many."""

    def has(self, number: int, digest: str) -> bool:
        """Whether round `number` has released this sum."""

    def add(self, number: int, digest: str) -> None:
        """Notes that round `number` releases the noisy sum with this digest."""


@dataclass(frozen=True)
class Released:
    """What a round releases, and what it must not."""

    update: Update  # the noisy sum, over the expected number of phones
    state: State
    metrics: dict[str, float]  # for rounds.jsonl
    unreleased: dict[str, float]  # the exact ones


@dataclass(frozen=True)
class Central:
    """Who takes part in each round, within which clip, and what of their sum is released."""

    plan: PrivatePlan
    coins: Coins
    ledger: Ledger

    def select(self, number: int) -> np.ndarray:
        """The phones of round `number`, sorted by id."""
        plan, bits = self.plan, self.coins.bits("select", number)
        sampling = plan.guarantee.taking_part.sampling
        if sampling.everybody or plan.per_round == plan.phones:
            return np.arange(plan.phones)
        words = bits(plan.phones)
        if sampling.exact:
            return np.sort(np.argpartition(words, plan.per_round)[: plan.per_round])
        return np.flatnonzero(uniform(words) < plan.per_round / plan.phones)

    @property
    def stops(self) -> bool:
        """Whether the run ends where its budget does, instead of failing."""
        return self.plan.config.on_budget == "stop"

    def goes_on(self, number: int) -> bool:
        """Whether round `number` is trained; SpentError if it may not, unless the run is to stop there.

        It may if it keeps within the budget with one sum, or with those that it has released before.
        """
        if self.plan.within_budget(max(number, self.ledger.last), self.ledger.repeated):
            return True
        if self.stops:
            return False
        raise self._spent(number)

    def spent(self, number: int) -> float:
        """Epsilon of the rounds up to `number`."""
        repeated = {one: sums for one, sums in self.ledger.repeated.items() if one <= number}
        return self.plan.epsilon_of(number, repeated)

    def spent_in_all(self, number: int) -> float:
        """The same with what rounds beyond `number` released before the run was resumed."""
        return self.plan.epsilon_of(max(number, self.ledger.last), self.ledger.repeated)

    def begin(self) -> State:
        """The state before the first round."""
        return {_CLIP: np.array([self.plan.config.clip])}

    def clip(self, state: State) -> float:
        """The clip of the next round."""
        return float(state[_CLIP][0])

    def deviation(self, state: State) -> float:
        """The standard deviation of the noise on each number of the next sum."""
        return self.plan.noise * self.clip(state) * self.plan.scale

    def release(self, update: Update, number: int, state: State) -> Released:
        """The sum of a round's updates, clipped to `clip(state)`, with its noise, and the next state.

        An empty sum gets its noise, too. The same sum gets the same noise. SpentError if the budget does not
        last for it.
        """
        plan, clip, per_round = self.plan, self.clip(state), self.plan.per_round
        digest = hashlib.sha256(update.total.tobytes() + f"{update.within} {update.phones} {clip!r}".encode())
        name = digest.hexdigest()
        deviation = self.deviation(state)
        bits = self.coins.bits("noise", number, name)
        noise = discrete_gaussian(deviation / QUANTUM, update.total.size, bits=bits)
        noise = noise.reshape(update.total.shape) * QUANTUM
        total = update.total + noise
        expected = deviation * np.sqrt(noise.size)
        seen = float(np.linalg.norm(total))
        found = {
            "clip": clip,
            "noise_norm": expected / per_round,
            "signal_norm": float(np.sqrt(max(0.0, seen**2 - expected**2))) / per_round,
        }
        exact = {
            "noise_norm": float(np.linalg.norm(noise)) / per_round,
            "signal_norm": float(np.linalg.norm(update.total)) / per_round,
            "within_clip": float(update.within),
        }
        if plan.config.clipping == "adaptive":
            share = self._within(update, self.coins.bits("count", number, name))
            found |= {"within_clip": share}
            state = {_CLIP: np.array([self._next(clip, share)])}
        self._note(number, hashlib.sha256(total.tobytes()).hexdigest())
        found = {"epsilon": self.spent(number), **found}
        noisy = replace(update, total=total, views=per_round, phones=per_round)
        return Released(noisy, state, found, exact)

    def _note(self, number: int, digest: str) -> None:
        """Notes a release; SpentError if it is one too many."""
        if self.ledger.has(number, digest):
            return
        repeated, last = dict(self.ledger.repeated), self.ledger.last
        if number <= last:
            repeated[number] = repeated.get(number, 1) + 1
        if not self.plan.within_budget(max(number, last), repeated):
            raise self._spent(number)
        self.ledger.add(number, digest)

    def _spent(self, number: int) -> SpentError:
        return SpentError(
            f"the privacy budget, privacy.epsilon = {self.plan.budget:g}, does not last for round {number}:"
            " rounds that were trained again released other sums",
            resumable=False,
        )

    def _within(self, update: Update, bits: Bits) -> float:
        """The noisy share of the cohort that is within the clip; a phone counts plus or minus a half."""
        deviation = self.plan.per_round / 10  # of twice the count: theorem 1 has a twentieth of the cohort
        noise = float(discrete_gaussian(deviation / _UNIT, 1, bits=bits)[0]) * _UNIT
        twice = 2 * update.within - update.phones + noise
        return (twice / self.plan.per_round + 1) / 2

    def _next(self, clip: float, share: float) -> float:
        """The clip after a round in which this share of updates was within it."""
        config, (least, most) = self.plan.config, self.plan.clips
        moved = clip * np.exp(-config.clip_rate * (share - config.quantile))
        return float(min(max(moved, least), most))
