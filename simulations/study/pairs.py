"""Whether the differences between the models of a study exceed noise.

Two models at one balance are tested on the same photos at each seed, so they are compared photo by photo: the
mean over seeds of a score, people resampled with all their photos in every seed's test part (intervals.py).
All pairs of models at a balance are tested together in one measure: a difference is beyond noise if its
p-value, adjusted by Holm's rule for their number, is at most LEVEL and it has the same sign at every seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from simulations.report import intervals
from simulations.report.intervals import Difference, Judged
from simulations.report.results import Run

COMPARED = ("accuracy", "macro_f1")
LEVEL = 0.05


@dataclass(frozen=True)
class Pair:
    """Two models at one balance: `first` minus `second` in one measure of COMPARED.

    Fields:
        gap: the difference of the means over seeds with its own 95% interval. of_seeds: at each seed.
        p: bootstrap p-value; adjusted: by Holm's rule for all pairs at this balance and measure.
    """

    balance: int
    measure: str
    first: str
    second: str
    gap: Difference
    of_seeds: tuple[float, ...]
    p: float
    adjusted: float

    @property
    def reading(self) -> str:
        """Beyond noise, within noise, or unclear: beyond noise on its own, but not after adjustment, or not
        with the same sign at every seed.
        """
        one_sign = all(each > 0 for each in self.of_seeds) or all(each < 0 for each in self.of_seeds)
        if self.adjusted <= LEVEL and one_sign:
            return "beyond noise"
        return "within noise" if self.gap.within_noise else "unclear"


def pairs_at(balance: int, runs: Mapping[str, Sequence[Run]], tests: Sequence[Judged]) -> Iterator[Pair]:
    """Every pair of models in every measure; `runs` of each model and `tests` are ordered by seed, and the
    predictions of a test are in the order of the models.
    """
    models = list(runs)
    if len(models) < 2:
        return
    scores = intervals.resampled(tests, len(runs[models[0]][0].summary.classes))
    places = list(combinations(range(len(models)), 2))
    for measure in COMPARED:
        gaps = [scores[measure][:, i] - scores[measure][:, j] for i, j in places]
        p_values = [intervals.p_value(gap) for gap in gaps]
        for (i, j), gap, p, adjusted in zip(places, gaps, p_values, intervals.holm(p_values), strict=True):
            first, second = models[i], models[j]
            each = tuple(
                one.score(measure) - two.score(measure)
                for one, two in zip(runs[first], runs[second], strict=True)
            )
            yield Pair(balance, measure, first, second, intervals.difference(gap), each, p, adjusted)
