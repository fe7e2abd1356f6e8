"""How good a model is on each phone: every phone is judged on a held-out part of its own.

Which held-out photo is whose is decided where the data are prepared (simulations/world/own_parts.py). Here
are only answers and counts: one confusion matrix a phone in one pass, and what is reported of them all.
Phones count equally here, however many photos they have; a phone without any is not counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from fer_models.evaluation import HeldOut
from fer_models.heads import Classifier, LinearHead
from fer_models.metrics import ratio
from fer_models.run_folder.quality import AccuracySpread, AcrossPhones, PhonesOfClass, Spread


@dataclass(frozen=True)
class OwnParts(HeldOut):
    """Held-out photos, in the order of the whole part, and whose each of them is."""

    place: np.ndarray  # (n,) int64 into `phones`: the one phone that each photo belongs to
    phones: np.ndarray  # (r,) int64, sorted ids: those that photos were dealt to; some may have got none
    largest: np.ndarray  # (r,) int64: the class that each holds most training views of, the first of equals
    classes: tuple[str, ...]


def own_answers(
    parts: OwnParts,
    shared: np.ndarray,
    phones: np.ndarray,
    heads: np.ndarray,
    classifier: Callable[[np.ndarray], Classifier] = LinearHead,
) -> np.ndarray:
    """Class probabilities (n, C) where each photo is answered by the head of its phone.

    `phones` (m,), sorted, have heads of their own (m, C, D + 1), of which `classifier` makes what answers;
    photos of other phones keep the probabilities `shared` (n, C).
    """
    chances = shared.copy()
    rows = np.argsort(parts.place, kind="stable")
    ends = np.cumsum(np.bincount(parts.place, minlength=len(parts.phones)))
    _, here, there = np.intersect1d(parts.phones, phones, return_indices=True)
    for place, own in zip(here, there, strict=True):
        mine = rows[ends[place - 1] if place else 0 : ends[place]]
        if len(mine):
            chances[mine] = classifier(heads[own]).probabilities(parts.features[mine])
    return chances


def confusions(parts: OwnParts, said: np.ndarray) -> np.ndarray:
    """Counts (r, C, C), int64, of the answers `said` (n,): of each phone, true classes by said ones."""
    phones, classes = len(parts.phones), len(parts.classes)
    cells = (parts.place * classes + parts.labels) * classes + said
    return np.bincount(cells, minlength=phones * classes**2).reshape(phones, classes, classes)


def accuracies(counts: np.ndarray) -> np.ndarray:
    """The share of right answers of each confusion matrix (r, C, C), (r,); 0 without photos."""
    return ratio(np.trace(counts, axis1=1, axis2=2), counts.sum(axis=(1, 2)))


def macro_f1s(counts: np.ndarray) -> np.ndarray:
    """The mean F1 over the classes that a phone's photos or its answers have, (r,); 0 without photos."""
    there = counts.sum(axis=2) + counts.sum(axis=1)
    f1 = ratio(2 * np.diagonal(counts, axis1=1, axis2=2), there)
    return ratio(f1.sum(axis=1), (there > 0).sum(axis=1))


def across(parts: OwnParts, chances: np.ndarray) -> AcrossPhones:
    """What is reported of answers with class probabilities (n, C); see `measure`."""
    return measure(confusions(parts, chances.argmax(axis=1)), parts.largest, parts.classes)


def measure(counts: np.ndarray, largest: np.ndarray, classes: tuple[str, ...]) -> AcrossPhones:
    """How phones with confusion counts (r, C, C) fare; `largest` (r,) is the class each holds most of.

    As docs/architecture.md says it: phones counted, of how many; accuracy and macro_f1 over phones; and of
    each class its phones, how they fare, and their share of the worst tenth. ValueError without a photo.
    """
    photos = counts.sum(axis=(1, 2))
    counted = photos > 0
    if not counted.any():
        raise ValueError("no photos to judge phones on")
    counts, photos, largest = counts[counted], photos[counted], largest[counted]
    right, behind = accuracies(counts), worst_tenth(accuracies(counts))
    whole = np.trace(counts.sum(axis=0)) / photos.sum()
    by_class = {}
    for c, name in enumerate(classes):
        here = largest == c
        by_class[name] = PhonesOfClass(
            phones=int(here.sum()),
            accuracy=float(right[here].mean()) if here.any() else None,
            share_of_worst_tenth=float(behind[here].sum()),
        )
    by_chance = float((whole * (1 - whole) / photos).mean())
    return AcrossPhones(
        phones=len(counts),
        of=len(counted),
        accuracy=AccuracySpread(**vars(_spread(right)), variance_by_chance=by_chance),
        macro_f1=_spread(macro_f1s(counts)),
        classes=by_class,
    )


def worst_tenth(values: np.ndarray) -> np.ndarray:
    """Weights (r,) that sum to 1: equal ones for the lowest tenth of `values` (r,), rounded up.

    Where several values are the highest of that tenth, they share its last places.
    """
    places = ceil(len(values) / 10)
    last = np.partition(values, places - 1)[places - 1]
    below, at = values < last, values == last
    weights = below + at * ((places - below.sum()) / at.sum())
    return np.asarray(weights / places)


def _spread(values: np.ndarray) -> Spread:
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9)).tolist()
    return Spread(
        mean=float(values.mean()),
        p10=low,
        median=middle,
        p90=high,
        worst=float(values.min()),
        worst_tenth=float(worst_tenth(values) @ values),
        variance=float(values.var()),
    )
