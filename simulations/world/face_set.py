"""What `fedfer data show` finds in a face set, and writes as data.json: a record of counts and names."""

from collections.abc import Mapping
from dataclasses import dataclass

from fer_models.photos.ledger import Ledger
from fer_models.run_folder.data_facts import PhotosByPart


@dataclass(frozen=True)
class NamedPhoto:
    """A photo, named so that people can find it."""

    file: str  # relative to the source's folder
    emotion: str
    subject: str | None  # None if people are not known
    part: str  # of the split


@dataclass(frozen=True)
class PhotosEach:
    """The number of photos per person."""

    subjects: int
    min: int
    median: float
    max: int


@dataclass(frozen=True)
class People:
    """Who is on the photos."""

    all: PhotosEach
    classes: Mapping[str, PhotosEach]
    parts: Mapping[str, int]  # people in each part of the split
    photos_of_nobody_known: int


@dataclass(frozen=True)
class PhotosOfSize:
    """Photos of one size and mode."""

    width: int
    height: int
    mode: str  # Pillow's, as stored
    photos: int


@dataclass(frozen=True)
class UnreadablePhoto:
    """A photo that cannot be read, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Unreadable:
    """Photos that cannot be read."""

    photos: int
    share: float  # of all
    allowed: float  # data.max_unreadable
    reasons: Mapping[str, int]  # the most frequent first
    files: tuple[UnreadablePhoto, ...]


@dataclass(frozen=True)
class Copies:
    """Photos with the same bytes as another."""

    photos: int  # beyond the first of each group
    groups: tuple[tuple[NamedPhoto, ...], ...]
    across_parts: int  # groups
    of_two_classes: int  # groups


@dataclass(frozen=True)
class NearPair:
    """Two photos that look alike."""

    photos: tuple[NamedPhoto, ...]
    correlation: float
    across: bool  # in two parts of the split


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of photos that look alike (fer_models/data/leakage.py)."""

    pairs: int
    more: bool  # whether there are more than were searched for
    across_parts: int  # pairs
    of_two_classes: int
    of_two_subjects: int
    bits: int  # by which two hashes may differ
    correlation: float  # from which two photos count as alike
    list: tuple[NearPair, ...]  # those across parts first


@dataclass(frozen=True)
class Balance:
    """Training photos and training views of each class; ratios are of the largest class to the smallest."""

    views_per_class: int  # data.balance
    how: str  # in words
    before: Mapping[str, int]
    after: Mapping[str, int]
    ratio_before: float
    ratio_after: float


@dataclass(frozen=True)
class Census:
    """What is in a face set."""

    source: str
    seed: int  # of the split and the views
    classes: tuple[str, ...]
    found: Mapping[str, int]  # photos of every emotion present, used or not
    photos: PhotosByPart
    subjects: People | None
    sizes: tuple[PhotosOfSize, ...]  # the most frequent first
    unreadable: Unreadable
    copies: Copies
    near_duplicates: NearDuplicates
    subjects_in_two_parts: tuple[str, ...]
    ledger: Ledger
    balance: Balance
