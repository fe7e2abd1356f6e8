"""What a partition is: from labels, subjects and a generator to the phone of each training photo.

A photo goes to one phone, with all its views; a partition whose phones own no photos declares that
(`owns_rows`), and what they hold instead (`holdings`).
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np

from fer_models.data.draws import PoolDraws
from fer_models.local.phone_rows import PhoneRows


@dataclass(frozen=True)
class Partition(ABC):
    """Who holds which photos. A page is a frozen dataclass of its options, which are keys of `federation`."""

    owns_rows: ClassVar[bool] = True  # whether each photo is on one phone, and each phone has one
    changes_pixels: ClassVar[bool] = False  # whether each phone takes its photos with its own camera
    needs_subjects: ClassVar[bool] = False  # whether the subjects of the photos must be known

    @abstractmethod
    def owners(
        self, labels: np.ndarray, subjects: np.ndarray | None, phones: int, rng: np.random.Generator
    ) -> np.ndarray:
        """The phone (n,) int64 of each of n photos with labels (n,) and, where known, subjects (n,).

        A phone left empty gets a photo from the largest. InputError if the photos cannot be dealt so.
        """

    def holdings(
        self, pool: PhoneRows, owner: np.ndarray, *, phones: int, classes: int, seed: int
    ) -> PhoneRows | PoolDraws:
        """What phones hold of the training views in `pool`; `owner` (n,) is the phone of each."""
        return shards(pool, owner)

    @property
    def words(self) -> str:
        """The options as shown on the page of a run, each preceded by a comma."""
        values = asdict(self).items()
        return "".join(f", {k} {v:g}" if isinstance(v, float) else f", {k} {v}" for k, v in values)


def shards(pool: PhoneRows, owner: np.ndarray) -> PhoneRows:
    """Phones that own the rows (n,) of the pool according to `owner` (n,); none is empty."""
    order, offsets = np.argsort(owner, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(owner))])
    return replace(pool, rows=pool.rows[order], offsets=offsets)
