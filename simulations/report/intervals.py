"""Differences between runs of one seed: whether other test people would change their sign.

Used by the report and by a study of one seed. Photos of one person are alike, so if people are known the
bootstrap resamples people, each with all their photos (Field and Welsh, 2007, "Bootstrapping clustered
data"). It resamples neither splits nor seeds, whose effect is often as large: the same method against itself,
with another partition and training seed, has a sign that holds in up to 85% of the pairs. So what is found
here is true of these runs, not of their methods; those are compared over several seeds
(simulations/inference).

Of many intervals at once some miss zero by chance: p-values of the same resamples (Davison and Hinkley, 1997,
"Bootstrap methods and their application", 4.2) can be adjusted for their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fer_models.metrics import ratios
from fer_models.seeding import stream

RESAMPLES = 2000
MANY = 10_000  # resamples when many differences are tested at once, and small p-values count
_BLOCK = 4_000_000  # counts sampled at a time: 32 MB


@dataclass(frozen=True)
class Difference:
    """First run minus second: the value on the test photos and its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether other test people would not change the sign: the interval does not contain zero."""
        return not self.low <= 0 <= self.high


def paired(
    true: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    classes: int,
    people: np.ndarray | None = None,
) -> dict[str, Difference]:
    """Differences in accuracy and macro-F1 of two runs evaluated on the same photos, by paired bootstrap.

    `true`, `first` and `second` are (n,) int: the class of each photo and the two runs' predictions;
    `people` (n,): the person on each, if known. Returns "accuracy" and "macro_f1", each first minus second.
    """
    cells, cell, counts = np.unique(
        (true * classes + first) * classes + second, return_inverse=True, return_counts=True
    )
    row, one, two = cells // classes**2, cells // classes % classes, cells % classes
    if people is None:
        drawn = _resample(counts, "paired")
    else:
        _, person = np.unique(people, return_inverse=True)
        table = np.zeros((person.max() + 1, len(cells)))
        np.add.at(table, (person, cell), 1)
        drawn = _resample(np.ones(len(table)), "people") @ table
    draws = np.vstack([counts, drawn])
    return _differences(
        _fold(draws, row * classes + one, classes), _fold(draws, row * classes + two, classes)
    )


@dataclass(frozen=True)
class Judged:
    """The test photos of one seed, and several runs' predictions on them.

    Fields:
        true: (n,) int classes. said: (r, n) int, each run's predictions.
        units: (n,) str, what the bootstrap resamples: the person on each photo, or the photo itself.
    """

    true: np.ndarray
    said: np.ndarray
    units: np.ndarray


def resampled(part: Judged, classes: int) -> dict[str, np.ndarray]:
    """Accuracy and macro-F1 of several runs: (1 + MANY, r), row 0 as measured.

    In each row the same units are sampled for all runs, so the difference of two columns is a paired
    bootstrap: with known people it is that of `paired`.
    """
    counts = _counts(part, classes)
    everyone = np.ones((1, len(counts)))
    blocks = [_folded(counts, everyone), *(_folded(counts, drawn) for drawn in _draws(len(counts)))]
    return {name: np.vstack([block[name] for block in blocks]) for name in blocks[0]}


def _counts(part: Judged, classes: int) -> np.ndarray:
    """The counts of each unit's photos: (u, 1 + 2r, c).

    First the photos of each class, then for each run the correct ones, then its predictions of each class.
    Single precision holds such counts exactly, and multiplies twice as fast.
    """
    names, row = np.unique(part.units, return_inverse=True)
    runs = len(part.said)
    counts = np.zeros((len(names), 1 + 2 * runs, classes), dtype=np.float32)
    np.add.at(counts[:, 0], (row, part.true), 1)
    for run, said in enumerate(part.said, start=1):
        np.add.at(counts[:, run], (row, part.true), said == part.true)
        np.add.at(counts[:, runs + run], (row, said), 1)
    return counts


def _draws(units: int) -> Iterator[np.ndarray]:
    """MANY resamples (b, units) of as many units as there are, in blocks: those of `paired` first."""
    rng, size = stream(0, "report", "bootstrap", "people"), max(1, _BLOCK // units)
    for start in range(0, MANY, size):
        yield rng.multinomial(units, np.ones(units) / units, size=min(size, MANY - start))


def _folded(counts: np.ndarray, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Scores (b, r) of resamples (b, units)."""
    drawn = draws.astype(np.float32) @ counts.reshape(len(counts), -1)
    rows = drawn.astype(np.float64).reshape(len(draws), *counts.shape[1:])
    runs = counts.shape[1] // 2
    return ratios(rows[:, 1 : 1 + runs], rows[:, :1], rows[:, 1 + runs :])


def difference(gaps: np.ndarray) -> Difference:
    """The difference in row 0 of (1 + b,) differences, its interval from the resamples in the others."""
    low, high = np.percentile(gaps[1:], [2.5, 97.5])
    return Difference(float(gaps[0]), float(low), float(high))


def p_value(gaps: np.ndarray) -> float:
    """The two-sided p-value of (1 + b,) differences: how often resamples fall on or across zero."""
    side = 1 + min(np.count_nonzero(gaps[1:] <= 0), np.count_nonzero(gaps[1:] >= 0))
    return float(min(1.0, 2 * side / len(gaps)))


def unpaired(first: np.ndarray, second: np.ndarray) -> dict[str, Difference]:
    """The same from two confusion matrices (c, c), rows true, if the photos cannot be matched: wider."""
    classes, cells = len(first), np.arange(first.size)
    folded = [
        _fold(np.vstack([matrix.ravel(), _resample(matrix.ravel(), name)]), cells, classes)
        for matrix, name in ((first, "first"), (second, "second"))
    ]
    return _differences(folded[0], folded[1])


def _resample(counts: np.ndarray, name: str) -> np.ndarray:
    """(RESAMPLES, k) counts of photos, or people, sampled with replacement; the same at every call."""
    total = int(counts.sum())
    return stream(0, "report", "bootstrap", name).multinomial(total, counts / total, size=RESAMPLES)


def _fold(draws: np.ndarray, cells: np.ndarray, classes: int) -> np.ndarray:
    """(b, k) counts of cells -> (b, c, c) confusion matrices."""
    matrices = np.zeros((classes * classes, len(draws)))
    np.add.at(matrices, cells, draws.T)
    return matrices.T.reshape(-1, classes, classes)


def _scores(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy and macro-F1 of (b, c, c) confusion matrices, rows true."""
    return ratios(np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(axis=2), matrices.sum(axis=1))


def _differences(first: np.ndarray, second: np.ndarray) -> dict[str, Difference]:
    """Row 0 is what was measured, the other rows are the resamples."""
    one, two = _scores(first), _scores(second)
    return {metric: difference(one[metric] - two[metric]) for metric in one}
