"""Features: what do the photos of a phone's largest class look like, and whose phone is it?

The gradient of a class's weights is a sum of features, each times the predicted minus the true class: of a
single photo it is the feature itself, but for a factor (Geiping, Bauermeister, Droege and Moeller 2020,
arXiv:2003.14053, proposition 3.1). The mean feature of other people is subtracted with the share that the
head predicts, and what is left points to the mean feature of the phone's photos of the class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fer_models.heads import probabilities
from fer_models.run_folder.audit import FeaturesFound
from fer_models.seeding import stream
from simulations.audit.updates import Views


@dataclass(frozen=True)
class Recovered:
    """The feature that was recovered of each tested phone, for one way of seeing."""

    found: FeaturesFound
    features: np.ndarray  # (k, D), less the mean of other people's


def features(views: Views, step: Callable[[int, int], None]) -> tuple[Recovered, ...]:
    """For each way of seeing."""
    counts = views.counts(views.attacked)
    largest = counts.argmax(axis=1)
    updates, others = views.trained(views.attacked), views.trained(views.drawn_phones(500, 0))
    public = views.means[1:][largest]
    true = _class_means(views, largest) - public
    luck = float((1 / np.maximum((counts > 0).sum(axis=0)[largest], 1)).mean())
    by_class = {int(c): _means_of(views, int(c)) - views.means[1 + int(c)] for c in np.unique(largest)}
    found = []
    for number, way in enumerate(views.ways):
        step(number, len(views.ways))
        seen = views.seen(updates, others, way, stream(views.seed, "features", way.words))
        recovered = _recovered(views, seen, largest) - public
        nearest = np.array(
            [_cosines(one, by_class[int(c)]).argmax() for one, c in zip(recovered, largest, strict=True)]
        )
        found.append(
            Recovered(
                FeaturesFound(
                    seen=way,
                    cosine=float(np.mean([_cosine(a, b) for a, b in zip(recovered, true, strict=True)])),
                    identified=float((nearest == np.arange(len(true))).mean()),
                    by_luck=luck,
                    tested=len(true),
                ),
                recovered,
            )
        )
    step(len(views.ways), len(views.ways))
    return tuple(found)


def _recovered(views: Views, seen: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """An estimate of the mean feature of each phone's photos of its class, (k, D)."""
    chances = probabilities(views.head, np.asarray(views.run.prepared.validation.features)).mean(axis=0)
    place = np.arange(len(seen))
    weights, bias = seen[place, classes, :-1], seen[place, classes, -1]
    share = np.maximum(1 - chances[classes], 1e-3)
    factor = np.where(np.abs(bias) > 1e-9, bias, 1e-9) / share
    ratio = (
        weights / factor[:, None]
    )  # share of the class times its feature, less what is predicted of others
    return np.asarray(ratio + chances[classes][:, None] * views.means[0])


def _class_means(views: Views, classes: np.ndarray) -> np.ndarray:
    """The true mean feature of each tested phone's photos of its class, (k, D)."""
    held, found = views.attacked, []
    for place, c in enumerate(classes):
        rows = held.rows[held.offsets[place] : held.offsets[place + 1]]
        found.append(np.asarray(held.features[rows[held.labels[rows] == c]], np.float64).mean(axis=0))
    return np.array(found)


def _means_of(views: Views, c: int) -> np.ndarray:
    """The mean feature of each tested phone's photos of class `c`, (k, D); the public where it has none."""
    held, found = views.attacked, []
    for first, last in zip(held.offsets, held.offsets[1:], strict=False):
        rows = held.rows[first:last]
        own = rows[held.labels[rows] == c]
        some = len(own) > 0
        found.append(np.asarray(held.features[own], np.float64).mean(axis=0) if some else views.means[1 + c])
    return np.array(found)


def _cosines(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(many, axis=1) * np.linalg.norm(one)
    return np.asarray(many @ one / np.maximum(norms, 1e-12))


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(_cosines(one, other[None])[0])
