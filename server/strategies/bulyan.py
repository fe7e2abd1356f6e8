"""Bulyan: repeated Krum selects a trusted set, then each coordinate is averaged around its median.

El Mhamdi, Guerraoui and Rouault, "The Hidden Vulnerability of Distributed Learning in Byzantium", 2018,
ICML (arXiv:1802.07927), section 4: an update may be close to the others as a whole and yet be far off in
one coordinate. Of n phones f may be Byzantine, n >= 4f + 3.

1. Krum selects one phone at a time and moves it to the trusted set, until that has n - 2f phones.
2. In each coordinate, the n - 4f trusted values closest to their median are averaged.

Ties between scores (such as the last two phones, each the other's nearest) go to the phone with the smaller
total distance to all that remain, then to the lower id; ties in distance to the median to the smaller value.
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
    """Mean around the median of the phones that Krum trusts."""

    byzantine: Count | None = None  # f; None: a tenth of the phones
    needs_updates: ClassVar[bool] = True

    def check(self, phones: int) -> None:
        """ValueError unless enough of the phones are honest."""
        check_bulyan(phones, self.byzantine)

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """Both steps of the paper."""
        assert received.updates is not None
        n = len(received.updates)
        f = check_bulyan(n, self.byzantine)
        phones = trusted(between(received.updates), f)
        return moved(head, each(received.updates, partial(about_median, count=n - 4 * f), phones)), state


def trusted(distances: np.ndarray, f: int) -> np.ndarray:
    """Indices, sorted, of the n - 2f phones that Krum selects one after another.

    distances: squared, (n, n). A score sums the m - f - 2 closest of the m phones left, at least one: in the
    last two steps m is below Krum's own bound 2f + 3, as in the paper. Time grows with n^3.
    """
    n = len(distances)
    left, chosen = np.arange(n), np.empty(0, int)
    company = np.argsort(distances, axis=1, kind="stable")  # each phone's neighbours, closest first
    distances = np.take_along_axis(distances, company, axis=1)
    while len(chosen) < n - 2 * f:
        closest = max(1, len(left) - f - 2)
        scores = distances[:, : closest + 1].sum(axis=1)  # a row includes the phone itself, at distance 0
        best = np.lexsort((distances.sum(axis=1), scores))[0]
        chosen = np.append(chosen, left[best])
        others = company != left[best]  # removes the selected phone from each row, and its own row
        others[best] = False
        left = np.delete(left, best)
        distances = distances[others].reshape(len(left), len(left))
        company = company[others].reshape(len(left), len(left))
    return np.sort(chosen)


def about_median(values: np.ndarray, count: int) -> np.ndarray:
    """The mean of the `count` values closest to the median, per row of values (p, k), ascending along k."""
    off = np.abs(values - middle(values)[:, None])
    closest = np.argsort(off, axis=1, kind="stable")[:, :count]
    return np.asarray(np.take_along_axis(values, closest, axis=1).mean(axis=1, dtype=np.float64))


def check_bulyan(phones: int, byzantine: int | None) -> int:
    """The number of phones per round that may be malicious; ValueError if Bulyan does not allow that many."""
    return allowed("bulyan", phones, byzantine, (phones - 3) // 4, least=3)
