"""The local update: phones, one or many in one pass, and the baselines all train through this file.

The arithmetic is `kernel.train_epoch`; this file determines which rows to train on and what to return.
Source: FedAvg (McMahan et al., 2017) with local Adam; a phone's optimiser state is reset every round.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fer_models.config import TrainConfig
from fer_models.heads import LinearHead, cross_entropy, probabilities
from fer_models.local import kernel
from fer_models.machine.cache import whole_file
from fer_models.seeding import key


class PhoneData(Protocol):
    """The data of all phones."""

    @property
    def features(self) -> np.ndarray:
        """Model inputs of each view, (m, ...); features: (m, D) float32. May be memory-mapped."""

    @property
    def labels(self) -> np.ndarray:
        """Class of each view, (m,) int64."""

    @property
    def phones(self) -> int:
        """How many phones there are."""

    @property
    def sizes(self) -> np.ndarray:
        """Views of each phone, (phones,) int64."""

    def of(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `phones` (k,) own: rows (n,) int64, firsts (k,) and lasts (k,); number i rows[first:last]."""


@dataclass(frozen=True)
class PhoneRows:
    """PhoneData as stored on disk: phone i owns the views rows[offsets[i]:offsets[i + 1]]."""

    features: np.ndarray  # (m, D) float32, memory-mapped, one row a view
    labels: np.ndarray  # (m,) int64
    rows: np.ndarray  # (total,) int64 into features and labels
    offsets: np.ndarray  # (phones + 1,) int64

    @property
    def phones(self) -> int:
        """How many phones there are."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Views of each phone, (phones,) int64."""
        return np.diff(self.offsets)

    def of(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `phones` (k,) own: rows (n,) int64, firsts (k,) and lasts (k,); number i rows[first:last]."""
        return self.rows, self.offsets[phones], self.offsets[phones + 1]

    def save(self, folder: Path, features: Path) -> None:
        """Writes the rows, offsets and labels to `folder`, and the path of the features."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("labels", "rows", "offsets"):
            with whole_file(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, getattr(self, name))
        with whole_file(folder / "features.path") as temporary:
            temporary.write_text(str(features), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "PhoneRows":
        """Opens what `save` wrote, memory-mapped."""
        features = Path((folder / "features.path").read_text(encoding="utf-8"))
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("labels", "rows", "offsets")
        }
        return cls(features=np.load(features, mmap_mode="r"), **arrays)


@dataclass(frozen=True)
class Update:
    """The sum of phones' updates; such sums add exactly, in any order and grouping."""

    total: np.ndarray  # (C, D + 1) float64, sum of views * (head - start), multiples of kernel.QUANTUM
    views: int  # sum of the phones' views: the weight of `total`
    photos: int  # views processed: views * local epochs
    phones: int
    loss: float  # training loss summed over the photos processed, exact as well
    reach: float  # bound of every partial sum in `total`; exact while below kernel.EXACT_BELOW

    def __add__(self, other: "Update") -> "Update":
        return Update(
            self.total + other.total,
            self.views + other.views,
            self.photos + other.photos,
            self.phones + other.phones,
            self.loss + other.loss,
            self.reach + other.reach,
        )


def round_key(seed: int, number: int) -> int:
    """The key from which every phone of round `number` derives its order of views and its dropout."""
    return key(seed, "train", number)


@dataclass(frozen=True)
class LocalTerms:
    """What a strategy changes in every phone's local update; default: nothing."""

    pull: float = 0.0  # towards the head of the round: pull * (w - head) is added to every gradient
    margin: float = 0.0  # margin * n^(-1/4) is subtracted from a class's logits; n: the phone's views of it
    prior: float = 0.0  # prior * log n is added to them; with either, classes without views leave the softmax


@dataclass(frozen=True)
class LocalWork:
    """A round of local training for k phones: the start, the length, and what the strategy changes."""

    head: np.ndarray  # (C, D + 1) float32, of the round; every phone starts from it
    train: TrainConfig
    epochs: int
    key: int  # of the round: `round_key`
    local: LocalTerms = LocalTerms()
    starts: np.ndarray | None = None  # (k, C, D + 1) float32: heads that phones start from instead
    corrections: np.ndarray | None = None  # (k, C, D + 1) float32, added to every gradient of that phone
    weights: np.ndarray | None = None  # (k,) float64, of each phone in the sum; default: its views
    each: bool = False  # whether to return each phone's update
    losses: bool = False  # whether to return the mean loss of each phone's start on its views
    transforms: "Changes | None" = None  # applied to updates before they are summed
    dtype: Any = np.float32  # of the phones' updates; exact in float64


@dataclass(frozen=True)
class Trained:
    """The result of local training; phones with non-finite numbers are left out of all fields."""

    phones: np.ndarray  # (k,) int64, ids of the phones included
    sum: Update
    updates: np.ndarray | None = None  # (k, C, D + 1) float32, the head of each minus its start
    losses: np.ndarray | None = None  # (k,) float64
    metrics: dict[str, np.ndarray] = field(default_factory=dict)  # (k,) float64 each, of the transforms


class Changes(Protocol):
    """What happens to updates before they are summed: `transforms.Transforms`."""

    def train(
        self,
        trainer: Callable[[PhoneData, np.ndarray, LocalWork], Trained],
        held: PhoneData,
        phones: np.ndarray,
        work: LocalWork,
    ) -> Trained:
        """The result of `trainer`, its updates changed before they are summed."""


def train_phones(held: PhoneData, phones: np.ndarray, work: LocalWork) -> Trained:
    """Trains every phone of `phones` (k,) as `work` describes."""
    if work.transforms is not None:
        return work.transforms.train(train_phones, held, phones, work)
    phones, head, train, local = (
        np.ascontiguousarray(phones, dtype=np.int64),
        work.head,
        work.train,
        work.local,
    )
    rows, firsts, lasts = (np.asarray(part) for part in held.of(phones))
    starts = head[None] if work.starts is None else work.starts
    none = np.zeros((1 if local.pull else 0, *head.shape), np.float32)
    sizes = lasts - firsts
    total = np.zeros(head.shape, np.float64)
    updates = np.empty((len(phones) if work.each else 0, *head.shape), work.dtype)
    sound = np.empty(len(phones), np.bool_)
    reach, loss = kernel.train_phones(
        np.asarray(held.features), np.asarray(held.labels), rows, firsts, lasts, phones,
        sizes.astype(np.float64) if work.weights is None else work.weights,
        head, starts, train.batch, train.lr, train.optimizer == "adam", train.dropout, work.epochs,
        np.uint64(work.key), local.pull, local.margin, local.prior,
        none if work.corrections is None else work.corrections, total, updates, sound,
    )  # fmt: skip
    losses = _losses(held, phones, starts, sound) if work.losses else None
    return trained(phones, sound, sizes, work, (total, float(loss), float(reach)), updates, losses)


def trained(
    phones: np.ndarray,
    sound: np.ndarray,
    sizes: np.ndarray,
    work: LocalWork,
    sums: tuple[np.ndarray, float, float],
    updates: np.ndarray,
    losses: np.ndarray | None,
) -> Trained:
    """The result of `work`; `sums` (total, loss, reach) are over the finite phones, `sound` (k,) bool."""
    total, loss, reach = sums
    views = int(sizes[sound].sum())
    return Trained(
        phones[sound],
        Update(total, views, views * work.epochs, int(sound.sum()), loss, reach),
        updates[sound] if work.each else None,
        None if losses is None else losses[sound],
    )


def _losses(held: PhoneData, phones: np.ndarray, starts: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """The mean loss of each phone's start on its views, (k,) float64; nan where the phone is not `sound`."""
    rows, firsts, lasts = held.of(phones)
    found = np.full(len(phones), np.nan)
    for place in np.flatnonzero(sound):
        own, head = rows[firsts[place] : lasts[place]], starts[min(int(place), len(starts) - 1)]
        found[place] = cross_entropy(probabilities(head, held.features[own]), held.labels[own])
    return found


class CentralTrainer:
    """The same training on the pooled views; the optimiser's state is kept between epochs."""

    def __init__(self, shards: PhoneRows, start: np.ndarray, train: TrainConfig, *, seed: int) -> None:
        self.head = start.copy()
        self._first, self._second = np.zeros_like(start), np.zeros_like(start)
        self._step, self._epoch = 0, 0
        self._shards, self._train, self._seed = shards, train, seed
        self._load()

    def _load(self) -> None:
        """Compiles or loads the kernel by training on no views, so that no epoch pays for it."""
        self._trained(0, 0)

    @property
    def classifier(self) -> LinearHead:
        """A copy of the current head."""
        return LinearHead(self.head.copy())

    @property
    def finite(self) -> bool:
        """Whether every value of the head is finite."""
        return bool(np.isfinite(self.head).all())

    def epoch(self, views: int | None = None) -> float:
        """Trains one more epoch, or its first `views` views; returns the loss summed over them."""
        self._epoch += 1
        every = len(self._shards.rows) if views is None else views
        return self._trained(every, key(self._seed, "central", self._epoch))

    def _trained(self, views: int, epoch_key: int) -> float:
        held, train = self._shards, self._train.after(max(self._epoch - 1, 0))
        # To the compiler a read-only memory map is a different type: plain views share the compiled code.
        features, labels, rows = (np.asarray(a) for a in (held.features, held.labels, held.rows))
        offsets, none = np.zeros(len(self.head), np.float32), self.head[:0]
        loss, self._step = kernel.train_epoch(
            features, labels, rows, views, self.head, self._first, self._second, self._step,
            train.batch, train.lr, train.optimizer == "adam", train.dropout, np.uint64(epoch_key),
            offsets, self.head, 0.0, none,
        )  # fmt: skip
        return float(loss)
