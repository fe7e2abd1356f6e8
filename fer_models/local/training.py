"""The local update: phones, one or many in one pass, and the baselines all train through this file.

The arithmetic is `kernel.train_epoch`; this file determines which rows to train on and what to return.
Source: FedAvg (McMahan et al., 2017), with local SGD or Adam; a phone's optimiser state is reset every round.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fer_models.config import TrainConfig
from fer_models.heads import LinearHead, cross_entropy, probabilities
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneData, PhoneRows
from fer_models.local.terms import LocalTerms, PhoneInputs
from fer_models.seeding import key


@dataclass(frozen=True)
class Update:
    """The sum of phones' updates; such sums add exactly, in any order and grouping."""

    total: np.ndarray  # (C, D + 1) float64, sum of views * (head - start), multiples of kernel.QUANTUM
    views: int  # sum of the phones' views, or of their photos if they count by them: the weight of `total`
    photos: int  # views processed: the phones' views * local epochs
    phones: int
    loss: float  # training loss summed over the photos processed, exact as well
    reach: float  # bound of every partial sum in `total`; exact while below kernel.EXACT_BELOW
    within: int = 0  # phones whose update was within `LocalWork.clip` before clipping; 0 without a clip

    def __add__(self, other: "Update") -> "Update":
        return Update(
            self.total + other.total,
            self.views + other.views,
            self.photos + other.photos,
            self.phones + other.phones,
            self.loss + other.loss,
            self.reach + other.reach,
            self.within + other.within,
        )


def round_key(seed: int, number: int) -> int:
    """The key from which every phone of round `number` derives its order of views and its dropout."""
    return key(seed, "train", number)


@dataclass(frozen=True)
class LocalWork:
    """A round of local training for k phones: the start, the length, and what the strategy changes."""

    head: np.ndarray  # (C, D + 1) float32, of the round; every phone starts from it
    train: TrainConfig
    epochs: int
    key: int  # of the round: `round_key`
    local: LocalTerms = field(default_factory=LocalTerms)
    inputs: PhoneInputs = field(default_factory=PhoneInputs)  # of the k phones
    each: bool = False  # whether to return each phone's update
    losses: bool = False  # whether to return the mean loss of each phone's start on its views
    transforms: "Changes | None" = None  # applied to updates before they are summed
    dtype: Any = np.float32  # of the phones' updates; exact in float64
    reach_limit: float = kernel.EXACT_BELOW  # a phone whose weight * |update| is not below it is left out
    # Above 0: updates are summed without weights, each with a norm that is surely within the clip, as
    # `kernel.add_within` adds them; one that is not finite counts as zero, and no phone is left out.
    clip: float = 0.0


@dataclass(frozen=True)
class Trained:
    """The result of local training; phones with non-finite numbers, or too large ones, are left out."""

    phones: np.ndarray  # (k,) int64, ids of the phones included
    sum: Update
    photo_losses: np.ndarray  # (k,) float64, training loss of each, summed over the photos it processed
    large: np.ndarray  # (j,) int64, ids of the phones left out because of `LocalWork.reach_limit`
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
    phones, head = np.ascontiguousarray(phones, dtype=np.int64), np.ascontiguousarray(work.head)
    train, local, inputs = work.train, work.local, work.inputs
    if local.output_epochs >= 0:
        raise ValueError("a linear head is nothing but an output layer")
    rows, firsts, lasts = (np.asarray(part) for part in held.of(phones))
    starts = head[None] if inputs.starts is None else inputs.starts
    none = np.zeros((1 if local.pull else 0, *head.shape), np.float32)
    sizes, counts = lasts - firsts, counted(held, phones)
    total = np.zeros(head.shape, np.float64)
    updates = np.empty((len(phones) if work.each else 0, *head.shape), work.dtype)
    reaches, photo_losses = np.empty(len(phones)), np.empty(len(phones))
    kernel.train_phones(
        *map(_read_only, (held.features, held.labels, rows, firsts, lasts, phones)),
        _read_only(counts.astype(np.float64) if inputs.weights is None else inputs.weights),
        _read_only(head), _read_only(starts), train.batch, train.lr, train.optimizer == "adam", train.dropout,
        work.epochs, np.uint64(work.key), local.pull, local.margin, local.prior,
        _read_only(none if inputs.corrections is None else inputs.corrections), held.weighted,
        work.reach_limit, work.clip, total, updates, reaches, photo_losses,
    )  # fmt: skip
    losses = _losses(held, phones, starts, reaches < work.reach_limit) if work.losses else None
    return trained(phones, (counts, sizes), work, (total, reaches, photo_losses), updates, losses)


def counted(held: PhoneData, phones: np.ndarray) -> np.ndarray:
    """What each of `phones` (k,) counts in the mean: its photos, or its views, (k,) int64."""
    photos = held.photos_of(phones)
    if photos is not None:
        return photos
    _, firsts, lasts = held.of(phones)
    return np.asarray(lasts - firsts)


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written. To the compiler memory maps, writable arrays and these are three types:
    what the kernel only reads is always of this one, so that it is compiled once.
    """
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def trained(
    phones: np.ndarray,
    numbers: tuple[np.ndarray, np.ndarray],
    work: LocalWork,
    sums: tuple[np.ndarray, np.ndarray, np.ndarray],
    updates: np.ndarray,
    losses: np.ndarray | None,
) -> Trained:
    """The result of `work`; `sums`: the total over phones below the limit, every phone's reach, nan if it is
    not finite, and its training loss, (k,) each; `numbers`: what phones count, and their views, (k,) int64.
    With a clip the reaches are norms before clipping.
    """
    total, reaches, photo_losses = sums
    within = int((reaches <= work.clip).sum()) if work.clip else 0
    if work.clip:
        reaches = np.minimum(reaches, work.clip)
    sound = reaches < work.reach_limit
    counts, views = (int(each[sound].sum()) for each in numbers)
    spent = photo_losses[sound]
    reach = float(reaches[sound].sum())
    return Trained(
        phones[sound],
        Update(total, counts, views * work.epochs, int(sound.sum()), float(spent.sum()), reach, within),
        spent,
        phones[reaches >= work.reach_limit],
        updates[sound] if work.each else None,
        None if losses is None else losses[sound],
    )


def _losses(held: PhoneData, phones: np.ndarray, starts: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """The mean loss of each phone's start on its views, (k,) float64; nan where the phone is not `sound`."""
    rows, firsts, lasts = held.of(phones)
    found = np.full(len(phones), np.nan)
    for place in np.flatnonzero(sound):
        own, head = rows[firsts[place] : lasts[place]], starts[min(int(place), len(starts) - 1)]
        chances, labels = probabilities(head, held.features[own]), held.labels[own]
        weights = view_weights(labels, len(head)) if held.weighted else None
        found[place] = cross_entropy(chances, labels, weights)
    return found


def view_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """The weight of each view's loss on a phone with these labels (n,): (n,) float32, mean 1."""
    weights = np.empty(classes, np.float32)
    kernel.class_weights(np.bincount(labels, minlength=classes), weights)
    return np.asarray(weights[labels])


class CentralTrainer:
    """The same training on the pooled views; the optimiser's state is kept between epochs."""

    def __init__(self, pooled: PhoneRows, start: np.ndarray, train: TrainConfig, *, seed: int) -> None:
        self.head = np.array(start, order="C")  # in another order the kernel would be compiled anew
        self._first, self._second = np.zeros_like(self.head), np.zeros_like(self.head)
        self._step, self._epoch = 0, 0
        self._pooled, self._train, self._seed = pooled, train, seed
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
        every = len(self._pooled.rows) if views is None else views
        return self._trained(every, key(self._seed, "central", self._epoch))

    def _trained(self, views: int, epoch_key: int) -> float:
        held, train = self._pooled, self._train.after(max(self._epoch - 1, 0))
        features, labels, rows = map(_read_only, (held.features, held.labels, held.rows))
        offsets = np.zeros(len(self.head), np.float32)
        weights = np.empty(len(self.head) if held.weighted else 0, np.float32)
        if held.weighted:
            kernel.class_weights(kernel.class_counts(labels, rows, len(self.head)), weights)
        loss, self._step = kernel.train_epoch(
            features, labels, rows, views, self.head, self._first, self._second, self._step,
            train.batch, train.lr, train.optimizer == "adam", train.dropout, np.uint64(epoch_key),
            offsets, _read_only(self.head), 0.0, _read_only(self.head[:0]), weights,
        )  # fmt: skip
        return float(loss)
