"""How good a model is on each phone: every phone is evaluated on a holdout of its own.

Held-out photos are assigned to phones where the data are prepared (simulations/world/holdout.py). This file
only handles predictions and counts: one confusion matrix per phone in one pass, and the summary over phones.
Phones count equally, however many photos they have; a phone without photos is not counted. Order statistics
(quantiles, the worst, the worst tenth) only include phones with at least `min_photos`: with a single photo a
phone would be either the best or the worst.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from fer_models.evaluation import HeldOut
from fer_models.heads import Classifier, LinearHead
from fer_models.metrics import ratio, ratios
from fer_models.run_folder.quality import AccuracySpread, AcrossPhones, PhonesOfClass, Spread


@dataclass(frozen=True)
class PhoneHoldout(HeldOut):
    """Held-out photos, in the order of the whole split, and the phone that each belongs to."""

    place: np.ndarray  # (n,) int64 into `phones`: the phone that each photo belongs to
    phones: np.ndarray  # (r,) int64, sorted ids of the phones that photos were dealt to; some may have none
    largest: np.ndarray  # (r,) int64: the class with the most training views on each phone; ties: the first
    classes: tuple[str, ...]
    min_photos: int = 1  # photos that a phone needs to be ranked


def personal_answers(
    parts: PhoneHoldout,
    shared: np.ndarray,
    phones: np.ndarray,
    heads: np.ndarray,
    classifier: Callable[[np.ndarray], Classifier] = LinearHead,
) -> np.ndarray:
    """Class probabilities (n, C), each photo classified by the personal head of its phone.

    `phones` (m,), sorted, have the personal `heads` (m, C, D + 1), which `classifier` turns into classifiers;
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


def confusions(parts: PhoneHoldout, predicted: np.ndarray) -> np.ndarray:
    """Counts (r, C, C), int64, of the predictions `predicted` (n,): per phone, true by predicted classes."""
    phones, classes = len(parts.phones), len(parts.classes)
    cells = (parts.place * classes + parts.labels) * classes + predicted
    return np.bincount(cells, minlength=phones * classes**2).reshape(phones, classes, classes)


def accuracies(counts: np.ndarray) -> np.ndarray:
    """The accuracy of each confusion matrix (r, C, C), (r,); 0 without photos."""
    return ratio(np.trace(counts, axis1=1, axis2=2), counts.sum(axis=(1, 2)))


def macro_f1s(counts: np.ndarray) -> np.ndarray:
    """The mean F1 over the classes among a phone's photos or predictions, (r,); 0 without photos."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    return ratios(hits, counts.sum(axis=2), counts.sum(axis=1))["macro_f1"]


def across(parts: PhoneHoldout, chances: np.ndarray) -> AcrossPhones:
    """The summary over phones for class probabilities (n, C); see `measure`."""
    return measure_parts(parts, confusions(parts, chances.argmax(axis=1)))


def measure_parts(parts: PhoneHoldout, counts: np.ndarray) -> AcrossPhones:
    """The summary over phones for confusion counts (r, C, C); see `measure`."""
    return measure(counts, parts.largest, parts.classes, parts.min_photos)


def measure(
    counts: np.ndarray, largest: np.ndarray, classes: tuple[str, ...], min_photos: int = 1
) -> AcrossPhones:
    """The summary over phones with confusion counts (r, C, C); `largest` (r,) is each phone's largest class.

    As documented in docs/across-phones.md: phones counted, of how many, and how many of them have at least
    `min_photos` and are ranked; accuracy and macro_f1 over phones; and for each class the number of its
    phones, their accuracy, and their share of the worst tenth. ValueError if there are no photos.
    """
    photos = counts.sum(axis=(1, 2))
    counted = photos > 0
    if not counted.any():
        raise ValueError("no photos to judge phones on")
    counts, photos, largest = counts[counted], photos[counted], largest[counted]
    right, ranked = accuracies(counts), photos >= min_photos
    behind = np.zeros(len(counts))
    if ranked.any():
        behind[ranked] = worst_tenth(right[ranked])
    whole = np.trace(counts.sum(axis=0)) / photos.sum()
    by_class = {}
    for c, name in enumerate(classes):
        here = largest == c
        by_class[name] = PhonesOfClass(
            phones=int(here.sum()),
            accuracy=float(right[here].mean()) if here.any() else None,
            ranked=int((here & ranked).sum()),
            share_of_worst_tenth=float(behind[here].sum()) if ranked.any() else None,
        )
    by_chance = float((whole * (1 - whole) / photos).mean())
    return AcrossPhones(
        phones=len(counts),
        of=len(counted),
        ranked=int(ranked.sum()),
        min_photos=min_photos,
        accuracy=AccuracySpread(**vars(_spread(right, ranked)), variance_by_chance=by_chance),
        macro_f1=_spread(macro_f1s(counts), ranked),
        classes=by_class,
    )


def worst_tenth(values: np.ndarray) -> np.ndarray:
    """Weights (r,) that sum to 1: equal weights for the lowest tenth of `values` (r,), rounded up.

    Values that tie for the last places of that tenth share them.
    """
    places = ceil(len(values) / 10)
    last = np.partition(values, places - 1)[places - 1]
    below, at = values < last, values == last
    weights = below + at * ((places - below.sum()) / at.sum())
    return np.asarray(weights / places)


def _spread(values: np.ndarray, ranked: np.ndarray) -> Spread:
    """Mean and variance of `values` (r,); order statistics only of the `ranked` (r,), None if none are."""
    mean, variance = float(values.mean()), float(values.var())
    if not ranked.any():
        return Spread(mean, None, None, None, None, None, variance)
    some = values[ranked]
    low, middle, high = np.quantile(some, (0.1, 0.5, 0.9)).tolist()
    return Spread(mean, low, middle, high, float(some.min()), float(worst_tenth(some) @ some), variance)
