"""How large a difference must be to be found: the power of the test of comparison.py."""

from simulations.inference.paired_t import LEVEL, corrected


def power(difference: float, *, sd: float, folds: int, test_share: float, level: float = LEVEL) -> float:
    """How often a true `difference` is called different, if those of folds have the standard deviation `sd`.

    Noncentral t with folds - 1 degrees of freedom, for folds as correlated as Nadeau and Bengio take them to
    be.
    """
    from scipy.stats import nct, t

    limit = t.ppf(1 - level / 2, folds - 1)
    shift = abs(difference) / (sd * corrected(test_share, folds) ** 0.5)
    return float(nct.sf(limit, folds - 1, shift) + nct.sf(limit, folds - 1, -shift))  # cdf(-limit) can be nan


def smallest_difference(
    sd: float, *, folds: int, test_share: float, level: float = LEVEL, found: float = 0.8
) -> float:
    """The smallest true difference that is called different in `found` of the cases; see `power`.

    `sd` is the standard deviation of the differences of folds, each the mean over its seeds. ValueError
    unless it is positive and there are two folds.
    """
    from scipy.optimize import brentq

    if sd <= 0 or folds < 2:
        raise ValueError(f"sd above 0 and at least 2 folds, got {sd} and {folds}")
    most = sd
    while power(most, sd=sd, folds=folds, test_share=test_share, level=level) < found:
        most *= 2
    return float(
        brentq(lambda d: power(d, sd=sd, folds=folds, test_share=test_share, level=level) - found, 0.0, most)
    )
