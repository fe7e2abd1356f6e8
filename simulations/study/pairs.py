"""Whether models differ: every pair of a study, tested on the same photos at each seed.

Over several seeds, each with its own split, the seeds are the folds of simulations/inference: a test with a
corrected variance, and verdicts on the models. At one seed nothing can be said about models; other test
people alone are resampled, with all their photos (report/intervals.py), to see which differences keep their
sign. All pairs of models at a balance are tested together in one measure, so p is adjusted by Holm's rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from simulations.inference.comparison import Verdict, compare, with_holm
from simulations.inference.paired_t import LEVEL, holm
from simulations.inference.scores import MEASURES, Replicate
from simulations.report import intervals
from simulations.report.intervals import Difference, Judged
from simulations.report.results import Run, share_tested

COMPARED = MEASURES

Reading = Literal["different", "equal within the margin", "not decided", "sign holds", "sign open"]
OVER_SEEDS: tuple[Reading, ...] = ("different", "equal within the margin", "not decided")
AT_ONE_SEED: tuple[Reading, ...] = ("sign holds", "sign open")
CLEAR = (OVER_SEEDS[0], AT_ONE_SEED[0])
_READ: dict[Verdict, Reading] = {
    "better": "different",
    "worse": "different",
    "equal within the margin": "equal within the margin",
    "not decided": "not decided",
}


@dataclass(frozen=True)
class Pair:
    """Two models at one balance: `first` minus `second` in one measure of COMPARED.

    Fields:
        gap: the difference of the means over seeds with its own 95% interval. of_seeds: at each seed.
        p: of no difference; adjusted: by Holm's rule for all pairs at this balance and measure.
        p_equal: of a difference of at least the margin, adjusted likewise; None at one seed.
        reading: one of OVER_SEEDS, or of AT_ONE_SEED: whether other test people would change the sign.
    """

    balance: int
    measure: str
    first: str
    second: str
    gap: Difference
    of_seeds: tuple[float, ...]
    p: float
    adjusted: float
    p_equal: float | None
    reading: Reading


_Runs = Mapping[str, Sequence[Run]]  # those of each model, by seed


def pairs_at(balance: int, runs: _Runs, tests: Sequence[Judged]) -> Iterator[Pair]:
    """All pairs of models at one balance in each measure, the first named first.

    `tests`: the test photos of each seed, predictions in the order of the models.
    """
    if len(runs) > 1:
        several = len(tests) > 1
        yield from _over_seeds(balance, runs, tests) if several else _at_one_seed(balance, runs, tests[0])


def _over_seeds(balance: int, runs: _Runs, tests: Sequence[Judged]) -> Iterator[Pair]:
    models = list(runs)
    arms = {model: [Replicate(seed, 0, test.true, test.said[place], test.units)
                    for seed, test in enumerate(tests)] for place, model in enumerate(models)}  # fmt: skip
    first = runs[models[0]][0]
    classes, share = len(first.summary.classes), share_tested(first)
    for measure in COMPARED:
        found = [
            compare(one, arms[one], two, arms[two], classes=classes, measure=measure, test_share=share)
            for one, two in combinations(models, 2)
        ]
        for each in with_holm(found):
            gap = Difference(each.difference, each.low, each.high)
            of_seeds = _of_seeds(runs[each.arm], runs[each.reference], measure)
            yield Pair(
                balance, measure, each.arm, each.reference, gap, of_seeds, each.p, each.p_holm,
                each.p_equal_holm, _READ[each.verdict],
            )  # fmt: skip


def _at_one_seed(balance: int, runs: _Runs, test: Judged) -> Iterator[Pair]:
    models = list(runs)
    scores = intervals.resampled(test, len(runs[models[0]][0].summary.classes))
    places = list(combinations(range(len(models)), 2))
    for measure in COMPARED:
        gaps = [scores[measure][:, i] - scores[measure][:, j] for i, j in places]
        p_values = [intervals.p_value(gap) for gap in gaps]
        for (i, j), resamples, p, adjusted in zip(places, gaps, p_values, holm(p_values), strict=True):
            first, second, gap = models[i], models[j], intervals.difference(resamples)
            reading: Reading = "sign holds" if adjusted <= LEVEL and gap.holds else "sign open"
            of_seeds = _of_seeds(runs[first], runs[second], measure)
            yield Pair(balance, measure, first, second, gap, of_seeds, p, adjusted, None, reading)


def _of_seeds(first: Sequence[Run], second: Sequence[Run], measure: str) -> tuple[float, ...]:
    return tuple(one.score(measure) - two.score(measure) for one, two in zip(first, second, strict=True))
