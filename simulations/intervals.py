"""How much of a difference between two runs is noise: intervals from the test photos alone.

Read by the report. Wilson's interval: Wilson, 1927, "Probable inference, the law of succession, and
statistical inference". Photos of one person are alike, so where people are known the bootstrap draws
people, each with all their photos (Field and Welsh, 2007, "Bootstrapping clustered data"). It does not
draw seeds: the intervals are a lower bound on what another split or another seed would change.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from fer_models.seeding import stream

Z95 = 1.959963984540054
RESAMPLES = 2000


@dataclass(frozen=True)
class Difference:
    """First run minus second: the value on the test photos and its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def within_noise(self) -> bool:
        """Whether the interval holds zero."""
        return self.low <= 0 <= self.high


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95% interval of a share `right / total`, as shares; (0, 1) when nothing was counted."""
    if total == 0:
        return 0.0, 1.0
    share, scale = right / total, 1 + Z95**2 / total
    centre = (share + Z95**2 / (2 * total)) / scale
    half = Z95 * sqrt(share * (1 - share) / total + Z95**2 / (4 * total**2)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def paired(
    true: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    classes: int,
    people: np.ndarray | None = None,
) -> dict[str, Difference]:
    """Differences in accuracy and macro-F1 of two runs judged on the same photos, by paired bootstrap.

    `true`, `first` and `second` are (n,) int: the class of each photo and what the two runs said; `people`
    (n,) tells who is on each, where known. Returns "accuracy" and "macro_f1", each first minus second.
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


def unpaired(first: np.ndarray, second: np.ndarray) -> dict[str, Difference]:
    """The same from two confusion matrices (c, c), rows true, when the photos cannot be matched: wider."""
    classes, cells = len(first), np.arange(first.size)
    folded = [
        _fold(np.vstack([matrix.ravel(), _resample(matrix.ravel(), name)]), cells, classes)
        for matrix, name in ((first, "first"), (second, "second"))
    ]
    return _differences(folded[0], folded[1])


def _resample(counts: np.ndarray, name: str) -> np.ndarray:
    """(RESAMPLES, k) counts of photos, or people, drawn with replacement; the same at every call."""
    total = int(counts.sum())
    return stream(0, "report", "bootstrap", name).multinomial(total, counts / total, size=RESAMPLES)


def _fold(draws: np.ndarray, cells: np.ndarray, classes: int) -> np.ndarray:
    """(b, k) counts of cells -> (b, c, c) confusion matrices."""
    matrices = np.zeros((classes * classes, len(draws)))
    np.add.at(matrices, cells, draws.T)
    return matrices.T.reshape(-1, classes, classes)


def _scores(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy and macro-F1 of (b, c, c) confusion matrices; a class nobody has or says is left out."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    either = matrices.sum(axis=1) + matrices.sum(axis=2)
    f1 = 2 * hits / np.maximum(either, 1)
    return {
        "accuracy": hits.sum(axis=1) / matrices.sum(axis=(1, 2)),
        "macro_f1": f1.sum(axis=1) / np.maximum((either > 0).sum(axis=1), 1),
    }


def _differences(first: np.ndarray, second: np.ndarray) -> dict[str, Difference]:
    """Row 0 is what was measured, the other rows are the resamples."""
    one, two = _scores(first), _scores(second)
    result = {}
    for metric in one:
        gaps = one[metric] - two[metric]
        low, high = np.percentile(gaps[1:], [2.5, 97.5])
        result[metric] = Difference(float(gaps[0]), float(low), float(high))
    return result
