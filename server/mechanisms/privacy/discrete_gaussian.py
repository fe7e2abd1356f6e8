"""Discrete Gaussian noise: integers k with probability proportional to exp(-k^2 / (2 sigma^2)).

By rejection from a discrete Laplace distribution (Canonne, Kamath and Steinke 2020, arXiv:2004.00010,
algorithms 1 to 3), many draws at a time. The integers are exact, the coins nearly so: one that falls with
chance p compares a number of 53 random bits with a rounded p, and more bits where the number is small, so
that the chance is right relative to p, however rare. Hence the chance of every integer within FAR sigma is
right but for a factor from exp(-RELATIVE) to exp(RELATIVE), and what lies beyond has a chance below 1e-190.
"""

import numpy as np

from server.mechanisms.privacy.coins import Bits, uniform

FAR = 30.0  # standard deviations
# A coin is off by 2^-49 of its chance for the bits, and by 2^-50 for its exponential. The exponent of the
# last one is below 450 within FAR, and rounded six times: 2^-41.6. With all normalised that is below 2^-40.
RELATIVE = 2.0**-40
LEAST_SIGMA = 1.0
MOST_SIGMA = 2.0**40  # beyond, squares would not be exact enough
_POWERS = np.exp(-np.arange(1.0, 37.0))  # chance of a quotient of at least k
_FEW = 2.0**-4  # numbers below it get more bits


def discrete_gaussian(sigma: float, count: int, *, bits: Bits) -> np.ndarray:
    """(count,) int64, independent; LEAST_SIGMA <= sigma <= MOST_SIGMA. Price: 6,405 in about a millisecond.

    The draws depend on `bits` and on `count`.
    """
    if not LEAST_SIGMA <= sigma <= MOST_SIGMA:
        raise ValueError(f"sigma must be from {LEAST_SIGMA:g} to {MOST_SIGMA:g}, got {sigma:g}")
    found: list[np.ndarray] = []
    missing = count
    while missing > 0:
        draws = _kept(sigma, int(2.3 * missing) + 64, bits)
        found.append(draws[:missing])
        missing -= len(found[-1])
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _kept(sigma: float, candidates: int, bits: Bits) -> np.ndarray:
    """Those of so many candidates that are kept; each is kept or not whatever the others are."""
    scale = int(sigma) + 1
    remainder = _below(scale, candidates, bits)
    remainder = remainder[_fine(bits(len(remainder)), bits) < np.exp(-remainder / scale)]
    falls = _fine(bits(len(remainder)), bits)
    quotient = len(_POWERS) - np.searchsorted(_POWERS[::-1], falls, side="right")
    size = remainder + scale * quotient
    words = bits(len(size))
    negative = (words & np.uint64(1)).astype(bool)  # a bit that `uniform` leaves out
    off = (size - sigma**2 / scale) / sigma
    kept = (_fine(words, bits) < np.exp(-(off**2) / 2)) & ~(negative & (size == 0))
    return np.asarray(np.where(negative, -size, size)[kept])


def _below(scale: int, count: int, bits: Bits) -> np.ndarray:
    """Up to `count` integers, each of 0 to scale - 1 exactly as likely: the uneven rest of the words goes."""
    words = bits(count)
    whole = 2**64 // scale * scale
    if whole < 2**64:
        words = words[words < np.uint64(whole)]
    return np.asarray((words % np.uint64(scale)).astype(np.int64))


def _fine(words: np.ndarray, bits: Bits) -> np.ndarray:
    """Words as float64 in [0, 1), with more bits for small ones: each is exact to 2^-49 of itself."""
    found = uniform(words)
    share, small = 1.0, np.flatnonzero(found < _FEW)
    while len(small):
        share *= _FEW
        found[small] = share * uniform(bits(len(small)))
        small = small[found[small] < share * _FEW]
    return found
