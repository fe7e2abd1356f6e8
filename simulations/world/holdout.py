"""Which phone each held-out photo belongs to, so that every phone is evaluated on photos like its own.

Class by class, photos are dealt to phones in proportion to the phones' training views of that class: a photo
is on one phone, none is left over, and the phones' confusion counts add up to the overall ones. A phone gets
its share of each class's photos, rounded up or down: systematic sampling (Madow, 1949,
doi:10.1214/aoms/1177729988).
"""

import numpy as np

from fer_models.across import PhoneHoldout
from fer_models.evaluation import HeldOut
from fer_models.local.phone_rows import PhoneData
from fer_models.seeding import stream

EACH, MOST = 10, 1_000  # if phones outnumber photos: photos on each of a sample, at most this large
_AT_ONCE = 500_000  # views counted: the partition `draw` has none in memory before


def candidates(phones: int, photos: int, *, seed: int) -> np.ndarray:
    """The phones that `photos` held-out photos are dealt to, (r,) int64, sorted.

    All of them; if they outnumber the photos, a seeded sample so small that each gets about EACH, since one
    photo says nothing about a phone; at most MOST. Fewer photos sample a subset of the same phones.
    """
    if phones <= photos:
        return np.arange(phones)
    drawn = min(max(photos // EACH, 1), MOST)
    return np.sort(stream(seed, "own parts", "phones").permutation(phones)[:drawn])


def deal(labels: np.ndarray, views: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The row of `views` (r, C), training views of each phone, that gets each of n photos, (n,) int64.

    A class that none of these phones holds is dealt in proportion to all their views.
    """
    place = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        photos = rng.permutation(np.flatnonzero(labels == label))
        weights = views[:, label] if views[:, label].any() else views.sum(axis=1)
        order = rng.permutation(len(views))
        place[photos] = np.repeat(order, _shares(weights[order], len(photos), rng))
    return place


def phone_holdout(
    photos: HeldOut, held: PhoneData, classes: tuple[str, ...], *, seed: int, part: str, min_photos: int = 1
) -> PhoneHoldout | None:
    """The share of each phone of `held` in the held-out `photos`; None if one phone holds everything.

    `min_photos`: how many a phone needs to be ranked among the others.
    """
    if held.phones == 1:
        return None
    phones = candidates(held.phones, len(photos.labels), seed=seed)
    views = class_views(held, phones, len(classes))
    place = deal(photos.labels, views, stream(seed, "own parts", part))
    return PhoneHoldout(
        photos.features, photos.labels, place, phones, views.argmax(axis=1), classes, min_photos
    )


def class_views(held: PhoneData, phones: np.ndarray, classes: int) -> np.ndarray:
    """Training views of each class on each of `phones` (r,), (r, classes) int64; in batches of phones."""
    ends = np.cumsum(held.sizes[phones])
    cuts = np.flatnonzero(np.diff(ends // _AT_ONCE)) + 1
    return np.concatenate([_counted(held, some, classes) for some in np.split(phones, cuts)])


def _counted(held: PhoneData, phones: np.ndarray, classes: int) -> np.ndarray:
    rows, firsts, lasts = held.of(phones)
    sizes = lasts - firsts
    starts = np.cumsum(sizes) - sizes  # of each phone's views, if all were concatenated
    phone = np.repeat(np.arange(len(phones)), sizes)
    own = rows[np.arange(len(phone)) + (firsts - starts)[phone]]
    return np.bincount(phone * classes + held.labels[own], minlength=len(phones) * classes).reshape(
        -1, classes
    )


def _shares(weights: np.ndarray, photos: int, rng: np.random.Generator) -> np.ndarray:
    """`photos` in proportion to whole-number weights (r,): each share rounded up or down, in sum `photos`.

    Photo k is at (k + r / W) / photos of the way along the weights laid end to end, W being their sum and r
    sampled once; in whole numbers, so that nothing is lost to rounding.
    """
    ends = np.cumsum(weights)
    whole = int(ends[-1])
    return np.diff((photos * ends + (whole - 1 - rng.integers(whole))) // whole, prepend=0)
