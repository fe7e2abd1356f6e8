"""Which photo lies on which phone.

Each partition is a function of labels, subjects and a generator; a photo goes to one phone, and its
views go with it. A phone left empty takes a photo from the largest one.
"""

import numpy as np

from fer_models.errors import InputError

_EVEN = 1e12  # an alpha whose shares are even; far larger ones overflow


def partition(
    name: str,
    labels: np.ndarray,
    subjects: np.ndarray | None,
    phones: int,
    *,
    alpha: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """The phone (n,) int64 of each of n photos with labels (n,); InputError where it cannot be done."""
    if phones > len(labels):
        raise InputError(
            f"federation.phones: {phones} phones, but only {len(labels)} training photos to share out; "
            f"set it to {len(labels)} or less"
        )
    if name == "iid":
        owner = _iid(len(labels), phones, rng)
    elif name == "dirichlet":
        owner = _dirichlet(labels, phones, alpha, rng)
    elif subjects is None:
        raise InputError(
            'federation.partition is "subject", but the subjects of these photos are not known; '
            "give a labels.csv with a subject column, or another partition"
        )
    else:
        owner = _subject(subjects, phones, rng)
    return _fill_empty(owner, phones, rng)


def _iid(photos: int, phones: int, rng: np.random.Generator) -> np.ndarray:
    """Photos shuffled and dealt one by one: sizes differ by one at most."""
    owner = np.empty(photos, np.int64)
    owner[rng.permutation(photos)] = np.arange(photos) % phones
    return owner


def _dirichlet(labels: np.ndarray, phones: int, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """Each class is shared out in proportions drawn from Dirichlet(alpha) (Hsu, Qi and Brown, 2019)."""
    owner = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        photos = rng.permutation(np.flatnonzero(labels == label))
        shares = rng.dirichlet(np.full(phones, min(alpha, _EVEN)))
        if not np.isfinite(shares).all():  # a tiny alpha underflows: all to one phone, its limit
            shares = np.eye(phones)[rng.integers(phones)]
        cuts = np.floor(np.cumsum(shares)[:-1] * len(photos) + 0.5).astype(np.int64)
        owner[photos] = np.searchsorted(cuts, np.arange(len(photos)), side="right")
    return owner


def _subject(subjects: np.ndarray, phones: int, rng: np.random.Generator) -> np.ndarray:
    """A person's photos stay together: people in seeded order, each to the phone with fewest photos.

    With as many phones as people, or more, each person has a phone of their own.
    """
    people, person, sizes = np.unique(subjects, return_inverse=True, return_counts=True)
    loads, home = np.zeros(phones), np.empty(len(people), np.int64)
    order = rng.permutation(len(people))
    for one in order[np.argsort(-sizes[order], kind="stable")]:
        home[one] = loads.argmin()
        loads[home[one]] += sizes[one]
    return home[person]


def _fill_empty(owner: np.ndarray, phones: int, rng: np.random.Generator) -> np.ndarray:
    """Gives each empty phone one photo of the phone that then has most (the first of equals)."""
    sizes = np.bincount(owner, minlength=phones)
    for phone in np.flatnonzero(sizes == 0):
        largest = int(sizes.argmax())
        owner[rng.choice(np.flatnonzero(owner == largest))] = phone
        sizes[largest] -= 1
        sizes[phone] += 1
    return owner
