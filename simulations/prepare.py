"""From a configuration to what the phones, the baseline and the judge hold: the way of the data.

`survey` does everything that can go wrong by the user's hand, and is quick; `World.prepare` computes the
features. Below this line only arrays and counts travel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_models import features
from fer_models.across import OwnParts
from fer_models.augment import ViewPlan, plan_views
from fer_models.encoders import Encoder
from fer_models.evaluation import HeldOut
from fer_models.images import ImageTable, load_table
from fer_models.models import MODELS, open_encoder
from fer_models.seeding import stream
from fer_models.training import Shards
from fer_models.weights import Weights, find
from simulations.experiment import Config
from simulations.own_parts import own_parts
from simulations.partition import partition

Step = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """The learning problem as arrays. Rows of `features`: training views, validation, then test photos."""

    features_path: Path | None  # in the cache: what the model reads of each view; None where it is nothing
    central: Shards  # all training views in one place
    shards: Shards  # the same views, on phones
    validation: HeldOut
    test: HeldOut
    test_photos: np.ndarray  # (n,) int64, rows of the table
    own_validation: OwnParts | None = None  # the same photos, each on one phone; None where there is but one
    own_test: OwnParts | None = None


@dataclass(frozen=True)
class World:
    """Photos, plan and partition, checked; nothing computed yet."""

    config: Config
    table: ImageTable
    plan: ViewPlan
    owner: np.ndarray  # (training views,) int64: the phone of each
    encoder: Encoder | None  # None where the model reads nothing
    weights: Weights | None  # of MobileNetV2, where the model starts from them

    @property
    def size(self) -> int:
        """Side of the images, in pixels."""
        chosen = self.config.data.image_size
        return MODELS[self.config.model.name].size if chosen == "auto" else chosen

    @property
    def photos(self) -> np.ndarray:
        """Training photos of each class before balancing, (C,) int64."""
        return np.bincount(self.table.labels[self.table.split == 0], minlength=len(self.table.classes))

    def prepare(self, step: Step, among: ViewPlan | None = None) -> Prepared:
        """Computes the features, or finds them in the cache, and lays out who holds what.

        `among`: a plan of this table with more views, whose matrix several worlds share.
        """
        whole = among or self.plan
        path = self._extract(whole, step)
        matrix = np.zeros((len(whole), 0), np.float32) if path is None else np.load(path, mmap_mode="r")
        labels, parts = self.table.labels[whole.photos], self.table.split[whole.photos]
        held_out = []
        for part in (1, 2):  # their rows lie side by side
            rows = np.flatnonzero(parts == part)
            held_out.append(HeldOut(matrix[rows[0] : rows[-1] + 1], labels[rows]))
        training = self.plan.rows_in(whole)[: len(self.owner)]
        sizes = np.bincount(self.owner)  # no phone is empty
        order, offsets = np.argsort(self.owner, kind="stable"), np.concatenate([[0], np.cumsum(sizes)])
        shards = Shards(matrix, labels, training[order], offsets)
        own = (
            own_parts(photos, shards, self.table.classes, seed=self.config.run.seed, part=part)
            for photos, part in zip(held_out, ("validation", "test"), strict=True)
        )
        return Prepared(
            features_path=path,
            central=Shards(matrix, labels, training, np.array([0, len(training)])),
            shards=shards,
            validation=held_out[0],
            test=held_out[1],
            test_photos=whole.photos[parts == 2],
            own_validation=next(own),
            own_test=next(own),
        )

    def _extract(self, plan: ViewPlan, step: Step) -> Path | None:
        if self.encoder is None:
            return None
        return features.extract(
            self.table, plan, self.encoder, self.size, seed=self.config.run.seed, progress=step
        )


def survey(config: Config, step: Step, *, phones: bool = True) -> World:
    """Finds and checks photos, split, plan, partition and weights; `step` sees (photos checked, photos).

    Without `phones` there is no federation to share photos out to: one phone holds everything.
    """
    table = load_table(config.data, config.sketch, seed=config.run.seed, progress=step)
    return world_of(config, table, phones=phones)


def world_of(config: Config, table: ImageTable, *, phones: bool = True) -> World:
    """The same for photos that were found, checked and split before."""
    seed = config.run.seed
    plan = plan_views(table, config.data.balance, seed=seed)
    photos = plan.photos[table.split[plan.photos] == 0]
    used, of_view = np.unique(photos, return_inverse=True)
    owner = (
        np.zeros(len(used), np.int64)
        if not phones
        else partition(
            config.federation,
            table.labels[used],
            None if table.subjects is None else table.subjects[used],
            stream(seed, "partition"),
        )
    )
    weights = find(config.model.weights, seed=seed) if MODELS[config.model.name].weights else None
    return World(config, table, plan, owner[of_view], open_encoder(config.model, weights), weights)
