"""What a run says that it guarantees: the record in summary.json, and the assumptions in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fer_models.run_folder.privacy import PrivacyFacts

if TYPE_CHECKING:
    from server.mechanisms.privacy.plan import PrivatePlan

RANDOM = {
    "seeded": "The noise follows from the run's seed, which summary.json and config.toml hold: whoever knows"
    " it can take the noise away.",
    "secret": "The noise follows from a random key of the operating system, which is deleted at the end.",
}
RELEASED = (
    "Released are the head, rounds.jsonl and summary.json. Everything else in the run folder belongs to the"
    " simulation and is not private: unreleased.jsonl, data.json, prepared photos, any baselines."
)
_SCORES = "Scores are those of held-out people, on whose photos no phone trains: these are not protected."
_PLAN = (
    'How often a photo is copied was planned over the photos of all phones (data.balance_on = "server"), and'
    " this plan is not protected."
)
_OWN = "Personal heads stay on their phones: they and their scores are not private."
_TIME = "How long rounds took, which both files hold, is left out of account."


def facts(plan: "PrivatePlan", epsilon: float, rounds: int, *, planned: bool, personal: bool) -> PrivacyFacts:
    """The record of a run that spent `epsilon` in `rounds`.

    `planned`: whether the server planned how photos are balanced; `personal`: whether phones have heads of
    their own.
    """
    known, config = plan.guarantee, plan.config
    return PrivacyFacts(
        mechanism=config.mechanism,
        unit="phone",
        neighbours=known.taking_part.neighbours,
        epsilon=epsilon,
        delta=known.delta,
        noise_multiplier=known.noise_multiplier,
        accountant=known.accountant,
        sampling=known.taking_part.sampling.name,
        phones=known.taking_part.phones,
        per_round=known.taking_part.per_round,
        simulated_per_round=plan.per_round,
        rounds=rounds,
        population=config.population or None,
        randomness=config.randomness,
        clipping=config.clipping,
        assumptions=tuple(_assumptions(plan, planned=planned, personal=personal)),
    )


def _assumptions(plan: "PrivatePlan", *, planned: bool, personal: bool) -> Iterator[str]:
    known = plan.guarantee
    if plan.config.population:
        yield (
            f"It is the guarantee of a deployment with {known.taking_part.phones:,} phones, of which"
            f" {known.taking_part.per_round:,} take part in a round. The {plan.phones:,} simulated phones"
            " stand for them, with as much less noise: for these themselves it does not hold."
        )
    yield from known.assumptions
    yield RANDOM[plan.config.randomness]
    yield (
        "Sums and noise are exact, on a lattice; that this noise is discrete is charged:"
        f" {plan.lattice_extra:.1g} of epsilon."
    )
    yield RELEASED
    yield _SCORES
    yield _TIME
    if planned:
        yield _PLAN
    if personal:
        yield _OWN
