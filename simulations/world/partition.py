"""Which photo is on which phone: the partition of the settings, checked, with no phone short of photos."""

import numpy as np

from fer_models.errors import InputError
from simulations.config import FederationConfig


def partition(
    federation: FederationConfig,
    labels: np.ndarray,
    subjects: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """The phone (n,) int64 of each of n photos with labels (n,); InputError if they cannot be dealt so.

    A phone short of `federation.min_photos` takes photos from the largest ones, unless phones own none
    (`Partition.owns_rows`).
    """
    chosen, phones, least = federation.make(), federation.phones, federation.min_photos
    if phones > len(labels) and chosen.owns_rows:
        raise InputError(
            f"federation.phones: {phones} phones, but only {len(labels)} training photos to deal out;"
            f" set it to {len(labels)} or less, or let phones sample: federation.partition = draw"
        )
    if phones * least > len(labels) and chosen.owns_rows:
        raise InputError(
            f"federation.min_photos: {phones} phones with at least {least} photos each need {phones * least},"
            f" but there are only {len(labels)} training photos; set it to {len(labels) // phones} or less"
        )
    if subjects is None and chosen.needs_subjects:
        raise InputError(
            f'federation.partition is "{federation.partition}", but the subjects of these photos are not'
            " known; give a labels.csv with a subject column, or another partition"
        )
    owner = chosen.owners(labels, subjects, phones, rng)
    if wrong := _wrong(owner, len(labels), phones):
        raise InputError(
            f'federation.partition: owners of "{federation.partition}" must give each of {len(labels)} photos'
            f" a phone from 0 to {phones - 1}, as int64; got {wrong}; fix it"
        )
    return _fill(owner, phones, least, rng) if chosen.owns_rows else owner


def _wrong(owner: object, photos: int, phones: int) -> str:
    """What is wrong with the result of a partition; "" if nothing is."""
    if not isinstance(owner, np.ndarray):
        return f"a {type(owner).__name__}"
    if owner.shape != (photos,) or owner.dtype != np.int64:
        return f"{owner.dtype} of the shape {owner.shape}"
    outside = (owner < 0) | (owner >= phones)
    return f"the phone {owner[outside][0]}" if outside.any() else ""


def _fill(owner: np.ndarray, phones: int, least: int, rng: np.random.Generator) -> np.ndarray:
    """Gives each phone short of `least` one photo after another of the phone that then has most (the first on
    a tie).
    """
    sizes = np.bincount(owner, minlength=phones)
    for phone in np.flatnonzero(sizes < least):
        for _ in range(least - sizes[phone]):
            largest = int(sizes.argmax())
            owner[rng.choice(np.flatnonzero(owner == largest))] = phone
            sizes[largest] -= 1
            sizes[phone] += 1
    return owner
