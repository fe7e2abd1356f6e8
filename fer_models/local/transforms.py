"""Transforms: what happens to each phone's update on the phone, before updates are summed.

A transform is a page with one class: updates of a block of phones in, updates and per-phone metrics out.
They compose as a list, and are the same for linear heads, whole networks and nodes that are phones. Without
any, training and summation stay one compiled loop (kernel.py).

    local update -> updates (b, C, D + 1) -> transforms, one after another -> weight * update, exact sum

A transform sees the phone's update itself, head - start, before it is multiplied by the phone's weight. Here
updates are exact differences in float64, so a transform that changes nothing changes no bit of the sum.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from fer_models.errors import RunError
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneData
from fer_models.local.training import LocalWork, Trained, Update, counted

_BYTES = 64_000_000  # of updates in float64 at a time

Metrics = dict[str, np.ndarray]  # (b,) float64 each: one value per phone
Groups = list[tuple[np.ndarray, PhoneData]]  # positions among the phones, (n,) int64, and their training data


@dataclass(frozen=True)
class Context:
    """What a transform knows besides the updates."""

    phones: np.ndarray  # (b,) int64, ids of the block's phones
    views: np.ndarray  # (b,) int64, of each
    head: np.ndarray  # (C, D + 1) float32, of the round
    round: int
    seed: int  # of the run, for `fer_models.seeding.stream`
    population: int  # number of all phones
    classes: int


@dataclass(frozen=True)
class Transform:
    """What happens to updates on the phone. A page is a frozen dataclass of its options."""

    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        """Updates (b, C, D + 1) float64 in and out (a new array), and metrics per phone.

        A phone's result must not depend on the other phones in the block.
        """
        return updates, {}

    @property
    def active(self) -> bool:
        """Whether its options make it do anything; built-in transforms override this."""
        return True

    @property
    def data_alone(self) -> bool:
        """Whether it changes what phones train on (`groups`) and no update: then it applies to sums, too."""
        return False

    @property
    def words(self) -> str:
        """What it does, for reports; default: its name and options."""
        options = (f"{field.name} {getattr(self, field.name)}" for field in fields(self))
        return ", ".join([type(self).__name__, *options])

    def groups(self, held: PhoneData, context: Context) -> Groups:
        """Which phones train on which data; default: every phone on its own."""
        return [(np.arange(len(context.phones)), held)]

    def summary(self, metrics: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Numbers by name for the round's line in rounds.jsonl, from `metrics` (k,) of all its phones."""
        return {}


@dataclass(frozen=True)
class Transforms:
    """The transforms of a round, in the order in which they apply."""

    steps: tuple[Transform, ...]
    round: int
    seed: int
    population: int  # number of all phones
    classes: int

    def train(
        self,
        trainer: Callable[[PhoneData, np.ndarray, LocalWork], Trained],
        held: PhoneData,
        phones: np.ndarray,
        work: LocalWork,
    ) -> Trained:
        """The result of `trainer` for `phones` (k,), sorted, with updates transformed before summation."""
        plain = replace(work, transforms=None, each=True, dtype=np.float64, clip=0.0)
        most = max(1, _BYTES // (8 * work.head.size))
        parts = []
        for first in range(
            0, max(1, len(phones)), most
        ):  # runs once even without phones: that loads the compiled code
            block = self._context(held, phones[first : first + most], work.head)
            for places, views in self._groups(held, block):
                part = replace(plain, inputs=work.inputs.of(first + places))
                parts.append(self._block(trainer, views, _of(block, places), part, work))
        return joined(parts, work)

    def data_of(self, held: PhoneData, phones: np.ndarray, head: np.ndarray) -> Groups:
        """Which of `phones` (k,) train on which data, for a head of this shape."""
        return self._groups(held, self._context(held, phones, head))

    def _groups(self, held: PhoneData, context: Context) -> Groups:
        """Which phones train on which data, after all transforms."""
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
        unclipped: LocalWork,
        work: LocalWork,
    ) -> Trained:
        """Trains a block as `unclipped` says, without summing, transforms its updates and sums those."""
        phones = context.phones
        counts = counted(held, phones)
        own = unclipped.inputs
        weights = counts.astype(np.float64) if own.weights is None else own.weights
        unsummed = replace(own, weights=np.zeros(len(phones)))
        trained = trainer(held, phones, replace(unclipped, inputs=unsummed))
        assert trained.updates is not None
        place = np.searchsorted(phones, trained.phones)
        context, weights, updates, metrics = _of(context, place), weights[place], trained.updates, Metrics()
        for step in self.steps:
            shape = updates.shape
            updates, measured = step(updates, context)
            _check(step, updates, measured, shape, metrics)
            metrics |= measured
        summed = _summed(np.ascontiguousarray(updates, dtype=np.float64), weights, metrics, work)
        sound = summed.sound
        views, photo_losses = int(context.views[sound].sum()), trained.photo_losses[sound]
        counted_in, number = int(counts[place][sound].sum()), int(sound.sum())
        loss, reach = float(photo_losses.sum()), float(summed.reaches[sound].sum())
        return Trained(
            trained.phones[sound],
            Update(summed.total, counted_in, views * work.epochs, number, loss, reach, summed.within),
            photo_losses,
            trained.phones[summed.large],
            updates[sound].astype(np.float32) if work.each else None,
            None if trained.losses is None else trained.losses[sound],
            {name: values[sound] for name, values in metrics.items()},
        )

    def summary(self, metrics: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Numbers by name for a round's record, from `metrics` (k,) of its phones."""
        return {name: value for step in self.steps for name, value in step.summary(metrics).items()}


@dataclass(frozen=True)
class _Summed:
    """The sum of a block's updates, and what became of each phone's."""

    total: np.ndarray  # (C, D + 1) float64
    sound: np.ndarray  # (b,) bool, in the sum
    large: np.ndarray  # (b,) bool, left out for its length
    reaches: np.ndarray  # (b,) float64, weight times norm; with a clip, what is left of the norm
    within: int


def _summed(updates: np.ndarray, weights: np.ndarray, metrics: Metrics, work: LocalWork) -> _Summed:
    """Sums updates (b, C, D + 1) with their weights (b,), or clipped, leaving out what is not finite."""
    total, reaches = np.zeros(work.head.shape), weights * kernel.norms(updates)
    finite = np.all([np.isfinite(values) for values in (reaches, *metrics.values())], axis=0)
    if not work.clip:
        sound, large = finite & (reaches < work.reach_limit), finite & (reaches >= work.reach_limit)
        kernel.add_updates(total, updates[sound], weights[sound])
        return _Summed(total, sound, large, reaches, 0)
    norms = np.empty(int(finite.sum()))
    kernel.add_updates_within(total, updates[finite], work.clip, norms)
    left = np.minimum(reaches, work.clip)
    return _Summed(total, finite, np.zeros_like(finite), left, int((norms <= work.clip).sum()))


def _check(
    step: Transform, updates: object, measured: object, shape: tuple[int, ...], known: Metrics
) -> None:
    """RunError unless updates have the given shape, and measurements are new, one per phone."""
    wrong = ""
    if not isinstance(updates, np.ndarray) or updates.shape != shape:
        wrong = f"updates of shape {getattr(updates, 'shape', type(updates).__name__)}, got {shape}"
    elif not isinstance(measured, dict):
        wrong = f"measurements that are no dictionary but {type(measured).__name__}"
    else:
        for name, values in measured.items():
            if name == "phones" or name in known:
                wrong = f'a measurement called "{name}", which is taken'
            elif not isinstance(values, np.ndarray) or values.shape != shape[:1]:
                wrong = f'a measurement "{name}" that is no array with one number per phone'
    if wrong:
        raise RunError(f"the transform {type(step).__name__} returned {wrong}; correct it", resumable=False)


def same_names(parts: Sequence[Mapping[str, np.ndarray]]) -> list[str]:
    """The names of the measurements, which must be the same in all parts; RunError if they are not."""
    every, common = set().union(*parts), set(parts[0]).intersection(*parts) if parts else set()
    if some := sorted(every - common):
        raise RunError(
            f'a transform measured "{some[0]}" of some phones only; correct it: it must return the same'
            " measurements for all phones",
            resumable=False,
        )
    return sorted(every)


def _of(context: Context, places: np.ndarray) -> Context:
    """The context restricted to the phones at `places`."""
    return replace(context, phones=context.phones[places], views=context.views[places])


def joined(parts: Sequence[Trained], work: LocalWork) -> Trained:
    """The results of parts of a round's phones as one, sorted by phone."""
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
    metrics = {
        name: _rows((part.metrics[name] for part in parts), np.empty(0))[order]
        for name in same_names([part.metrics for part in parts])
    }
    photo_losses = _rows((part.photo_losses for part in parts), np.empty(0))[order]
    large = np.sort(_rows((part.large for part in parts), np.empty(0, np.int64)))
    return Trained(phones[order], total, photo_losses, large, updates, losses, metrics)


def _rows(parts: Iterable[np.ndarray | None], none: np.ndarray) -> np.ndarray:
    """The rows of all parts, concatenated."""
    return np.concatenate([none, *(part for part in parts if part is not None)])


@dataclass(frozen=True)
class Relabelled:
    """PhoneData with replaced labels."""

    held: PhoneData
    labels: np.ndarray  # (m,) int64

    @property
    def features(self) -> np.ndarray:
        """Unchanged."""
        return self.held.features

    @property
    def phones(self) -> int:
        """How many phones there are."""
        return self.held.phones

    @property
    def sizes(self) -> np.ndarray:
        """Views of each phone, (phones,) int64."""
        return self.held.sizes

    @property
    def weighted(self) -> bool:
        """Unchanged; the weights are those of the new labels."""
        return self.held.weighted

    def of(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows of `phones` (k,), unchanged."""
        return self.held.of(phones)

    def photos_of(self, phones: np.ndarray) -> np.ndarray | None:
        """Unchanged."""
        return self.held.photos_of(phones)
