"""Transforms: what happens to each phone's update on the phone, before updates are added up.

A transform is a page with one class: updates of a block of phones in, updates and what was measured of each
phone out. They compose as a list, and are the same for linear heads, whole networks and phones that are real
devices. Without any, training and adding up stay one compiled loop (kernel.py).

    local update -> updates (b, C, D + 1) -> transforms, one after another -> weight * update, exact sum

What a transform sees is the phone's update itself, head - start, not yet multiplied by the phone's weight.
Updates are exact differences in float64 here, so a transform that changes nothing changes no bit of the sum.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from fer_models.local import kernel
from fer_models.local.training import LocalWork, PhoneData, Trained, Update

_BYTES = 64_000_000  # of updates in float64 at a time

Metrics = dict[str, np.ndarray]  # (b,) float64 each: what was measured of each phone
Groups = list[tuple[np.ndarray, PhoneData]]  # places among the phones, (n,) int64, and what these train on


@dataclass(frozen=True)
class Context:
    """What a transform knows beside the updates."""

    phones: np.ndarray  # (b,) int64, ids of the block's phones
    views: np.ndarray  # (b,) int64, of each
    head: np.ndarray  # (C, D + 1) float32, of the round
    round: int
    seed: int  # of the run, for `fer_models.seeding.stream`
    population: int  # phones there are in all
    classes: int


@dataclass(frozen=True)
class Transform:
    """What happens to updates on the phone. A page is a frozen dataclass of its options."""

    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        """Updates (b, C, D + 1) float64 in and out (a new array), and what was measured of each phone.

        No phone's result may depend on who else is in the block.
        """
        return updates, {}

    @property
    def active(self) -> bool:
        """Whether its options make it change anything; a page that is always there says when."""
        return True

    @property
    def words(self) -> str:
        """What it does, as reports say it: its name and options, if nothing else is said."""
        options = (f"{field.name} {getattr(self, field.name)}" for field in fields(self))
        return ", ".join([type(self).__name__, *options])

    def groups(self, held: PhoneData, context: Context) -> Groups:
        """Who trains on what; as it stands, every phone on what it holds."""
        return [(np.arange(len(context.phones)), held)]

    def summary(self, metrics: Mapping[str, np.ndarray]) -> dict[str, float]:
        """What rounds.jsonl says of a round, from `metrics` (k,) of all its phones; numbers by name."""
        return {}


@dataclass(frozen=True)
class Transforms:
    """The transforms of a round, in the order in which they apply."""

    steps: tuple[Transform, ...]
    round: int
    seed: int
    population: int  # phones there are in all
    classes: int

    def train(
        self,
        trainer: Callable[[PhoneData, np.ndarray, LocalWork], Trained],
        held: PhoneData,
        phones: np.ndarray,
        work: LocalWork,
    ) -> Trained:
        """What `trainer` makes of the work, transformed before it is added up; for `phones` (k,), sorted."""
        plain = replace(work, transforms=None, each=True, dtype=np.float64)
        most = max(1, _BYTES // (8 * work.head.size))
        parts = []
        for first in range(
            0, max(1, len(phones)), most
        ):  # once for no phone, too: that loads the compiled code
            block = self._context(held, phones[first : first + most], work.head)
            for places, views in self._groups(held, block):
                part = _part(plain, first + places)
                parts.append(self._block(trainer, views, _of(block, places), part, work.each))
        return _joined(parts, work)

    def _groups(self, held: PhoneData, context: Context) -> Groups:
        """Who trains on what, once every transform has had its say."""
        parts: Groups = [(np.arange(len(context.phones)), held)]
        for step in self.steps:
            parts = [
                (places[inner], views)
                for places, own in parts
                for inner, views in step.groups(own, _of(context, places))
            ]
        return parts

    def _context(self, held: PhoneData, phones: np.ndarray, head: np.ndarray) -> Context:
        _, firsts, lasts = held.of(phones)
        known = self.round, self.seed, self.population, self.classes
        return Context(phones, lasts - firsts, head, *known)

    def _block(
        self,
        trainer: Callable[[PhoneData, np.ndarray, LocalWork], Trained],
        held: PhoneData,
        context: Context,
        work: LocalWork,
        each: bool,
    ) -> Trained:
        """Trains a block without adding anything up, transforms its updates and adds these up."""
        phones = context.phones
        weights = context.views.astype(np.float64) if work.weights is None else work.weights
        trained = trainer(held, phones, replace(work, weights=np.zeros(len(phones))))
        assert trained.updates is not None
        place = np.searchsorted(phones, trained.phones)
        context, weights, updates, metrics = _of(context, place), weights[place], trained.updates, Metrics()
        for step in self.steps:
            updates, measured = step(updates, context)
            metrics |= measured
        updates = np.ascontiguousarray(updates, dtype=np.float64)
        norms = kernel.norms(updates)
        sound = np.isfinite(norms)
        total = np.zeros(work.head.shape)
        kernel.add_updates(total, updates[sound], weights[sound])
        views = int(context.views[sound].sum())
        return Trained(
            trained.phones[sound],
            replace(
                trained.sum,
                total=total,
                views=views,
                photos=views * work.epochs,
                phones=int(sound.sum()),
                reach=float((weights * norms)[sound].sum()),
            ),
            updates[sound].astype(np.float32) if each else None,
            None if trained.losses is None else trained.losses[sound],
            {name: values[sound] for name, values in metrics.items()},
        )

    def summary(self, metrics: Mapping[str, np.ndarray]) -> dict[str, float]:
        """What a round's record says of `metrics` (k,) of its phones."""
        return {name: value for step in self.steps for name, value in step.summary(metrics).items()}


def _of(context: Context, places: np.ndarray) -> Context:
    """The context of the phones at `places`."""
    return replace(context, phones=context.phones[places], views=context.views[places])


def _part(work: LocalWork, places: np.ndarray) -> LocalWork:
    """The work of the phones at `places`: what is each phone's own, of these."""
    own = {name: getattr(work, name) for name in ("starts", "corrections", "weights")}
    return replace(work, **{name: values[places] for name, values in own.items() if values is not None})


def _joined(parts: Sequence[Trained], work: LocalWork) -> Trained:
    """All parts as one, sorted by phone."""
    nothing = Update(np.zeros(work.head.shape), 0, 0, 0, 0.0, 0.0)
    phones = _rows((part.phones for part in parts), np.empty(0, np.int64))
    order = np.argsort(phones)
    total = nothing
    for part in parts:
        total = total + part.sum
    updates = losses = None
    if work.each:
        none = np.empty((0, *work.head.shape), np.float32)
        updates = _rows((part.updates for part in parts), none)[order]
    if work.losses:
        losses = _rows((part.losses for part in parts), np.empty(0))[order]
    names = {name for part in parts for name in part.metrics}
    metrics = {
        name: _rows((part.metrics[name] for part in parts), np.empty(0))[order] for name in sorted(names)
    }
    return Trained(phones[order], total, updates, losses, metrics)


def _rows(parts: Iterable[np.ndarray | None], none: np.ndarray) -> np.ndarray:
    """The rows of all parts, one below the other."""
    return np.concatenate([none, *(part for part in parts if part is not None)])


@dataclass(frozen=True)
class Relabelled:
    """PhoneData whose views have other labels."""

    held: PhoneData
    labels: np.ndarray  # (m,) int64

    @property
    def features(self) -> np.ndarray:
        """As they were."""
        return self.held.features

    @property
    def phones(self) -> int:
        """How many phones there are."""
        return self.held.phones

    @property
    def sizes(self) -> np.ndarray:
        """Views of each phone, (phones,) int64."""
        return self.held.sizes

    def of(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `phones` (k,) own, as it was."""
        return self.held.of(phones)
