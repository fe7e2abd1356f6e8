"""Public directions: the principal directions of features of drawn faces, which are nobody's.

Noise on d numbers is as large as d: features along a few directions cost less of it than all 1,280. Which
directions must not depend on anybody's photos, so they are those of faces that fedfer draws (Tramer and Boneh
2021, arXiv:2011.11660, for features chosen without private data).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fer_models import features
from fer_models.across import PhoneHoldout
from fer_models.config import DataConfig, SketchConfig
from fer_models.data.augment import plan_views
from fer_models.data.images import load_table
from fer_models.evaluation import HeldOut
from fer_models.machine.cache import whole_file
from simulations.world.prepare import Prepared, World

_DRAWN = SketchConfig(faces=1000, subjects=200, seed=2**40)  # other faces than those of the source "sketch"
_WITHIN = 0.9  # share of the drawn faces whose features are within the radius


@dataclass(frozen=True)
class Directions:
    """Features less a mean (D,), along orthonormal directions (D, d); `radius` bounds most of them."""

    mean: np.ndarray
    basis: np.ndarray
    radius: float

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Features (n, D) along the directions, (n, d) float32."""
        return np.asarray(((rows - self.mean) @ self.basis).astype(np.float32))

    def expanded(self, heads: np.ndarray) -> np.ndarray:
        """The heads (..., C, D + 1) on all features that are equivalent to heads (..., C, d + 1) on these."""
        weights = heads[..., :-1].astype(np.float64) @ self.basis.T
        bias = heads[..., -1] - weights @ self.mean
        return np.concatenate([weights, bias[..., None]], axis=-1).astype(np.float32)

    def within(self, prepared: Prepared, folder: Path) -> Prepared:
        """What phones train on, and the server judges by, along the directions; features go to `folder`."""
        assert prepared.features_path is not None
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "along.npy"
        matrix = self._whole(prepared.central.features)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, matrix)
        kept = np.load(path, mmap_mode="r")
        return replace(
            prepared,
            features_path=path,
            phone_data=replace(prepared.phone_data, features=kept),
            validation=self._held_out(prepared.validation),
            validation_on_phones=self._on_phones(prepared.validation_on_phones),
        )

    def _whole(self, matrix: np.ndarray) -> np.ndarray:
        parts = (self.of(np.asarray(matrix[first : first + 4096])) for first in range(0, len(matrix), 4096))
        return np.concatenate([np.empty((0, self.basis.shape[1]), np.float32), *parts])

    def _held_out(self, photos: HeldOut) -> HeldOut:
        return HeldOut(self._whole(photos.features), photos.labels)

    def _on_phones(self, photos: PhoneHoldout | None) -> PhoneHoldout | None:
        return None if photos is None else replace(photos, features=self._whole(photos.features))


def directions(world: World, number: int, step: Callable[[int, int], None]) -> Directions:
    """The first `number` directions for the encoder of a world; the same for the same encoder."""
    from threadpoolctl import threadpool_limits

    assert world.encoder is not None
    table = load_table(DataConfig(), _DRAWN, seed=0)
    plan = plan_views(table, 0, seed=0)
    path = features.extract(table, plan, world.encoder, world.size, seed=0, progress=step)
    rows = np.load(path).astype(np.float64)
    with threadpool_limits(1, user_api="blas"):
        mean = rows.mean(axis=0)
        _, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean))
    basis = vectors[:, ::-1][:, :number]
    basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
    norms = np.linalg.norm((rows - mean) @ basis, axis=1)
    return Directions(mean, basis, float(np.quantile(norms, _WITHIN)))
