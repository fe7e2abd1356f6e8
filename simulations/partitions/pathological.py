"""Phones that hold a few classes each, exactly as many as set wherever possible.

The label skew "#C = k" of Li, Diao, Chen and He, "Federated Learning on Non-IID Data Silos: An Experimental
Study" (NIID-Bench), 2022, arXiv:2102.02079. What is usually called pathological, after McMahan et al. 2017,
is `shards` (sorted_shards.py).
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from fer_models.errors import InputError
from simulations.partitions.base import Partition


@dataclass(frozen=True)
class Pathological(Partition):
    """Every phone holds `classes_per_phone` random classes, whose photos are split evenly over their phones.

    This holds wherever the classes have enough photos: a class can be on min(its photos, phones) phones, and
    must be on one. Otherwise phones hold more classes (fewer places than classes) or fewer (photos run out),
    but none holds two more than another, and none is empty.
    """

    classes_per_phone: Annotated[int, Field(ge=1)] = 2

    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """As above; InputError if there are fewer classes."""
        each = self.classes_per_phone
        classes, photos = np.unique(labels, return_counts=True)
        if each > len(classes):
            raise InputError(
                f"federation.classes_per_phone: {each} classes on each phone, but the training photos have"
                f" only {len(classes)}; set it to {len(classes)} or less"
            )
        holds = _deal_classes(_spread(np.minimum(photos, phones), each * phones, rng), phones, rng)
        owner = np.empty(len(labels), np.int64)
        for label, held in zip(classes, holds.T, strict=True):
            mine, homes = (
                rng.permutation(np.flatnonzero(labels == label)),
                rng.permutation(np.flatnonzero(held)),
            )
            owner[mine] = homes[np.arange(len(mine)) % len(homes)]
        return owner

    @property
    def words(self) -> str:
        """For example: classes on a phone: 2."""
        return f", classes on a phone: {self.classes_per_phone}"


def _spread(most: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """`total` split into a number for each of `most`, from 1 to that one, as evenly as possible.

    If `total` cannot be split so, the nearest total that can is.
    """
    left = min(max(total, len(most)), int(most.sum()))
    order, numbers = rng.permutation(len(most)), np.empty(len(most), np.int64)
    for place, i in enumerate(order[np.argsort(most[order], kind="stable")]):
        numbers[i] = min(most[i], left // (len(most) - place))
        left -= numbers[i]
    return numbers


def _deal_classes(places: np.ndarray, phones: int, rng: np.random.Generator) -> np.ndarray:
    """Which phone holds which class, (phones, classes) bool: class c is on places[c] <= phones phones.

    Phones hold equally many classes, or one more. One phone after another samples distinct classes, with
    weights that are the places they have left; a class with as many places as there are phones left must be
    taken, and that alone guarantees that the last phone finds what it needs.
    """
    left, holds = places.copy(), np.zeros((phones, len(places)), bool)
    fewest, more = divmod(int(places.sum()), phones)
    for turn, phone in enumerate(rng.permutation(phones)):
        waits = np.full(len(left), np.inf)  # the first arrivals of Poisson processes are such a sample
        np.divide(rng.exponential(size=len(left)), left, out=waits, where=left > 0)
        waits[left == phones - turn] = -1
        taken = np.argsort(waits, kind="stable")[: fewest + (turn < more)]
        holds[phone, taken] = True
        left[taken] -= 1
    return holds
