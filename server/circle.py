"""Who masks with whom in a round: the phones that sent keys, in groups, and their neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fer_models.secagg import graph
from fer_models.secagg.unmasking import Group
from fer_models.seeding import stream
from server.mechanisms.secagg import SecAggConfig


@dataclass(frozen=True)
class Circle:
    """The phones' groups, neighbours and keys: rows by phone; rows of neighbours are padded with -1."""

    phones: np.ndarray  # (n,) int64, sorted
    groups: np.ndarray  # (n,) int64
    thresholds: np.ndarray  # (n,) int64
    neighbours: np.ndarray  # (n, K) int64, ids
    mask_keys: np.ndarray  # (n, 32) uint8
    channel_keys: np.ndarray  # (n, 32) uint8

    def place(self, phones: np.ndarray) -> np.ndarray:
        """The rows of these phones."""
        return np.searchsorted(self.phones, phones)

    def among(self, phones: np.ndarray) -> np.ndarray:
        """The neighbours that are among `phones`, (n, K), the others -1."""
        return np.where(np.isin(self.neighbours, phones), self.neighbours, -1)

    def relayed(self, phones: np.ndarray) -> dict[str, np.ndarray]:
        """What `phones` have to know of their neighbours' keys."""
        rows = self.place(phones)
        known = np.setdiff1d(self.neighbours[rows], [-1])
        own = self.place(known)
        return {
            "thresholds": self.thresholds[rows],
            "known": known,
            "mask_keys": self.mask_keys[own],
            "channel_keys": self.channel_keys[own],
        }

    def mirrored(self, values: np.ndarray) -> np.ndarray:
        """What the neighbours hold for each phone: values (n, K, ...) of the other direction of each edge."""
        there = self.neighbours >= 0
        own, others = np.nonzero(there)[0], self.place(self.neighbours[there])
        n = len(self.phones)
        found = np.zeros_like(values)
        found[there] = values[there][np.searchsorted(own * n + others, others * n + own)]
        return found

    def unmasking(self, shared: np.ndarray, sent: np.ndarray, number: int, attempt: int) -> dict[str, Group]:
        """The groups by name, as the phones are known that `shared` their secrets and `sent` updates."""
        found, within, there = dict[str, Group](), self.among(shared), self.place(shared)
        for group in np.unique(self.groups[there]).tolist():
            rows = there[self.groups[there] == group]
            ids = self.phones[rows]
            others = {
                phone: [other for other in row if other >= 0]
                for phone, row in zip(ids.tolist(), within[rows].tolist(), strict=True)
            }
            keys = {
                phone: self.mask_keys[row].tobytes() for phone, row in zip(ids.tolist(), rows, strict=True)
            }
            own = frozenset(np.intersect1d(sent, ids).tolist())
            threshold = int(self.thresholds[rows[0]])
            found[str(group)] = Group(number, attempt, threshold, others, keys, own)
        return found


def circle_of(
    phones: np.ndarray,
    keys: Mapping[str, np.ndarray],
    settings: SecAggConfig,
    number: int,
    attempt: int,
    *,
    seed: int,
) -> Circle:
    """The circle of `phones` (n,), sorted, in an attempt at a round; `keys`: mask_keys and channel_keys.

    ValueError if a group is too small.
    """
    parts, groups = [], np.zeros(len(phones), np.int64)
    thresholds = np.zeros(len(phones), np.int64)
    for group, own in enumerate(settings.groups(phones, number, attempt, seed=seed)):
        degree, rows = settings.degree(len(own)), np.searchsorted(phones, own)
        rng = stream(seed, "secagg", "graph", number, attempt, group)
        parts.append((rows, own[graph.neighbours(len(own), degree.neighbours, rng)]))
        groups[rows], thresholds[rows] = group, degree.threshold
    neighbours = np.full((len(phones), max(found.shape[1] for _, found in parts)), -1)
    for rows, found in parts:
        neighbours[rows, : found.shape[1]] = found
    return Circle(phones, groups, thresholds, neighbours, keys["mask_keys"], keys["channel_keys"])
