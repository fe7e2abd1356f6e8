"""A group of phones and a server that go through secure aggregation in one process, with drop-outs."""

from collections.abc import Collection

import numpy as np

from fer_models.secagg import graph, masks
from fer_models.secagg.keys import Secrets
from fer_models.secagg.phone import Neighbours, Phone, begun
from fer_models.secagg.ring import Ring
from fer_models.secagg.unmasking import Group, unmasked


class Company:
    """Phones 0 to n - 1 with one graph; each step takes who is lost before it."""

    def __init__(self, n: int, degree: graph.Degree, seed: int = 0, number: int = 1) -> None:
        self.degree, self.number = degree, number
        self.phones = [begun(i, number, 0, Secrets.seeded(seed, number, 0, i)) for i in range(n)]
        self.graph = graph.neighbours(n, degree.neighbours, np.random.default_rng(seed))
        self.public = [phone.secrets.public for phone in self.phones]
        self.sealed: dict[tuple[int, int], bytes] = {}
        self.shared: list[int] = []
        self.sent: list[int] = []

    def neighbours(self, phone: int) -> Neighbours:
        ids = tuple(map(int, self.graph[phone]))
        return Neighbours(ids, *(tuple(self.public[i][kind] for i in ids) for kind in (0, 1)))

    def within(self, phone: int) -> list[int]:
        return [other for other in self.graph[phone].tolist() if other in self.shared]

    def share(self, lost: Collection[int] = ()) -> None:
        for i, phone in enumerate(self.phones):
            if i not in lost:
                others = self.neighbours(i)
                self.phones[i], sealed = phone.share(others, self.degree.threshold)
                self.sealed |= {(i, other): text for other, text in zip(others.ids, sealed, strict=True)}
                self.shared.append(i)

    def masked(self, values: np.ndarray, ring: Ring, lost: Collection[int] = ()) -> np.ndarray:
        """The sum of the masked values (n, m) of those that are left."""
        total = np.zeros(values.shape[1], ring.dtype)
        for i in self.shared:
            if i not in lost:
                self.phones[i], found = self.phones[i].mask(self.within(i))
                total += values[i]
                masks.add(total, found, ring)
                self.sent.append(i)
        return total

    def group(self) -> Group:
        within = {i: self.within(i) for i in self.shared}
        keys = {i: self.public[i][0] for i in self.shared}
        return Group(self.number, 0, self.degree.threshold, within, keys, frozenset(self.sent))

    def asked(self, phone: int) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """What an honest server asks of a phone in the last step."""
        every = {other: self.sealed[other, phone] for other in self.within(phone)}
        alive = {other: text for other, text in every.items() if other in self.sent}
        return alive, {other: text for other, text in every.items() if other not in alive}

    def unmasked(self, total: np.ndarray, ring: Ring, lost: Collection[int] = ()) -> np.ndarray:
        shares = {}
        for i in self.sent:
            if i not in lost:
                self.phones[i], shares[i] = self.phones[i].unmask(*self.asked(i))
        return unmasked(total, self.group(), shares, ring)

    def at(self, phone: int) -> Phone:
        return self.phones[phone]
