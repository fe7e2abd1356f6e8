"""What the server sees of phones in the first round: updates by themselves, in a sum, and with noise."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fer_models.heads import new_head
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.training import LocalWork, round_key, train_phones
from fer_models.run_folder.audit import Seen
from fer_models.seeding import stream
from server.strategies.registry import make
from simulations.audit.again import Again, joined

if TYPE_CHECKING:
    from server.mechanisms.privacy.plan import PrivatePlan

_TESTED, _SUMS = 200, (1, 3, 10, 30)  # phones attacked, at most, and the phones in a sum


@dataclass(frozen=True)
class Views:
    """Phones, and what the server sees of them. Phones of its own it makes from the validation photos."""

    run: Again
    seed: int

    @cached_property
    def head(self) -> np.ndarray:
        """From which all start, (C, D + 1) float32."""
        config = self.run.config
        width = self.run.held.features.shape[1]
        return new_head(len(config.data.classes), width, seed=config.run.train)

    @cached_property
    def tested(self) -> np.ndarray:
        """The phones that are attacked, (k,) int64."""
        phones = np.flatnonzero(self.run.held.sizes)
        rng = stream(self.seed, "attacked")
        return np.sort(rng.choice(phones, min(_TESTED, len(phones)), replace=False))

    @cached_property
    def means(self) -> np.ndarray:
        """The mean feature of the validation photos, then that of each class, if any; (C + 1, D)."""
        validation = self.run.prepared.validation
        features = np.asarray(validation.features, np.float64)
        every = features.mean(axis=0)
        classes = [features[validation.labels == c] for c in range(len(self.head))]
        return np.array([every, *(own.mean(axis=0) if len(own) else every for own in classes)])

    @property
    def ways(self) -> list[Seen]:
        """The ways of seeing: sums of more and more phones, and with the run's noise, if it has any."""
        private = self.run.config.privacy.private
        sums = [number for number in _SUMS if number <= self.run.held.phones]
        found = [Seen(number, noise=False) for number in sums]
        return [*found, Seen(self._per_round, noise=True)] if private else found

    @property
    def _per_round(self) -> int:
        """Phones expected in a round: of the deployment, if the run stands for one."""
        return self._plan.guarantee.taking_part.per_round

    def trained(self, held: PhoneRows) -> np.ndarray:
        """The updates of all phones of `held` in the first round, (phones, C, D + 1) float64."""
        config = self.run.config
        algorithm = make(config.strategy)
        train = config.train
        if algorithm.sgd_rate is not None:
            train = train.model_copy(update={"optimizer": "sgd", "lr": algorithm.sgd_rate})
        work = LocalWork(
            self.head, train, config.federation.local_epochs + algorithm.extra_epochs,
            round_key(config.run.train, 1), algorithm.local, each=True, dtype=np.float64,
        )  # fmt: skip
        found = train_phones(held, np.arange(held.phones), work)
        updates = np.zeros((held.phones, *self.head.shape))
        updates[found.phones] = found.updates
        return updates

    def seen(
        self, targets: np.ndarray, others: np.ndarray, way: Seen, rng: np.random.Generator
    ) -> np.ndarray:
        """What the server sees of each target, (k, C, D + 1): its mean with random `others`."""
        if way.phones == 1 and not way.noise:
            return targets
        if way.noise:
            targets, others = self._clipped(targets), self._clipped(others)
        found, even = np.empty_like(targets), np.full(len(others), 1 / len(others))
        for place, target in enumerate(targets):
            beside = rng.multinomial(
                way.phones - 1, even
            )  # with replacement: there may be more than `others`
            found[place] = (target + np.tensordot(beside, others, axes=1)) / way.phones
        if way.noise:
            found += self._plan.noise * self._plan.config.clip / way.phones * rng.standard_normal(found.shape)
        return found

    def _clipped(self, updates: np.ndarray) -> np.ndarray:
        clip = self.run.config.privacy.clip
        norms = kernel.norms(np.ascontiguousarray(updates))
        return np.asarray(updates * np.minimum(1.0, clip / np.maximum(norms, 1e-12))[:, None, None])

    @cached_property
    def _plan(self) -> "PrivatePlan":
        from simulations.run.private import plan_of

        plan = plan_of(self.run.config)
        assert plan is not None
        return plan

    def drawn_phones(self, number: int, half: int) -> PhoneRows:
        """Phones as large as the run's, with photos from half of the validation part, in any mixes."""
        rng = stream(self.seed, "drawn phones", half)
        validation, classes = self.run.prepared.validation, len(self.head)
        by_class = [np.flatnonzero(validation.labels == c) for c in range(classes)]
        by_class = [own[half::2] if len(own) > 1 else own for own in by_class]
        there = [c for c in range(classes) if len(by_class[c])]
        own = []
        for size in self.run.held.sizes[rng.choice(self.tested, number)]:
            mix = rng.dirichlet(np.full(len(there), rng.choice([0.1, 0.3, 1.0, 10.0])))
            counts = rng.multinomial(size, mix)
            drawn = [rng.choice(by_class[c], n) for c, n in zip(there, counts, strict=True)]
            own.append(np.concatenate(drawn))
        rows, offsets = joined(own)
        features, weighted = np.asarray(validation.features), self.run.held.weighted
        return PhoneRows(features, validation.labels, rows, offsets, weighted=weighted)

    def counts(self, held: PhoneRows) -> np.ndarray:
        """The class counts of the phones, (phones, C) int64."""
        return np.array(
            [
                np.bincount(held.labels[held.rows[first:last]], minlength=len(self.head))
                for first, last in zip(held.offsets, held.offsets[1:], strict=False)
            ]
        )

    @cached_property
    def attacked(self) -> PhoneRows:
        """The tested phones alone."""
        rows, offsets = joined([self.run.rows_of(int(phone)) for phone in self.tested])
        return replace(self.run.held, rows=rows, offsets=offsets, photos=None)
