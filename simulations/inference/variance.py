"""Where the spread of scores comes from: the split, the partition, or training.

The seeds are nested: another split has other photos to divide, another partition other phones to train, so
that partition 0 of one split has nothing in common with partition 0 of the next. Balanced nested analysis of
variance; estimates by the method of moments (Searle, Casella and McCulloch, "Variance Components", 1992,
chapter 3).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Components:
    """The mean score and its components of variance, the variances of single draws.

    Fields:
        split, partition, training: variance of another split, of another partition of it, of another training
            seed on that partition; 0 where the estimate is negative. None: there was only one seed of it, and
            what varies is contained in the component before it.
    """

    mean: float
    split: float | None
    partition: float | None
    training: float | None


def components(scores: np.ndarray) -> Components:
    """The components of scores (splits, partition seeds, training seeds), by balanced nested ANOVA."""
    if scores.ndim != 3 or not scores.size or not np.isfinite(scores).all():
        raise ValueError(
            f"scores by split, partition seed and training seed, all finite; got shape {scores.shape}"
        )
    found: list[float | None] = []
    means, below = scores, 0.0  # below: the variance that averaging what is nested leaves in a mean
    for number in reversed(scores.shape):
        if number == 1:
            found.append(None)
        else:
            spread = float(means.var(axis=-1, ddof=1).mean())
            found.append(max(0.0, spread - below))
            below = spread / number
        means = means.mean(axis=-1)
    split, partition, training = reversed(found)
    return Components(float(scores.mean()), split, partition, training)
