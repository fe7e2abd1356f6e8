"""From a configuration to what the phones, the baseline and the judge hold: the way of the data.

`survey` does everything that can go wrong by the user's hand, and is quick; `World.prepare` computes the
features. Below this line only arrays and counts travel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_models import backbone, features, weights
from fer_models.augment import ViewPlan, plan_views
from fer_models.evaluation import HeldOut
from fer_models.images import ImageTable, load_table
from fer_models.seeding import stream
from fer_models.training import Shards
from simulations.experiment import Config
from simulations.partition import partition

Step = Callable[[int, int], None]
IMAGE_SIZE = 224  # what "auto" means for MobileNetV2: the size its weights were trained at


@dataclass(frozen=True)
class Prepared:
    """The learning problem as arrays. Rows of `features`: training views, validation, then test photos."""

    features_path: Path  # float32 (m, 1280), in the cache
    central: Shards  # all training views in one place
    shards: Shards  # the same views, on phones
    validation: HeldOut
    test: HeldOut
    test_photos: np.ndarray  # (n,) int64, rows of the table


@dataclass(frozen=True)
class World:
    """Photos, plan and partition, checked; nothing computed yet."""

    config: Config
    table: ImageTable
    plan: ViewPlan
    owner: np.ndarray  # (training views,) int64: the phone of each
    encoder: backbone.Encoder

    @property
    def size(self) -> int:
        """Side of the images, in pixels."""
        chosen = self.config.data.image_size
        return IMAGE_SIZE if chosen == "auto" else chosen

    def prepare(self, step: Step) -> Prepared:
        """Computes the features, or finds them in the cache, and lays out who holds what."""
        path = features.extract(
            self.table, self.plan, self.encoder, self.size, seed=self.config.run.seed, progress=step
        )
        matrix = np.load(path, mmap_mode="r")
        labels, parts = self.table.labels[self.plan.photos], self.table.split[self.plan.photos]
        held_out = [HeldOut(np.array(matrix[parts == part]), labels[parts == part]) for part in (1, 2)]
        everything = np.arange(len(self.owner))
        sizes = np.bincount(self.owner)  # no phone is empty
        return Prepared(
            features_path=path,
            central=Shards(matrix, labels, everything, np.array([0, len(everything)])),
            shards=Shards(
                matrix, labels, np.argsort(self.owner, kind="stable"), np.concatenate([[0], np.cumsum(sizes)])
            ),
            validation=held_out[0],
            test=held_out[1],
            test_photos=self.plan.photos[parts == 2],
        )


def survey(config: Config, step: Step, *, phones: bool = True) -> World:
    """Finds and checks photos, split, plan, partition and weights; `step` sees (photos checked, photos).

    Without `phones` there is no federation to share photos out to: one phone holds everything.
    """
    seed, federation = config.run.seed, config.federation
    table = load_table(config.data, config.sketch, seed=seed, progress=step)
    plan = plan_views(table, config.data.balance, seed=seed)
    photos = plan.photos[table.split[plan.photos] == 0]
    used, of_view = np.unique(photos, return_inverse=True)
    owner = (
        np.zeros(len(used), np.int64)
        if not phones
        else partition(
            federation.partition,
            table.labels[used],
            None if table.subjects is None else table.subjects[used],
            federation.phones,
            alpha=federation.alpha,
            rng=stream(seed, "partition"),
        )
    )
    encoder = backbone.load(weights.find(config.model.weights, seed=seed))
    return World(config, table, plan, owner[of_view], encoder)
