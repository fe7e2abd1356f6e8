"""data.json: what the face set of a run held, what became of it, and what lies on the phones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from fer_models.photos.ledger import Ledger
from fer_models.run_folder.files import APPLIES, Record


@dataclass(frozen=True)
class PhotosByPart:
    """Photos of each class, part by part."""

    train: Mapping[str, int]
    validation: Mapping[str, int]
    test: Mapping[str, int]

    @property
    def totals(self) -> dict[str, int]:
        """Photos of each part, by its name."""
        return {part: sum(photos.values()) for part, photos in vars(self).items()}


@dataclass(frozen=True)
class PeopleByPart:
    """People in each part; nobody is in two of them where the split is by subject."""

    train: int
    validation: int
    test: int

    @property
    def total(self) -> int:
        """Of all parts together."""
        return self.train + self.validation + self.test


@dataclass(frozen=True)
class Sizes:
    """Training views of a phone, over all phones."""

    min: int
    median: float
    max: int


@dataclass(frozen=True)
class ClassOnPhones:
    """Training views of one class on a phone, over all phones."""

    phones: int  # that have any
    p10: float
    median: float
    p90: float


@dataclass(frozen=True)
class KeptPhones:
    """Phones whose views are listed one by one: all, or a seeded draw of many."""

    phones: tuple[int, ...]  # their ids, sorted
    views: Mapping[str, tuple[int, ...]]  # of each class, phone by phone


@dataclass(frozen=True)
class PhoneFacts:
    """What lies on the phones, and how unlike one another they are (simulations/world/skew.py)."""

    phones: int
    sizes: Sizes
    views: int  # of all phones
    label_divergence: float  # Jensen-Shannon, bits
    most_divergence: float  # if every phone held one class alone
    size_gini: float
    classes: Mapping[str, ClassOnPhones]
    kept: KeptPhones


@dataclass(frozen=True, kw_only=True)
class DataFacts(Record):
    """What the photos were."""

    FILE: ClassVar[str] = "data.json"

    source: str  # data.source: "sketch", or an absolute path
    photos_sha256: str  # of the photos, what is on them, and how they are split
    classes: tuple[str, ...]
    photos: PhotosByPart  # that were used
    views: Mapping[str, int]  # training views of each class, after balancing
    subjects: PeopleByPart | None  # None where it is not known who is on the photos
    unreadable: int  # photos; unreadable.csv lists them
    ledger: Ledger | None = None  # of all that was seen; None in folders from before there was one
    phones: PhoneFacts | None = field(default=None, metadata=APPLIES)  # where phones are simulated
