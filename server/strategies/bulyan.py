"""Bulyan: Krum again and again for a trusted set, then a mean about the median of each coordinate.

El Mhamdi, Guerraoui and Rouault, "The Hidden Vulnerability of Distributed Learning in Byzantium", 2018,
ICML (arXiv:1802.07927), section 4: an update may be close to the others as a whole and yet be far off in
one coordinate. Of n phones f may send anything, n >= 4f + 3.

1. Krum chooses a phone, which leaves the others and joins the trusted, until these are n - 2f.
2. Of each coordinate, the n - 4f trusted values closest to their median are averaged.

Of phones with equal scores (in the end two that are each other's closest) the one closer to all that are
left is chosen, then the lower id; of values equally close to the median the smaller.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Count
from server.strategies.coordinates import each, middle
from server.strategies.distances import between
from server.strategies.krum import allowed


@dataclass(frozen=True)
class Bulyan(Algorithm):
    """About the median of the phones that Krum trusts."""

    byzantine: Count | None = None  # f; None: a tenth of the phones
    needs_updates: ClassVar[bool] = True

    def check(self, phones: int) -> None:
        """Enough of them are honest."""
        check_bulyan(phones, self.byzantine)

    def step(self, head: np.ndarray, came: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """Both steps of the paper."""
        assert came.updates is not None
        n = len(came.updates)
        f = check_bulyan(n, self.byzantine)
        phones = trusted(between(came.updates), f)
        return moved(head, each(came.updates, partial(about_median, count=n - 4 * f), phones)), state


def trusted(distances: np.ndarray, f: int) -> np.ndarray:
    """The n - 2f phones that Krum chooses one after another: their indices, sorted.

    By squared distances (n, n). Krum looks at the closest m - f - 2 of the m phones left, at one at least:
    the last two times m is below Krum's own 2f + 3, as in the paper. Time grows with n^3.
    """
    n = len(distances)
    left, chosen = np.arange(n), np.empty(0, int)
    company = np.argsort(distances, axis=1, kind="stable")  # who is how far, the closest first
    distances = np.take_along_axis(distances, company, axis=1)
    while len(chosen) < n - 2 * f:
        closest = max(1, len(left) - f - 2)
        scores = distances[:, : closest + 1].sum(axis=1)  # a phone is in its own row, too, at distance 0
        best = np.lexsort((distances.sum(axis=1), scores))[0]
        chosen = np.append(chosen, left[best])
        others = company != left[best]  # the chosen one leaves each row once, and its own row
        others[best] = False
        left = np.delete(left, best)
        distances = distances[others].reshape(len(left), len(left))
        company = company[others].reshape(len(left), len(left))
    return np.sort(chosen)


def about_median(values: np.ndarray, count: int) -> np.ndarray:
    """Of each row of values (p, k), ascending along k, the mean of the `count` closest to its median."""
    off = np.abs(values - middle(values)[:, None])
    closest = np.argsort(off, axis=1, kind="stable")[:, :count]
    return np.asarray(np.take_along_axis(values, closest, axis=1).mean(axis=1, dtype=np.float64))


def check_bulyan(phones: int, byzantine: int | None) -> int:
    """How many of the phones of a round may be malicious; ValueError where Bulyan does not allow as many."""
    return allowed("bulyan", phones, byzantine, (phones - 3) // 4, least=3)
