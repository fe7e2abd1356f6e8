"""Who masks with whom: a random graph in which every phone has as many neighbours, and how many that takes.

Bell et al. 2020, section 3: a Harary graph on a random order of the phones, each joined to the `degree` / 2
on either side of it on a circle. For `corrupt` and `lost` phones of n, at random places, three events are
bounded, each over all phones, by hypergeometric tails, which are computed exactly:

- a phone has `threshold` corrupt neighbours or more, who could tell its secrets;
- `degree` / 2 in a row are corrupt or lost; unless they are, the others stay connected, and hide in one sum;
- a phone has fewer than `threshold` neighbours that are not lost, and its masks cannot be removed.

The first two together have a chance of 2^-40 at most, the third of 2^-30.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, comb

import numpy as np

SECURE, CORRECT = Fraction(1, 2**40), Fraction(1, 2**30)


@dataclass(frozen=True)
class Degree:
    """How many neighbours a phone has, and how many of their shares tell its secret."""

    neighbours: int
    threshold: int


@dataclass(frozen=True)
class Assumed:
    """Which shares of a group's phones may be corrupt, and may be lost in a round; and what is given."""

    corrupt: float
    lost: float
    neighbours: int = 0  # 0: as few as will do
    threshold: int = 0  # 0: as low as is secure


def tail(n: int, marked: int, drawn: int, least: int) -> Fraction:
    """The chance that of `drawn` out of n things, `marked` of them marked, at least `least` are marked."""
    every = range(max(least, 0), min(marked, drawn) + 1)
    ways = sum(comb(marked, found) * comb(n - marked, drawn - found) for found in every)
    return Fraction(ways, comb(n, drawn))


@lru_cache(maxsize=256)
def degree_of(n: int, assumed: Assumed) -> Degree:
    """The least degree that will do for a group of n phones; ValueError, one line, if none does.

    Degrees are even, or n - 1. What is given is taken as it is, if it can be.
    """
    given, threshold = assumed.neighbours, assumed.threshold
    if n < 3:
        raise ValueError(f"a group of {n} phones is too small for masks, which take 3")
    if threshold > n - 1:
        raise ValueError(f"threshold = {threshold} cannot be met by the {n - 1} others of a group of {n}")
    if given and threshold:
        if threshold > (found := _possible(n, given)):
            raise ValueError(f"threshold = {threshold} cannot be met by {found} neighbours")
        return Degree(found, threshold)
    choices = [_possible(n, given)] if given else [*range(2, n - 1, 2), n - 1]
    for degree in choices:
        apart = Fraction(0) if given else _apart(n, degree, assumed)
        least, most = _thresholds(n, degree, assumed, apart)
        if threshold and apart <= SECURE and least <= threshold <= most:
            return Degree(degree, threshold)
        if not threshold and least <= most:
            return Degree(degree, least)
    raise ValueError(
        f"no threshold for a group of {n} phones and {choices[-1]} neighbours bears"
        f" {_count(assumed.corrupt, n)} corrupt and {_count(assumed.lost, n)} lost ones"
    )


def neighbours(n: int, degree: int, rng: np.random.Generator) -> np.ndarray:
    """The neighbours of each of n phones, (n, degree) int64, each row sorted."""
    if degree == n - 1:
        every = np.tile(np.arange(n), (n, 1))
        return every[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    assert degree % 2 == 0
    order, steps = rng.permutation(n), np.arange(1, degree // 2 + 1)
    around = np.arange(n)[:, None] + np.concatenate([-steps, steps])
    found = np.empty((n, degree), np.int64)
    found[order] = order[around % n]
    return np.sort(found, axis=1)


def _possible(n: int, degree: int) -> int:
    """The degree nearest to `degree`, from above, that a graph of n phones can have."""
    return min(degree + degree % 2, n - 1)


def _count(share: float, n: int) -> int:
    return ceil(share * n - 1e-9)


def _thresholds(n: int, degree: int, assumed: Assumed, apart: Fraction) -> tuple[int, int]:
    """The least threshold that is secure, degree + 1 if none is, and the most that can be met.

    `apart`: the chance that the graph falls apart, which is part of what may go wrong.
    """
    corrupt, lost = (min(_count(share, n), n - 1) for share in (assumed.corrupt, assumed.lost))
    least = next(
        (t for t in range(2, degree + 1) if n * tail(n - 1, corrupt, degree, t) + apart <= SECURE), degree + 1
    )
    most = next(
        (t for t in range(degree, 0, -1) if n * tail(n - 1, lost, degree, degree - t + 1) <= CORRECT), 0
    )
    return least, most


def _apart(n: int, degree: int, assumed: Assumed) -> Fraction:
    """The chance that degree / 2 in a row are corrupt or lost, which no graph of all pairs minds."""
    if degree == n - 1:
        return Fraction(0)
    gone = min(_count(assumed.corrupt, n) + _count(assumed.lost, n), n - 1)
    return n * tail(n - 1, gone, degree // 2, degree // 2)
