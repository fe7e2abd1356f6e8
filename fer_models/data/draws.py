"""Phones that sample their data: each takes views of a common pool, with its own mix of classes.

Nothing is stored per phone: its views are sampled again, identically, on every access, from counters of the
phone (fer_models/local/kernel.py). So phones may far outnumber photos. A view may be on many phones, and
twice on one.

A phone's classes follow a Dirichlet distribution around the pool's shares, as in the partition
`dirichlet-clients`, but with a concentration of alpha for each class on a pool with equally many views of
each. They are sampled by Polya's urn (Blackwell and MacQueen 1973, doi:10.1214/aos/1176342372), which never
samples that distribution itself: with A the sum of all concentrations, view i takes a new class with
probability A / (A + i), by the pool's shares, and otherwise the class of one of the i views before it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_models.local import kernel
from fer_models.machine.cache import whole_file
from fer_models.seeding import key

# At these alphas phones hold one class each, or the pool's mix; beyond them values under- or overflow.
_ONE_SIDED, _EVEN = 1e-300, 1e12
FILE = "drawn.npz"  # in the prepared folder


@dataclass(frozen=True)
class PoolDraws:
    """PhoneData of phones that sample `each` views of the pool."""

    features: np.ndarray  # (m, ...), memory-mapped, one row a view
    labels: np.ndarray  # (m,) int64
    pool: np.ndarray  # (n,) int64 into both, sorted by class
    offsets: np.ndarray  # (C + 1,) int64: the pool's views of class c are pool[offsets[c]:offsets[c + 1]]
    phones: int
    each: int
    concentration: float  # of all classes together
    seed: int  # a 64-bit key
    weighted: bool = False  # whether losses are weighted by the inverse frequency of the class on the phone

    @classmethod
    def of_pool(
        cls,
        features: np.ndarray,
        labels: np.ndarray,
        rows: np.ndarray,
        *,
        phones: int,
        each: int,
        alpha: float,
        classes: int,
        seed: int,
    ) -> "PoolDraws":
        """Phones that sample from the views `rows` (n,)."""
        pool = rows[np.argsort(labels[rows], kind="stable")]
        counts = np.bincount(labels[rows], minlength=classes)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        concentration = min(max(alpha, _ONE_SIDED), _EVEN) * classes
        return cls(features, labels, pool, offsets, phones, each, concentration, key(seed, "draw"))

    @property
    def sizes(self) -> np.ndarray:
        """Views of each phone, (phones,) int64; takes no memory."""
        return np.broadcast_to(np.int64(self.each), (self.phones,))

    def of(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The views that `phones` (k,) sample: rows (k * each,), firsts (k,) and lasts (k,)."""
        phones = np.ascontiguousarray(phones, dtype=np.int64)
        rows = np.empty(len(phones) * self.each, np.int64)
        kernel.draw(
            self.pool, self.offsets, phones, self.each, self.concentration, np.uint64(self.seed), rows
        )
        firsts = np.arange(len(phones), dtype=np.int64) * self.each
        return rows, firsts, firsts + self.each

    def photos_of(self, phones: np.ndarray) -> np.ndarray | None:
        """None: phones count by the views that they sample."""
        return None

    def save(self, folder: Path, features: Path) -> None:
        """Writes what `load` needs to `folder`, with the path of the features."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {"labels": self.labels, "pool": self.pool, "offsets": self.offsets}
        kept["drawn"] = np.array([self.phones, self.each, self.seed], np.uint64)
        kept["concentration"], kept["weighted"] = np.array(self.concentration), np.array(self.weighted)
        with whole_file(folder / FILE) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **kept)
        with whole_file(folder / "features.path") as temporary:
            temporary.write_text(str(features), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "PoolDraws":
        """Opens what `save` wrote."""
        features = Path((folder / "features.path").read_text(encoding="utf-8"))
        with np.load(folder / FILE) as kept:
            phones, each, seed = (int(number) for number in kept["drawn"])
            arrays = (kept["labels"], kept["pool"], kept["offsets"])
            concentration, weighted = float(kept["concentration"]), bool(kept["weighted"])
        return cls(np.load(features, mmap_mode="r"), *arrays, phones, each, concentration, seed, weighted)
