"""95% intervals of scores: over people for one run, over folds, seeds and people for several.

One run's interval resamples people, each with all their photos (Field and Welsh, "Bootstrapping clustered
data", 2007): photos of one person are alike, and an interval that takes them as independent is too narrow. It
covers other test people only, neither another split nor another seed of the same method.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from fer_models.seeding import stream
from simulations.inference.scores import Estimate, Replicate, numbered, score, tallies, weighted

RESAMPLES = 2000
_TAILS = (2.5, 97.5)


def people_interval(
    truth: np.ndarray, answers: np.ndarray, people: np.ndarray, *, classes: int, measure: str, seed: int = 0
) -> Estimate:
    """The score of one run's answers (n,) and its interval over test people (n,) like these."""
    return estimate([Replicate(0, 0, truth, answers, people)], classes=classes, measure=measure, seed=seed)


def estimate(replicates: Sequence[Replicate], *, classes: int, measure: str, seed: int = 0) -> Estimate:
    """The mean score over folds, each the mean over its seeds, by a hierarchical bootstrap.

    Folds are resampled, seeds within folds, and people, who carry all their photos through all folds. That
    counts other people twice, since folds differ in their people, too, which makes up for how little the
    resampled means of few folds spread: measured coverage is in docs/statistics.md. ValueError without
    replicates.
    """
    if not replicates:
        raise ValueError("an estimate needs at least one replicate")
    replicates = sorted(replicates, key=lambda each: (each.fold, each.seed))
    folds = sorted({each.fold for each in replicates})
    scores = resampled(replicates, classes=classes, measure=measure, seed=seed)
    measured = np.array([score(measure, each.truth, each.answers, classes) for each in replicates])
    where = [np.array([i for i, each in enumerate(replicates) if each.fold == fold]) for fold in folds]
    rng = stream(seed, "inference", "folds")
    mean = float(np.mean([measured[rows].mean() for rows in where]))
    total = np.zeros(RESAMPLES)
    for rows, weight in zip(where, _shares(rng, len(folds)).T, strict=True):
        total += weight * (scores[:, rows] * _shares(rng, len(rows))).sum(axis=1)
    low, high = np.percentile(total, _TAILS)
    return Estimate(mean, float(low), float(high))


def resampled(replicates: Sequence[Replicate], *, classes: int, measure: str, seed: int) -> np.ndarray:
    """Scores (RESAMPLES, replicates): each row is a resample of people, the same for all replicates."""
    person, people = numbered(replicates)
    weights = people_weights(people, seed)
    columns = []
    for each, row in zip(replicates, person, strict=True):
        own, place = np.unique(row, return_inverse=True)
        counts = tallies(each.truth, each.answers, place, len(own), classes)
        columns.append(weighted(measure, counts, weights[:, own]))
    return np.stack(columns, axis=1)


@lru_cache(maxsize=4)
def people_weights(people: int, seed: int) -> np.ndarray:
    """How often each of the people is in each resample: (RESAMPLES, people), read-only."""
    rng = stream(seed, "inference", "people")
    weights = rng.multinomial(people, np.full(people, 1 / people), size=RESAMPLES).astype(np.float64)
    weights.flags.writeable = False
    return weights


def _shares(rng: np.random.Generator, number: int) -> np.ndarray:
    """Weights (RESAMPLES, number) of a resample with replacement; each row sums to 1."""
    return rng.multinomial(number, np.full(number, 1 / number), size=RESAMPLES) / number
