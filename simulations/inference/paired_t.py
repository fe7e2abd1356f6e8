"""Student's t on the differences of folds that share training people: Nadeau and Bengio's corrected variance.

Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003, doi
10.1023/A:1024068626366. Any two folds train on mostly the same people, so their differences are correlated
and s^2 / K is too small a variance of their mean; s^2 (1/K + n_test / n_train) corrects for it. The same
holds for random splits. The test has K - 1 degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np

LEVEL = 0.05


@dataclass(frozen=True)
class PairedT:
    """The mean of paired differences with what is needed to test it.

    Fields:
        difference: the mean over folds. error: its standard error. freedom: folds - 1.
    """

    difference: float
    error: float
    freedom: int

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The interval (low, high) that covers the true difference in 1 - level of the cases."""
        from scipy.stats import t

        half = float(t.ppf(1 - level / 2, self.freedom)) * self.error
        return self.difference - half, self.difference + half

    @property
    def p(self) -> float:
        """Two-sided, of no difference."""
        return (
            2 * min(self._beyond(0.0), 1 - self._beyond(0.0)) if self.error else float(self.difference == 0)
        )

    def p_equal(self, margin: float) -> float:
        """Of a difference of at least `margin` either way: two one-sided tests (Schuirmann, 1987)."""
        return max(self._beyond(-margin), 1 - self._beyond(margin))

    def _beyond(self, value: float) -> float:
        """How often chance gives a larger mean than this one if `value` is the true difference."""
        from scipy.stats import t

        if not self.error:
            return float(np.heaviside(value - self.difference, 0.5))
        return float(t.sf((self.difference - value) / self.error, self.freedom))


def corrected(share: float, folds: int) -> float:
    """The variance of the mean of `folds` differences in units of theirs; `share` of people are tested."""
    if not 0 < share < 1:
        raise ValueError(f"test_share: above 0 and below 1, got {share}")
    return 1 / folds + share / (1 - share)


def paired_t(differences: np.ndarray, *, test_share: float) -> PairedT:
    """The test of differences (K,), one for each fold; ValueError for fewer than two."""
    folds = len(differences)
    if folds < 2:
        raise ValueError(f"a test needs the differences of at least 2 folds, got {folds}")
    variance = float(np.var(differences, ddof=1)) * corrected(test_share, folds)
    return PairedT(float(np.mean(differences)), variance**0.5, folds - 1)


def holm(p_values: list[float]) -> list[float]:
    """p-values of simultaneous tests, adjusted by Holm's step-down rule (1979), in the order given."""
    adjusted, least, total = [0.0] * len(p_values), 0.0, len(p_values)
    for rank, place in enumerate(sorted(range(total), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (total - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted
