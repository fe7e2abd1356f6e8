"""Which photo lies on which phone; phones of the partition `draw` own none (fer_models/data/draws.py).

Each partition is a function of labels, subjects and a generator; a photo goes to one phone, and its
views go with it. A phone left empty takes a photo from the largest one.
"""

import numpy as np

from fer_models.errors import InputError
from simulations.experiment import FederationConfig

# The options that each partition reads.
READS: dict[str, tuple[str, ...]] = {
    "iid": (),
    "dirichlet": ("alpha",),
    "pathological": ("classes_per_phone",),
    "shards": ("shards_per_phone",),
    "quantity": ("sigma",),
    "subject": (),
    "camera": (),
    "draw": ("alpha", "photos_per_phone"),
}
_EVEN = 1e12  # an alpha whose shares are even; far larger ones overflow


def partition(
    federation: FederationConfig,
    labels: np.ndarray,
    subjects: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """The phone (n,) int64 of each of n photos with labels (n,); InputError where it cannot be done."""
    name, phones = federation.partition, federation.phones
    if phones > len(labels):
        raise InputError(
            f"federation.phones: {phones} phones, but only {len(labels)} training photos to share out; "
            f"set it to {len(labels)} or less, or let phones draw: federation.partition = draw"
        )
    if name in ("iid", "camera"):
        owner = _iid(len(labels), phones, rng)
    elif name == "dirichlet":
        owner = _dirichlet(labels, phones, federation.alpha, rng)
    elif name == "pathological":
        owner = _pathological(labels, phones, federation.classes_per_phone, rng)
    elif name == "shards":
        owner = _shards(labels, phones, federation.shards_per_phone, rng)
    elif name == "quantity":
        owner = _quantity(len(labels), phones, federation.sigma, rng)
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


def _pathological(labels: np.ndarray, phones: int, each: int, rng: np.random.Generator) -> np.ndarray:
    """Every phone holds `each` classes, drawn at random, and the phones of a class share its photos evenly.

    As in the one-sided phones of McMahan et al. (2017), but with the number of classes exact. It is so
    wherever classes have the photos for it: a class can lie on min(its photos, phones) phones, and must lie
    on one. Where it cannot be, phones hold more classes (`each` times phones is less than the classes) or
    fewer (photos run out), but none holds two more than another, and none is empty.
    """
    classes, photos = np.unique(labels, return_counts=True)
    if each > len(classes):
        raise InputError(
            f"federation.classes_per_phone: {each} classes on each phone, but the training photos have only "
            f"{len(classes)}; set it to {len(classes)} or less"
        )
    holds = _deal_classes(_spread(np.minimum(photos, phones), each * phones, rng), phones, rng)
    owner = np.empty(len(labels), np.int64)
    for label, held in zip(classes, holds.T, strict=True):
        mine, homes = rng.permutation(np.flatnonzero(labels == label)), rng.permutation(np.flatnonzero(held))
        owner[mine] = homes[np.arange(len(mine)) % len(homes)]
    return owner


def _spread(most: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """`total` as a sum of a number for each of `most`, from 1 to that one, and as even as they can be.

    Where there is no such sum, it is of the nearest total that has one.
    """
    left = min(max(total, len(most)), int(most.sum()))
    order, numbers = rng.permutation(len(most)), np.empty(len(most), np.int64)
    for place, i in enumerate(order[np.argsort(most[order], kind="stable")]):
        numbers[i] = min(most[i], left // (len(most) - place))
        left -= numbers[i]
    return numbers


def _deal_classes(places: np.ndarray, phones: int, rng: np.random.Generator) -> np.ndarray:
    """Which phone holds which class, (phones, classes) bool: class c lies on places[c] <= phones phones.

    Phones hold equally many classes, or one more. One phone after the other draws different classes, each
    with chances as the places it has left; a class with as many places as there are phones left must be
    taken, and nothing else is needed for the last phone to find what it needs.
    """
    left, holds = places.copy(), np.zeros((phones, len(places)), bool)
    fewest, more = divmod(int(places.sum()), phones)
    for turn, phone in enumerate(rng.permutation(phones)):
        waits = np.full(len(left), np.inf)  # the first arrivals of Poisson processes are such a draw
        np.divide(rng.exponential(size=len(left)), left, out=waits, where=left > 0)
        waits[left == phones - turn] = -1
        taken = np.argsort(waits, kind="stable")[: fewest + (turn < more)]
        holds[phone, taken] = True
        left[taken] -= 1
    return holds


def _shards(labels: np.ndarray, phones: int, each: int, rng: np.random.Generator) -> np.ndarray:
    """Photos sorted by class, cut into phones x `each` shards, `each` at random to a phone.

    McMahan, Moore, Ramage, Hampson and Agüera y Arcas, 2017, arXiv:1602.05629, section 3. Sizes of shards
    differ by one at most; with more shards than photos a shard is a photo, and some phones get fewer.
    """
    photos = len(labels)
    mixed = rng.permutation(photos)
    in_order = mixed[np.argsort(labels[mixed], kind="stable")]
    shards = min(phones * each, photos)
    phone = rng.choice(phones * each, shards, replace=False) // each
    owner = np.empty(photos, np.int64)
    owner[in_order] = phone[np.arange(photos) * shards // photos]
    return owner


def _quantity(photos: int, phones: int, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Classes by chance, sizes in proportion to log-normal draws: exp of sigma times a standard normal."""
    draws = rng.standard_normal(phones)
    owner = np.empty(photos, np.int64)
    owner[rng.permutation(photos)] = _cut(np.exp(sigma * (draws - draws.max())), photos)
    return owner


def _cut(shares: np.ndarray, photos: int) -> np.ndarray:
    """Of `photos` in a row the part that each falls into, in proportion to `shares`, (photos,) int64."""
    ends = np.cumsum(shares)
    cuts = np.floor(ends[:-1] / ends[-1] * photos + 0.5)
    return np.searchsorted(cuts, np.arange(photos), side="right")


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
