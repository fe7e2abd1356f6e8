"""Canaries: phones that are easy to find, each in the run or not by a coin; can the server tell?

The rounds are those of the run, with its mechanism, clip, noise and sampling, and the canaries in addition to
its phones (fer_models/attacks/canary.py). The server's view is every noisy sum that is released. In clips,
the inner product of a canary's direction with the sum of a round is 1 if it took part, plus the noise z, and
else the noise. Its score is the logarithm of the likelihood ratio of its being in the run,

    sum over rounds of log(1 - q + q exp((product - 1/2) / z^2)),

which no other test beats (Neyman and Pearson): q is the chance to take part in a round.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import chi2

from fer_models.attacks.base import MOST_SCALE, malicious
from fer_models.attacks.canary import direction
from fer_models.errors import InputError
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.training import Update
from fer_models.run_folder.audit import CanariesFound
from fer_models.seeding import stream
from server.mechanisms.accounting.lower_bounds import clopper_pearson, gaussian, one_run
from server.mechanisms.privacy.central import Central, Released, State
from server.mechanisms.privacy.coins import Coins
from server.mechanisms.privacy.plan import PrivatePlan
from simulations.audit.again import Again, joined

CANARIES = 1000
_SURE = 0.01  # canaries that delta may give away: a bound from one run is weak where this is not small
_DRAWN = 4000  # scores from which the threshold is chosen
_GUESSES = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)  # shares of the canaries that are guessed, the surest first


@dataclass
class _View:
    """What the server has seen, and what an auditor knows besides."""

    sums: list[np.ndarray] = field(default_factory=list)  # as released, in clips
    squares: float = 0.0  # of the noise, in units of the deviation it should have
    numbers: int = 0


@dataclass(frozen=True)
class _Watched(Central):
    """The run's mechanism, watched."""

    view: _View = field(default_factory=_View)

    def release(self, update: Update, number: int, state: State) -> Released:
        """As the run releases it."""
        found, clip = super().release(update, number, state), self.clip(state)
        noise = (found.update.total - update.total) / (self.plan.noise * clip * self.plan.scale)
        self.view.sums.append((found.update.total / clip).ravel())
        self.view.squares += float(np.square(noise).sum())
        self.view.numbers += noise.size
        return found


def canaries(run: Again, *, seed: int, number: int = CANARIES, among: int = 1) -> CanariesFound:
    """Lower bounds on the epsilon of the run's rounds; InputError if the run is not private.

    `among`: how many audits are made, which any of two bounds of each could refute the claim: the confidence
    allows for all of them.
    """
    config = run.config
    if not config.privacy.private:
        raise InputError(
            'audit: canaries look for noise, and the run has privacy.mechanism = "none"; audit a private run,'
            " or make other attacks"
        )
    coins = stream(seed, "canaries").random(number) < 0.5
    inside, phones = int(coins.sum()), run.held.phones + int(coins.sum())
    view, watched = _View(), list[_Watched]()

    def wrapped(private: Central) -> Central:
        watched.append(_Watched(private.plan, Coins.seeded(seed), private.ledger, view))
        return watched[-1]

    settings = _settings(run, phones, inside, seed, _SURE / number)
    run.head(_with(run, phones, inside, seed), wrapped, **settings)
    plan = watched[0].plan
    delta, claim = plan.guarantee.delta, plan.guarantee.epsilon
    were = malicious(phones, inside / phones, seed)
    others = range(phones, phones + number - inside)  # they have directions of their own
    scores = _scores(view, [*map(int, were), *others], plan, seed)
    inner, outer = scores[:inside], scores[inside:]
    threshold = _threshold(plan, len(view.sums), inside, number - inside, seed)
    confidence, ratio = 1 - 0.05 / (2 * among), view.squares / view.numbers
    below = float(chi2.cdf(view.squares, view.numbers))
    return CanariesFound(
        canaries=number,
        inside=inside,
        delta=delta,
        claim=claim,
        clopper_pearson=clopper_pearson(
            int((inner > threshold).sum()),
            inside,
            int((outer > threshold).sum()),
            number - inside,
            delta,
            confidence,
        ),
        one_run=_one_run(inner, outer, delta, confidence),
        gaussian=gaussian(inner, outer, delta),
        noise_ratio=ratio,
        noise_p=2 * min(below, 1 - below),
    )


def _settings(run: Again, phones: int, inside: int, seed: int, delta: float) -> dict[str, dict[str, object]]:
    """The run's mechanism for so many phones: the same noise multiplier, and the same chance to take part."""
    from simulations.run.private import plan_of

    plan = plan_of(run.config)
    assert plan is not None
    taking = plan.guarantee.taking_part
    per_round = 0 if taking.per_round == taking.phones else max(1, round(taking.chance * phones))
    return {
        "federation": {"phones": phones, "phones_per_round": per_round},
        "attack": {"name": "canary", "phones": inside / phones, "scale": _scale(run.config.privacy.clip)},
        "run": {"train_seed": seed},
        "privacy": {
            "epsilon": "auto", "noise_multiplier": plan.guarantee.noise_multiplier, "on_budget": "refuse",
            "delta": min(plan.guarantee.delta, delta), "population": 0, "cohort": 0,
            "randomness": "seeded",
        },
    }  # fmt: skip


def _scale(clip: float) -> float:
    """A norm of canaries that is surely clipped; InputError if there is none."""
    if clip > MOST_SCALE / 2:
        raise InputError(
            f"audit: canaries are at most {MOST_SCALE:,.0f} long, which privacy.clip = {clip:g} does not"
            " clip; make other attacks"
        )
    return max(1000.0, 2 * clip)


def _with(run: Again, phones: int, inside: int, seed: int) -> PhoneRows:
    """The run's phones, and canaries with one row each where the attack puts them."""
    bad = np.isin(np.arange(phones), malicious(phones, inside / phones, seed))
    honest = iter(range(run.held.phones))
    own = [run.held.rows[:1] if is_bad else run.rows_of(next(honest)) for is_bad in bad]
    rows, offsets = joined(own)
    return replace(run.held, rows=rows, offsets=offsets, photos=None)


def _scores(view: _View, phones: list[int], plan: PrivatePlan, seed: int) -> np.ndarray:
    """The score of each of these canaries, (k,) float64."""
    sums = np.array(view.sums)
    products = (sums @ direction(seed, phone, sums.shape[1]) for phone in phones)
    return np.array([_score(each, plan) for each in products])


def _score(products: np.ndarray, plan: PrivatePlan) -> np.ndarray:
    """The logarithm of the likelihood ratio for inner products (rounds, ...)."""
    chance, tilts = plan.per_round / plan.phones, (products - 0.5) / (plan.noise * plan.scale) ** 2
    with np.errstate(divide="ignore"):  # where all take part in every round
        return np.asarray(np.logaddexp(np.log1p(-chance), np.log(chance) + tilts).sum(axis=0))


def _threshold(plan: PrivatePlan, rounds: int, inside: int, outside: int, seed: int) -> float:
    """The score above which a canary counts as in: the one that would show most if all were as accounted,
    found with drawn scores, before any is seen.
    """
    rng, drawn = stream(seed, "threshold"), list[np.ndarray]()
    for joins in (plan.per_round / plan.phones, 0.0):
        came = rng.random((rounds, _DRAWN)) < joins
        drawn.append(_score(came + plan.noise * plan.scale * rng.standard_normal(came.shape), plan))
    best, chosen = -1.0, 0.0
    for threshold in np.quantile(drawn[1], np.linspace(0.5, 1, 51)):
        hits, alarms = ((each > threshold).mean() for each in drawn)
        right, wrong = round(hits * inside), math.ceil(alarms * outside)
        if (found := clopper_pearson(right, inside, wrong, outside, plan.guarantee.delta)) > best:
            best, chosen = found, float(threshold)
    return chosen


def _one_run(inner: np.ndarray, outer: np.ndarray, delta: float, confidence: float) -> float:
    """The best of several numbers of guesses, each held to a confidence that allows for the others."""
    scores = np.concatenate([inner, outer])
    truly = np.arange(len(scores)) < len(inner)
    order = np.argsort(-scores, kind="stable")
    found, each = 0.0, 1 - (1 - confidence) / len(_GUESSES)
    for share in _GUESSES:
        half = max(1, math.floor(share * len(scores) / 2))
        right = int(truly[order[:half]].sum() + (~truly[order[-half:]]).sum())
        found = max(found, one_run(right, 2 * half, len(scores), delta, each))
    return found
