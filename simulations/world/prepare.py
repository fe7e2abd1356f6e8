"""The data path: from a configuration to what the phones, the baseline and the evaluation hold.

`survey` does everything that can fail because of user input, and is quick; `World.prepare` computes the
features. From there on, only arrays and counts are passed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fer_models import features
from fer_models.across import PhoneHoldout
from fer_models.balancing.registry import chosen
from fer_models.data.augment import ViewPlan, joined_plan
from fer_models.data.draws import PoolDraws
from fer_models.data.images import ImageTable, load_table
from fer_models.encoders.encoder import Encoder
from fer_models.encoders.weights import Weights, find
from fer_models.evaluation import HeldOut
from fer_models.local.phone_rows import PhoneRows
from fer_models.machine import torch_device
from fer_models.models import MODELS, open_encoder
from fer_models.seeding import stream
from simulations.config import Config
from simulations.partitions.base import Partition, shards
from simulations.world.holdout import phone_holdout
from simulations.world.partition import partition

Step = Callable[[int, int], None]
PARTS = ("validation", "test")  # the held-out ones


@dataclass(frozen=True)
class Prepared:
    """The learning problem as arrays. Rows of `features`: training views, validation, then test photos."""

    features_path: Path | None  # in the cache: the model's input from each view; None if there is none
    central: PhoneRows  # all training views in one place
    phone_data: PhoneRows | PoolDraws  # the same views, on phones
    validation: HeldOut
    test: HeldOut
    test_photos: np.ndarray  # (n,) int64, rows of the table
    validation_on_phones: PhoneHoldout | None = (
        None  # the same photos, each on one phone; None if there is only one
    )
    test_on_phones: PhoneHoldout | None = None
    seconds_features: float | None = None  # what computing them took, or would have; None if not known


@dataclass(frozen=True)
class World:
    """Photos, plan and partition, checked; nothing computed yet."""

    config: Config
    table: ImageTable
    plan: ViewPlan
    owner: np.ndarray  # (training views on phones,) int64: the phone of each
    encoder: Encoder | None  # None if the model reads nothing
    weights: Weights | None  # of MobileNetV2, if the model starts from them
    partition: Partition | None = None  # None: one phone holds everything
    seen: ViewPlan | None = None  # the held-out photos again, each as taken by its phone's camera
    own: ViewPlan | None = None  # the phones' views of their photos, if they plan them; None: those of `plan`

    @property
    def size(self) -> int:
        """Side of the images, in pixels."""
        chosen = self.config.data.image_size
        return MODELS[self.config.model.name].size if chosen == "auto" else chosen

    @property
    def photos(self) -> np.ndarray:
        """Training photos of each class before balancing, (C,) int64."""
        return np.bincount(self.table.labels[self.table.split == 0], minlength=len(self.table.classes))

    @property
    def every_view(self) -> ViewPlan:
        """The views of all training photos and held-out photos, here and on the phones."""
        return self.plan if self.own is None else joined_plan(self.table, [self.plan, self.own])

    def prepare(self, step: Step, among: ViewPlan | None = None) -> Prepared:
        """Computes the features, or reads them from the cache, and lays out who holds what.

        `among`: a plan of this table with more views, whose matrix several worlds share.
        """
        spread, whole = self.own or self.plan, among or self.every_view
        path = self._extract(whole if self.seen is None else whole + self.seen, step)
        matrix = np.zeros((len(whole), 0), np.float32) if path is None else np.load(path, mmap_mode="r")
        labels, parts = self.table.labels[whole.photos], self.table.split[whole.photos]
        held_out = []
        for part in (1, 2):  # their rows are contiguous
            rows = np.flatnonzero(parts == part)
            held_out.append(HeldOut(matrix[rows[0] : rows[-1] + 1], labels[rows]))
        weighs = chosen(self.config.data).weighs
        training = self.plan.rows_in(whole)[: self._training(self.plan)]
        central = PhoneRows(matrix, labels, training, np.array([0, len(training)]), weighted=weighs)
        on_phones = spread.rows_in(whole)[: len(self.owner)]
        held = self._phone_data(replace(central, rows=on_phones))
        dealt = held if self.own is None else self._photos_on(replace(central, rows=on_phones))
        own = [
            _own_part(self.config, self.table, dealt, part, photos)
            for part, photos in zip(PARTS, held_out, strict=True)
        ]
        if self.seen is not None:
            taken = np.split(matrix[len(whole) :], [len(held_out[0].labels)])
            own = [part and replace(part, features=rows) for part, rows in zip(own, taken, strict=True)]
        return Prepared(
            features_path=path,
            central=central,
            phone_data=_counted(held, dealt) if self.own is not None else held,
            validation=held_out[0],
            test=held_out[1],
            test_photos=whole.photos[parts == 2],
            validation_on_phones=own[0],
            test_on_phones=own[1],
            seconds_features=self._seconds(path, whole),
        )

    def _seconds(self, path: Path | None, whole: ViewPlan) -> float | None:
        """The share of this world in the seconds that the rows of `whole` took."""
        took = 0.0 if path is None else features.seconds(path)
        return None if took is None else took * len(self.plan) / len(whole)

    def _training(self, plan: ViewPlan) -> int:
        """The number of training views in a plan: they come first."""
        return int((self.table.split[plan.photos] == 0).sum())

    def _photos_on(self, pool: PhoneRows) -> PhoneRows:
        """The photos of each phone, without the views added to them; `pool` holds the views on phones."""
        assert self.own is not None
        itself = self.own.views[: len(self.owner)] == 0
        return shards(replace(pool, rows=pool.rows[itself]), self.owner[itself])

    def _phone_data(self, pool: PhoneRows) -> PhoneRows | PoolDraws:
        """What each phone holds of all training views."""
        if self.partition is None:
            return shards(pool, self.owner)
        classes, config = len(self.table.classes), self.config
        phones, seed = config.federation.phones, config.run.partition
        held = self.partition.holdings(pool, self.owner, phones=phones, classes=classes, seed=seed)
        return replace(held, weighted=pool.weighted)

    def _extract(self, plan: ViewPlan, step: Step) -> Path | None:
        if self.encoder is None:
            return None
        return features.extract(
            self.table, plan, self.encoder, self.size, seed=self.config.run.split, progress=step
        )


def _counted(held: PhoneRows | PoolDraws, photos: PhoneRows | PoolDraws) -> PhoneRows | PoolDraws:
    """The phones' views, each phone counted by its photos."""
    assert isinstance(held, PhoneRows)
    return replace(held, photos=photos.sizes)


def survey(config: Config, step: Step, *, phones: bool = True) -> World:
    """Finds and checks photos, split, plan, partition and weights; `step` gets (photos checked, photos).

    Without `phones` there is no federation: one phone holds everything.
    """
    table = load_table(config.data, config.sketch, seed=config.run.split, progress=step)
    return world_of(config, table, phones=phones)


def world_of(config: Config, table: ImageTable, *, phones: bool = True) -> World:
    """As `survey`, for photos that are found, checked and split already."""
    seeds = config.run
    torch_device.check_available(config.run.device)
    way, balance = chosen(config.data), config.data.balance
    used, phone = way.photos(table, balance, seed=seeds.split), np.zeros(len(table), np.int64)
    plan, own = way.plan(table, balance, phone, seed=seeds.split), None
    if phones:
        subjects = None if table.subjects is None else table.subjects[used]
        rng = stream(seeds.partition, "partition")
        phone[used] = partition(config.federation, table.labels[used], subjects, rng)
        own = way.plan(table, balance, phone, seed=seeds.split) if way.own_views else None
    on_phones = (own or plan).photos
    weights = find(config.model.weights, seed=seeds.train) if MODELS[config.model.name].weights else None
    world = World(
        config,
        table,
        plan,
        phone[on_phones[table.split[on_phones] == 0]],
        open_encoder(config.model, weights, config.run.device),
        weights,
        config.federation.make() if phones else None,
        own=own,
    )
    return _through_cameras(world) if world.partition and world.partition.changes_pixels else world


def _through_cameras(world: World) -> World:
    """The world in which every phone's camera takes its photos: training views, and held-out ones again."""
    table, spread, n = world.table, world.own or world.plan, len(world.owner)
    phone, views = np.full(len(table), -1), spread.photos[:n]
    phone[views], seed = world.owner, world.config.run.partition
    taken = replace(world.plan, cameras=phone[world.plan.photos], camera_seed=seed)
    own = world.own and replace(world.own, cameras=phone[world.own.photos], camera_seed=seed)
    nothing = np.empty((len(table), 0), np.float32)
    pool = PhoneRows(nothing, table.labels, views, np.array([0, n]))
    held = shards(pool, world.owner) if own is None else world._photos_on(pool)
    photos, cameras = [], []
    for number, part in enumerate(PARTS, 1):
        rows = np.flatnonzero(table.split == number)
        dealt = _own_part(world.config, table, held, part, HeldOut(nothing[rows], table.labels[rows]))
        photos.append(rows)
        cameras.append(np.zeros(len(rows), np.int64) if dealt is None else dealt.phones[dealt.place])
    held_out = np.concatenate(photos)
    seen = ViewPlan(held_out, np.zeros_like(held_out), np.concatenate(cameras), seed)
    return replace(world, plan=taken, own=own, seen=seen)


def _own_part(
    config: Config, table: ImageTable, held: PhoneRows | PoolDraws, part: str, photos: HeldOut
) -> PhoneHoldout | None:
    least = config.evaluation.min_photos
    return phone_holdout(photos, held, table.classes, seed=config.run.partition, part=part, min_photos=least)
