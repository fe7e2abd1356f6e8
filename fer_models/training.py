"""THE local update: phones, alone or many in one pass, and the baselines train through this file.

The arithmetic is `kernel.train_epoch`; this file knows whose rows to train and what to return.
Source: local Adam as in FedAvg (McMahan et al., 2017), where a phone's optimiser starts fresh.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_models import kernel
from fer_models.cache import whole_file
from fer_models.config import TrainConfig
from fer_models.heads import LinearHead, cross_entropy, probabilities
from fer_models.seeding import key


@dataclass(frozen=True)
class Shards:
    """What every phone holds: phone i owns the views rows[offsets[i]:offsets[i + 1]]."""

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

    def save(self, folder: Path, features: Path) -> None:
        """Writes the rows, offsets and labels to `folder`, and where the features lie."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("labels", "rows", "offsets"):
            with whole_file(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, getattr(self, name))
        with whole_file(folder / "features.path") as temporary:
            temporary.write_text(str(features), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Shards":
        """Opens what `save` wrote, memory-mapped."""
        features = Path((folder / "features.path").read_text(encoding="utf-8"))
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("labels", "rows", "offsets")
        }
        return cls(features=np.load(features, mmap_mode="r"), **arrays)


@dataclass(frozen=True)
class Update:
    """What phones send together: a sum that adds up exactly, in any order and grouping."""

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


def train_phones(
    shards: Shards, phones: np.ndarray, start: np.ndarray, train: TrainConfig, epochs: int, *, key: int
) -> Update:
    """Every phone of `phones` (k,) trains `epochs` over its views from `start` (C, D + 1); their sum."""
    phones = np.ascontiguousarray(phones, dtype=np.int64)
    total = np.zeros(start.shape, np.float64)
    reach, loss = kernel.train_phones(
        *_arrays(shards), phones, start, *_settings(train), epochs, np.uint64(key), total
    )
    views = int(shards.sizes[phones].sum())
    return Update(total, views, views * epochs, len(phones), float(loss), float(reach))


@dataclass(frozen=True)
class Each:
    """The updates of phones one by one, beside their sum: for algorithms that need them."""

    sum: Update
    updates: np.ndarray  # (k, C, D + 1) float32, head - start of each phone
    losses: np.ndarray  # (k,) float64, mean loss of the start on each phone's views; or none


def train_each(
    shards: Shards,
    phones: np.ndarray,
    start: np.ndarray,
    train: TrainConfig,
    epochs: int,
    *,
    key: int,
    losses: bool,
) -> Each:
    """The same as `train_phones`, keeping what each phone sends; k >= 1 phones."""
    total: Update | None = None
    updates = np.empty((len(phones), *start.shape), np.float32)
    for place, phone in enumerate(phones):
        update = train_phones(shards, phones[place : place + 1], start, train, epochs, key=key)
        updates[place] = update.total / shards.sizes[phone]
        total = update if total is None else total + update
    assert total is not None
    found = [_loss(shards, phone, start) for phone in phones] if losses else []
    return Each(total, updates, np.array(found, np.float64))


def _loss(shards: Shards, phone: int, head: np.ndarray) -> float:
    rows = shards.rows[shards.offsets[phone] : shards.offsets[phone + 1]]
    return cross_entropy(probabilities(head, shards.features[rows]), shards.labels[rows])


class CentralTrainer:
    """The same training with all views in one place: the optimiser's state lives on between epochs."""

    def __init__(self, shards: Shards, start: np.ndarray, train: TrainConfig, *, seed: int) -> None:
        self.head = start.copy()
        self._first, self._second = np.zeros_like(start), np.zeros_like(start)
        self._step, self._epoch = 0, 0
        self._shards, self._train, self._seed = shards, train, seed
        self._load()

    def _load(self) -> None:
        """Compiles the kernel, or loads it, by training no view: no epoch pays for it."""
        features, labels, rows, _ = _arrays(self._shards)
        states = (self.head, self._first, self._second, 0)
        kernel.train_epoch(features, labels, rows, 0, *states, *_settings(self._train), np.uint64(0))

    @property
    def classifier(self) -> LinearHead:
        """A copy of the head as it is."""
        return LinearHead(self.head.copy())

    @property
    def finite(self) -> bool:
        """Whether every number of the head is one."""
        return bool(np.isfinite(self.head).all())

    def epoch(self, views: int | None = None) -> float:
        """Trains one more epoch, or its first `views` views; returns the loss summed over them."""
        self._epoch += 1
        features, labels, rows, _ = _arrays(self._shards)
        loss, self._step = kernel.train_epoch(
            features, labels, rows, len(rows) if views is None else views,
            self.head, self._first, self._second, self._step, *_settings(self._train),
            np.uint64(key(self._seed, "central", self._epoch)),
        )  # fmt: skip
        return float(loss)


def _arrays(shards: Shards) -> tuple[np.ndarray, ...]:
    # A read-only memory map is another type to the compiler: plain views of it share the compiled code.
    return tuple(np.asarray(a) for a in (shards.features, shards.labels, shards.rows, shards.offsets))


def _settings(train: TrainConfig) -> tuple[int, float, bool, float]:
    return train.batch, train.lr, train.optimizer == "adam", train.dropout
