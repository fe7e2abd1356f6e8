"""Labels: how many photos of each class does a phone hold? Guessed from its update.

The gradient of a head's bias is the mean predicted minus the true class shares, so an update tells the class
counts (Zhao, Mopuri and Bilen 2020, arXiv:2001.02610, for one photo; Wainakh et al. 2022, arXiv:2105.09369).
The server learns how from phones of its own, with photos of other people, which it trains in the same way:
that works for any optimiser, for sums and with noise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_models.local.phone_rows import PhoneRows
from fer_models.run_folder.audit import LabelsFound, Seen
from fer_models.seeding import stream
from simulations.audit.updates import Views

_OWN = 600  # phones that the server makes, twice
_LINEAR: list[dict[str, Any]] = [{"kernel": "linear", "alpha": alpha} for alpha in (1e-6, 1e-3, 1e-1, 10.0)]
_CURVED: list[dict[str, Any]] = [
    *({"kernel": "poly", "degree": 2, "gamma": 0.01, "alpha": alpha} for alpha in (1e-3, 1e-1, 10.0)),
    *({"kernel": "rbf", "gamma": gamma, "alpha": 1e-2} for gamma in (0.003, 0.03)),
]


def labels(views: Views, step: Callable[[int, int], None]) -> tuple[LabelsFound, ...]:
    """For each way of seeing."""
    parts = [_Phones.of(views, views.drawn_phones(_OWN, half)) for half in (0, 1)]
    theirs, own = _Phones.of(views, views.attacked), parts[0].updates
    found = []
    for number, way in enumerate(views.ways):
        step(number, len(views.ways))
        rng = stream(views.seed, "labels", way.words)
        known = [each.shown(views, own, way, rng) for each in parts]
        guess = _guessed(known, [each.shares for each in parts], theirs.shown(views, own, way, rng))
        blind = np.concatenate([each.shares for each in parts]).mean(axis=0)
        right = np.rint(guess * theirs.sizes[:, None]) == theirs.counts
        found.append(
            LabelsFound(
                seen=way,
                error=float(np.abs(guess - theirs.shares).sum(axis=1).mean()),
                blind=float(np.abs(blind - theirs.shares).sum(axis=1).mean()),
                exact=float(right.all(axis=1).mean()),
                tested=len(guess),
            )
        )
    step(len(views.ways), len(views.ways))
    return tuple(found)


@dataclass(frozen=True)
class _Phones:
    """Phones with known classes, and their updates."""

    counts: np.ndarray  # (k, C) int64
    updates: np.ndarray  # (k, C, D + 1)

    @classmethod
    def of(cls, views: Views, held: PhoneRows) -> "_Phones":
        return cls(views.counts(held), views.trained(held))

    @property
    def sizes(self) -> np.ndarray:
        """Views of each, (k,)."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def shares(self) -> np.ndarray:
        """Of the classes, (k, C)."""
        return np.asarray(self.counts / self.sizes[:, None])

    def shown(self, views: Views, others: np.ndarray, way: Seen, rng: np.random.Generator) -> np.ndarray:
        """What the server reads of each, (k, n)."""
        return _statistics(views.seen(self.updates, others, way, rng), views.means, self.sizes)


def _statistics(seen: np.ndarray, means: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """What class counts show in, (k, n): of each class its bias, its weights along the mean features `means`
    (m, D) and their norm; and the phone's size.
    """
    bias, weights = seen[:, :, -1], seen[:, :, :-1]
    along = (weights @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T).reshape(len(seen), -1)
    return np.concatenate([bias, along, np.linalg.norm(weights, axis=2), np.log(sizes)[:, None]], axis=1)


def _guessed(known: list[np.ndarray], shares: list[np.ndarray], asked: np.ndarray) -> np.ndarray:
    """Class shares (k, C) by kernel ridge regression on what the server's own phones show.

    These are two lots, with photos of their own: what is read, the biases alone or all, and the kernel are
    chosen on the second lot after the first was learned; then both are learned.
    """
    readings = [(slice(shares[0].shape[1]), each) for each in _LINEAR]
    readings += [(slice(None), each) for each in (*_LINEAR, *_CURVED)]
    errors = [
        np.abs(_learned(known[0][:, read], shares[0], known[1][:, read], kernel) - shares[1]).sum()
        for read, kernel in readings
    ]
    blind = np.concatenate(shares).mean(axis=0)
    if np.abs(shares[0].mean(axis=0) - shares[1]).sum() <= min(errors):  # nothing was learned
        return np.tile(blind, (len(asked), 1))
    read, kernel = readings[int(np.argmin(errors))]
    every = np.concatenate(known)[:, read]
    return _learned(every, np.concatenate(shares), asked[:, read], kernel)


def _learned(known: np.ndarray, shares: np.ndarray, asked: np.ndarray, kernel: dict[str, Any]) -> np.ndarray:
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    centre = shares.mean(axis=0)
    model = make_pipeline(StandardScaler(), KernelRidge(**kernel)).fit(known, shares - centre)
    guess = np.maximum(model.predict(asked) + centre, 0)
    return np.asarray(guess / np.maximum(guess.sum(axis=1, keepdims=True), 1e-12))
