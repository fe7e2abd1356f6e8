"""What a partition is: from labels, subjects and a generator to the phone of each training photo.

A photo goes to one phone, and its views go with it; a partition whose phones own no photos says so
(`owns_rows`), and what they hold instead.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from fer_models.data.draws import PoolDraws
from fer_models.local.training import PhoneRows


@dataclass(frozen=True)
class Partition(ABC):
    """Who holds which photos. A page is a frozen dataclass of its options, which are keys of `federation`."""

    owns_rows: ClassVar[bool] = True  # whether each photo lies on one phone, and each phone has one
    changes_pixels: ClassVar[bool] = False  # whether each phone takes its photos with a camera of its own
    needs_subjects: ClassVar[bool] = False  # whether the photos must say who is on them

    @abstractmethod
    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """The phone (n,) int64 of each of n photos with labels (n,) and, where known, subjects (n,).

        A phone left empty gets a photo of the largest. InputError where it cannot be done.
        """

    def holdings(
        self, pool: PhoneRows, owner: np.ndarray, *, phones: int, classes: int, seed: int
    ) -> PhoneRows | PoolDraws:
        """What phones hold of the training views in `pool`; `owner` (n,) is the phone of each."""
        return shards(pool, owner)

    @property
    def words(self) -> str:
        """The options as the page of a run tells them, each with a comma before it."""
        values = asdict(self).items()
        return "".join(f", {k} {v:g}" if isinstance(v, float) else f", {k} {v}" for k, v in values)


def shards(pool: PhoneRows, owner: np.ndarray) -> PhoneRows:
    """Phones that own the rows (n,) of the pool as `owner` (n,) says; none is empty."""
    order, offsets = np.argsort(owner, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(owner))])
    return PhoneRows(pool.features, pool.labels, pool.rows[order], offsets)
