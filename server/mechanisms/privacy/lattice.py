"""What it costs that noise is drawn on the lattice of exact sums, and not from the normal distribution.

The accountant composes Gaussian noise. Gaussian noise that is rounded to whole quanta guarantees the same,
because sums are whole quanta, too, and rounding afterwards is post-processing. What is drawn is discrete
Gaussian. With h(x) = exp(-x^2 / 2 sigma^2), in quanta, rounded noise is k with a chance proportional to the
mean of h over k - 1/2 to k + 1/2, discrete noise to h(k), and their ratio is the mean over |t| <= 1/2 of

    h(k + t) / h(k) = exp(-(2 k t + t^2) / 2 sigma^2).

Its even part is cosh(k t / sigma^2) exp(-t^2 / 2 sigma^2), and 1 <= cosh(x) <= exp(x^2 / 2): so for |k| up to
FAR sigma the logarithm of the ratio is from -1 / (8 sigma^2) to FAR^2 / (8 sigma^2). (Both are normalised by
the same number but for exp(-2 pi^2 sigma^2).) The sampler adds RELATIVE. A run is so many draws; on its way
from the Gaussian's guarantee and back it costs twice that, all of it added to epsilon, and a factor of delta.
That a draw lies beyond FAR sigma has a chance below 1e-190, which no epsilon up to MOST_EPSILON makes matter.
"""

import math
from dataclasses import dataclass

from server.mechanisms.privacy.discrete_gaussian import FAR, RELATIVE

MOST_EPSILON = 300.0
LEAST_SIGMA = 2.0**10  # in quanta


@dataclass(frozen=True)
class Lattice:
    """The noise of a round: `draws` numbers of a standard deviation of at least `sigma` quanta."""

    draws: int
    sigma: float

    def extra(self, rounds: int) -> float:
        """What so many rounds add to epsilon."""
        return 2 * rounds * self.draws * (RELATIVE + (FAR**2 + 1) / (8 * self.sigma**2))

    def left(self, rounds: int, delta: float) -> float:
        """The delta for which the Gaussian has to be accounted, if `delta` is to hold."""
        return delta * math.exp(-self.extra(rounds))
