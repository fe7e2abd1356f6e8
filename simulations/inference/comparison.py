"""Whether an arm is better than a reference: paired by fold and seed, with one of three verdicts, or none.

The test is Student's t on the differences of folds with Nadeau and Bengio's variance (paired_t.py); the seeds
of a fold are averaged first. Where few folds happen to agree, their spread says less than the test people do:
the standard error is at least that of the people bootstrap. It is added where all folds test the same people,
whom their spread then leaves out. "Equal" needs evidence as well: two one-sided tests against a margin that
was fixed beforehand. Of many arms compared with one reference some differ by chance: p is adjusted by Holm's
rule.

Under the null hypothesis the test says "better" or "worse" far more seldom than a percentile bootstrap over
folds: docs/statistics.md has the simulation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from simulations.inference.intervals import resampled
from simulations.inference.paired_t import LEVEL, holm, paired_t
from simulations.inference.scores import Replicate, score

Verdict = Literal["better", "worse", "equal within the margin", "not decided"]
MARGIN = 0.02  # a difference in accuracy or macro-F1 that does not matter


@dataclass(frozen=True)
class Comparison:
    """An arm minus its reference in one measure.

    Fields:
        difference, low, high: the mean over folds and its 95% interval, not adjusted for other arms.
        p, p_holm: of no difference, alone and adjusted for the arms that `with_holm` was given.
        p_equal, p_equal_holm: of a difference of at least the margin, either way; alone and adjusted.
        folds: how many were compared.
    """

    arm: str
    reference: str
    measure: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    p_equal: float
    verdict: Verdict
    p_equal_holm: float = 1.0
    folds: int = 0


def compare(
    arm: str,
    a: Sequence[Replicate],
    reference: str,
    b: Sequence[Replicate],
    *,
    classes: int,
    measure: str,
    margin: float = MARGIN,
    test_share: float,
    seed: int = 0,
) -> Comparison:
    """Arm `a` against reference `b`, in the folds and seeds that both have; before Holm p_holm is p.

    `test_share` is the share of the people that one fold tests: 1 / folds, or the test part of random splits.
    ValueError for fewer than two folds in common, or a pair that was tested on different photos.
    """
    pairs = _pairs(arm, a, reference, b)
    found = paired_t(_fold_means(pairs, _measured(pairs, classes, measure))[0], test_share=test_share)
    people = _people_error(pairs, classes, measure, seed)
    error = float(np.hypot(found.error, people)) if _same_people(pairs) else max(found.error, people)
    found = replace(found, error=error)
    low, high = found.interval()
    p, p_equal = found.p, found.p_equal(margin)
    return Comparison(
        arm=arm,
        reference=reference,
        measure=measure,
        difference=found.difference,
        low=low,
        high=high,
        p=p,
        p_holm=p,
        p_equal=p_equal,
        verdict=_verdict(found.difference, p, p_equal, LEVEL),
        p_equal_holm=p_equal,
        folds=found.freedom + 1,
    )


def with_holm(
    comparisons: Sequence[Comparison], *, margin: float = MARGIN, level: float = LEVEL
) -> tuple[Comparison, ...]:
    """The comparisons, all in one measure, adjusted for their number, with verdicts from the adjusted p.

    No arm can both differ not at all and by the margin, so the two families of tests need no adjustment for
    one another. ValueError for several measures at once.
    """
    if len({each.measure for each in comparisons}) > 1:
        raise ValueError("Holm's adjustment is for the arms within one measure")
    different = holm([each.p for each in comparisons])
    equal = holm([each.p_equal for each in comparisons])
    return tuple(
        replace(each, p_holm=p, p_equal_holm=q, verdict=_verdict(each.difference, p, q, level))
        for each, p, q in zip(comparisons, different, equal, strict=True)
    )


def _verdict(difference: float, p: float, p_equal: float, level: float) -> Verdict:
    if p <= level:
        return "better" if difference > 0 else "worse"
    return "equal within the margin" if p_equal <= level else "not decided"


_Pair = tuple[Replicate, Replicate]


def _pairs(arm: str, a: Sequence[Replicate], reference: str, b: Sequence[Replicate]) -> list[_Pair]:
    """The replicates of both arms with the same fold and seed, in their order."""
    others = {(each.fold, each.seed): each for each in b}
    order = sorted(a, key=lambda each: (each.fold, each.seed))
    pairs = [(each, others[each.fold, each.seed]) for each in order if (each.fold, each.seed) in others]
    for one, two in pairs:
        if not (np.array_equal(one.truth, two.truth) and np.array_equal(one.people, two.people)):
            raise ValueError(
                f"fold {one.fold}, seed {one.seed}: {arm} and {reference} were tested on different photos"
            )
    if len({one.fold for one, _ in pairs}) < 2:
        raise ValueError(f"{arm} and {reference} have fewer than 2 folds in common, which a test needs")
    return pairs


def _measured(pairs: Sequence[_Pair], classes: int, measure: str) -> np.ndarray:
    """The difference (1, pairs) of each pair."""
    return np.array([[score(measure, one.truth, one.answers, classes)
                      - score(measure, two.truth, two.answers, classes) for one, two in pairs]])  # fmt: skip


def _fold_means(pairs: Sequence[_Pair], gaps: np.ndarray) -> np.ndarray:
    """Differences (b, pairs) -> the mean of each fold (b, folds)."""
    fold = np.array([one.fold for one, _ in pairs])
    return np.stack([gaps[:, fold == each].mean(axis=1) for each in np.unique(fold)], axis=1)


def _same_people(pairs: Sequence[_Pair]) -> bool:
    """Whether all folds test the same photos, as when the photos come with a test part."""
    first = pairs[0][0]
    return all(np.array_equal(one.people, first.people) for one, _ in pairs)


def _people_error(pairs: Sequence[_Pair], classes: int, measure: str, seed: int) -> float:
    """The standard error of the mean difference over other test people alone."""
    both = [pair[side] for side in (0, 1) for pair in pairs]
    scores = resampled(both, classes=classes, measure=measure, seed=seed)
    gaps = scores[:, : len(pairs)] - scores[:, len(pairs) :]
    return float(_fold_means(pairs, gaps).mean(axis=1).std(ddof=1))
